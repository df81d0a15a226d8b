/**
 * The template provider's messages as jobs: one `Jobs` of @sluice/channels for each set of coinbase outputs. A pool that pays
 * itself has one; a solo pool has one more for each miner's address that is connected, kept while a connection mines for
 * it. All are fed the same messages, and a new one begins with those that lead to the present state.
 *
 * Ten thousand connections are not told in one turn of the event loop. So the messages that came last are news, numbered:
 * each connection knows how much of it it has heard, and hears the rest before anything else happens to it. The jobs of
 * a miner's address are made when its first connection listens.
 */
import {
  type Announcement,
  type CoinbaseRules,
  type Ignored,
  type Jobs,
  type Server,
  TemplateJobs
} from "@sluice/channels"
import { TemplateDistribution } from "@sluice/protocol"
import type { TemplateMessage } from "@sluice/template-provider"

/** What the connections of one payout share. */
export interface Payee {
  readonly context: Server.ChannelServerContext
  /** Feeds the jobs of the context. */
  readonly templates: TemplateJobs
  /** Of the miner's script in hex; undefined for the pool's own payout. */
  readonly key: string | undefined
  /** Connections that mine for it. */
  users: number
  /** What the news became for it, as far as it was fed. */
  news: Array<Announcement | Ignored>
}

export interface WorkOptions {
  readonly coinbase: CoinbaseRules
  readonly space: Server.ChannelServerContext["space"]
  readonly validator: Server.ShareValidator
  readonly policy: Server.ChannelPolicy
  /** Each number is above the last job id of all earlier runs and of those that began before. */
  readonly nextJobId: () => number
}

interface Came<Message> {
  readonly message: Message
  readonly at: number
}

export class Work {
  /** Those who mine for the pool. */
  readonly pool: Payee
  readonly #options: WorkOptions
  readonly #miners = new Map<string, Payee>()
  #news: Array<Came<TemplateMessage>> = []
  /** The number of the first message of the news. */
  #firstNews = 0
  #named: Came<TemplateDistribution.NewTemplate> | undefined
  #prevHash: Came<TemplateDistribution.SetNewPrevHash> | undefined
  #newest: Came<TemplateDistribution.NewTemplate> | undefined
  readonly #future = new Map<bigint, Came<TemplateDistribution.NewTemplate>>()

  constructor(options: WorkOptions) {
    this.#options = options
    this.pool = this.#makePayee(undefined, options.coinbase, options.policy)
  }

  /** The pool's own jobs. */
  get jobs(): Jobs {
    return this.pool.context.jobs
  }

  /** How many sets of outputs there are. */
  get payees(): number {
    return this.#miners.size + 1
  }

  /** How many messages there were in all: what a connection has heard that is told everything. */
  get newsEnd(): number {
    return this.#firstNews + this.#news.length
  }

  /** Those who mine for one address, with jobs of the present state; to be released as often as taken. */
  take(key: string, payout: CoinbaseRules["payout"], policy: Server.ChannelPolicy): Payee {
    let payee = this.#miners.get(key)
    if (payee === undefined) {
      payee = this.#makePayee(key, { ...this.#options.coinbase, payout }, policy)
      this.#replay(payee)
      this.#miners.set(key, payee)
    }
    this.#feed(payee)
    payee.users++
    return payee
  }

  release(payee: Payee): void {
    if (--payee.users === 0 && payee.key !== undefined) this.#miners.delete(payee.key)
  }

  /**
   * Takes new messages, and gives what each became for the pool's own jobs, or why no job can be made of it. All connections
   * must have heard of those before.
   */
  onMessages(messages: ReadonlyArray<TemplateMessage>, now: number): ReadonlyArray<Announcement | Ignored> {
    for (const payee of this.#miners.values()) this.#forget(payee)
    this.#forget(this.pool)
    this.#firstNews = this.newsEnd
    this.#news = []
    return messages.map((message) => {
      const made = feed(this.pool.templates, message, now)
      if (made._tag === "Ignored") return made
      this.#news.push({ message, at: now })
      this.pool.news.push(made)
      this.#remember(message, now)
      return made
    })
  }

  /** What the news became for a payee, behind those messages that were heard. */
  newsFor(payee: Payee, heard: number): ReadonlyArray<Announcement | Ignored> {
    this.#feed(payee)
    return heard <= this.#firstNews ? payee.news : payee.news.slice(heard - this.#firstNews)
  }

  #makePayee(key: string | undefined, coinbase: CoinbaseRules, policy: Server.ChannelPolicy): Payee {
    const { validator, nextJobId, space } = this.#options
    const templates = new TemplateJobs({ coinbase, firstJobId: nextJobId() % 2 ** 32 })
    return { key, context: { jobs: templates.jobs, space, validator, policy }, templates, users: 0, news: [] }
  }

  #feed({ news, templates }: Payee): void {
    while (news.length < this.#news.length) {
      const { at, message } = this.#news[news.length]!
      news.push(feed(templates, message, at))
    }
  }

  #forget(payee: Payee): void {
    this.#feed(payee)
    payee.news = []
  }

  #remember(message: TemplateMessage, at: number): void {
    if (message._tag === "SetNewPrevHash") {
      this.#named = this.#future.get(message.templateId)
      this.#prevHash = { message, at }
      this.#newest = undefined
      this.#future.clear()
    } else if (message.futureTemplate) {
      this.#future.delete(message.templateId)
      this.#future.set(message.templateId, { message, at })
      if (this.#future.size > TemplateDistribution.MAX_FUTURE_TEMPLATES)
        this.#future.delete(this.#future.keys().next().value!)
    } else this.#newest = { message, at }
  }

  #replay({ news, templates }: Payee): void {
    const past = [this.#named, this.#prevHash, this.#newest, ...this.#future.values()]
    for (const came of past) if (came !== undefined) feed(templates, came.message, came.at)
    // The extranonce space is one for all, and lets prefixes rest by this number.
    templates.jobs.epoch = this.jobs.epoch
    // Nobody has to be told: who mines for it begins with these jobs.
    for (let i = 0; i < this.#news.length; i++) news.push({ _tag: "Ignored", reason: "its jobs began later" })
  }
}

const feed = (templates: TemplateJobs, message: TemplateMessage, now: number): Announcement | Ignored =>
  message._tag === "NewTemplate" ? templates.onTemplate(message, now) : templates.onSetNewPrevHash(message, now)
