/**
 * The template provider's messages as jobs: one `Jobs` of @sluice/channels for each set of coinbase outputs. A pool that pays
 * itself has one; a solo pool has one more for each miner's address that is connected, kept while a connection mines for
 * it. All are fed the same messages, and a new one begins with those that lead to the present state.
 */
import { type CoinbaseRules, Server } from "@sluice/channels"
import type { TemplateDistribution } from "@sluice/protocol"
import type { TemplateMessage } from "@sluice/template-provider"

/** What the connections of one payout share. */
export interface Payee {
  readonly context: Server.ConnectionContext
  /** Of the miner's script in hex; undefined for the pool's own payout. */
  readonly key: string | undefined
  /** Connections that mine for it. */
  users: number
}

export interface WorkOptions {
  readonly coinbase: CoinbaseRules
  readonly space: Server.ConnectionContext["space"]
  readonly judge: Server.ShareJudge
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
  #named: Came<TemplateDistribution.NewTemplate> | undefined
  #prevHash: Came<TemplateDistribution.SetNewPrevHash> | undefined
  #newest: Came<TemplateDistribution.NewTemplate> | undefined
  readonly #future = new Map<bigint, Came<TemplateDistribution.NewTemplate>>()

  constructor(options: WorkOptions) {
    this.#options = options
    this.pool = this.#makePayee(undefined, options.coinbase, options.policy)
  }

  /** The pool's own jobs. */
  get jobs(): Server.Jobs {
    return this.pool.context.jobs
  }

  /** How many sets of outputs there are. */
  get payees(): number {
    return this.#miners.size + 1
  }

  /** Those who mine for one address, with jobs of the present state; to be released as often as taken. */
  take(key: string, payout: CoinbaseRules["payout"], policy: Server.ChannelPolicy): Payee {
    let payee = this.#miners.get(key)
    if (payee === undefined) {
      payee = this.#makePayee(key, { ...this.#options.coinbase, payout }, policy)
      this.#replay(payee.context.jobs)
      this.#miners.set(key, payee)
    }
    payee.users++
    return payee
  }

  release(payee: Payee): void {
    if (--payee.users === 0 && payee.key !== undefined) this.#miners.delete(payee.key)
  }

  /** What a message of the template provider becomes for each payee; or why no job can be made of it. */
  onMessage(message: TemplateMessage, now: number): ReadonlyMap<Payee, Server.Announcement> | Server.Ignored {
    const first = feed(this.jobs, message, now)
    if (first._tag === "Ignored") return first
    this.#remember(message, now)
    const announcements = new Map([[this.pool, first]])
    for (const payee of this.#miners.values()) {
      const announcement = feed(payee.context.jobs, message, now)
      if (announcement._tag !== "Ignored") announcements.set(payee, announcement)
    }
    return announcements
  }

  #makePayee(key: string | undefined, coinbase: CoinbaseRules, policy: Server.ChannelPolicy): Payee {
    const { judge, nextJobId, space } = this.#options
    const jobs = new Server.Jobs({ coinbase, firstJobId: nextJobId() % 2 ** 32 })
    return { key, context: { jobs, space, judge, policy }, users: 0 }
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
      if (this.#future.size > MAX_FUTURE) this.#future.delete(this.#future.keys().next().value!)
    } else this.#newest = { message, at }
  }

  #replay(jobs: Server.Jobs): void {
    const past = [this.#named, this.#prevHash, this.#newest, ...this.#future.values()]
    for (const came of past) if (came !== undefined) feed(jobs, came.message, came.at)
    // The extranonce space is one for all, and lets prefixes rest by this number.
    jobs.epoch = this.jobs.epoch
  }
}

/** As many as `Jobs` keeps. */
const MAX_FUTURE = 16

const feed = (jobs: Server.Jobs, message: TemplateMessage, now: number): Server.Announcement | Server.Ignored =>
  message._tag === "NewTemplate" ? jobs.onTemplate(message, now) : jobs.onSetNewPrevHash(message, now)
