/**
 * Which of several template providers is used, and what the others have sent meanwhile: a pure machine, told what happens
 * and what time it is. The one in use is left when it is lost, when it is a block behind another for some seconds, and when
 * one before it in the list has been there for a while and has the same tip.
 *
 * Providers number their templates each for itself. To us they have other numbers, in which the provider's place in the
 * list is the top byte; those of the first stay as they are.
 */
import { KnownTemplates } from "./known-templates.ts"
import type { TemplateMessage } from "./template-source.ts"

export interface ReserveOptions {
  readonly count: number
  readonly returnAfterMs: number
  readonly behindAfterMs: number
}

/** Another provider's templates are to be passed on, beginning with these. */
export interface Choice {
  readonly provider: number
  readonly messages: ReadonlyArray<TemplateMessage>
  /** Why it is not the one that was; not there if there was none. */
  readonly why: string | undefined
}

export class Reserve {
  /** The provider in use: its number in the list. */
  active: number | undefined
  readonly #providers: ReadonlyArray<Provider>
  readonly #options: ReserveOptions
  /** Where templates of ours are from, the oldest first. */
  readonly #origins = new Map<bigint, { readonly provider: number; readonly templateId: bigint }>()
  #wasActive: number | undefined

  constructor(options: ReserveOptions) {
    this.#options = options
    this.#providers = Array.from({ length: options.count }, () => new Provider())
  }

  connected(provider: number): void {
    this.#providers[provider]!.begin()
  }

  lost(provider: number): void {
    this.#providers[provider]!.end()
    if (this.active !== provider) return
    this.#wasActive = provider
    this.active = undefined
  }

  /** What a provider sent, with numbers of ours. Throws `TemplateProtocolError` for what it may not send. */
  received(provider: number, messages: ReadonlyArray<TemplateMessage>, now: number): ReadonlyArray<TemplateMessage> {
    for (const message of messages) this.#providers[provider]!.receive(message, now)
    return messages.map((message) => this.#renumber(provider, message))
  }

  /** Whose template has this number of ours, and which number it has there. */
  origin(templateId: bigint): { readonly provider: number; readonly templateId: bigint } {
    const known = this.#origins.get(templateId)
    if (known !== undefined) return known
    const provider = this.active ?? this.#wasActive ?? 0
    return { provider, templateId: templateId ^ mark(provider) }
  }

  /** Whether another provider should be used from now on. */
  choose(now: number): Choice | undefined {
    const choice = this.#better(now)
    if (choice === undefined) return undefined
    const { provider, why } = choice
    this.active = provider
    const messages = this.#providers[provider]!.replay().map((message) => this.#renumber(provider, message))
    return { provider, messages, why }
  }

  #better(now: number): { readonly provider: number; readonly why: string | undefined } | undefined {
    const { active } = this
    const ready = this.#indexes((provider) => provider.isReady)
    const current = active === undefined ? undefined : this.#providers[active]
    if (current === undefined || !current.isReady) {
      // One that is connected will do until one has templates.
      const provider =
        this.#tallest(ready) ?? (current === undefined ? this.#indexes(({ isConnected }) => isConnected)[0] : undefined)
      if (provider === undefined || provider === active) return undefined
      return {
        provider,
        why: this.#wasActive === undefined || this.#wasActive === provider ? undefined : "the one before it is lost"
      }
    }
    const ahead = ready.filter((index) => {
      const { height, heightSince } = this.#providers[index]!
      return height > current.height && now - heightSince >= this.#options.behindAfterMs
    })
    const tallest = this.#tallest(ahead)
    if (tallest !== undefined) return { provider: tallest, why: "the one before it is behind by a block" }
    const preferred = ready.find((index) => {
      const { height, readySince } = this.#providers[index]!
      return index < active! && height >= current.height && now - readySince >= this.#options.returnAfterMs
    })
    return preferred === undefined ? undefined : { provider: preferred, why: "it is preferred, and there again" }
  }

  #indexes(is: (provider: Provider) => boolean): ReadonlyArray<number> {
    return this.#providers.flatMap((provider, index) => (is(provider) ? [index] : []))
  }

  /** The first of those with the highest tip. */
  #tallest(indexes: ReadonlyArray<number>): number | undefined {
    let tallest: number | undefined
    for (const index of indexes) {
      if (tallest === undefined || this.#providers[index]!.height > this.#providers[tallest]!.height) tallest = index
    }
    return tallest
  }

  #renumber(provider: number, message: TemplateMessage): TemplateMessage {
    const templateId = message.templateId ^ mark(provider)
    if (message._tag === "NewTemplate") {
      this.#origins.set(templateId, { provider, templateId: message.templateId })
      if (this.#origins.size > MAX_ORIGINS) this.#origins.delete(this.#origins.keys().next().value!)
    }
    return { ...message, templateId }
  }
}

/** Templates whose provider is known; a pool's jobs are of some hundreds at most. */
const MAX_ORIGINS = 4096

const mark = (provider: number): bigint => BigInt(provider & 0xff) << 56n

/** One provider's state, of the connection that it has now. */
class Provider {
  isConnected = false
  /** Since when it has a tip. */
  readySince = 0
  /** Of the block to be found. */
  height = 0
  heightSince = 0
  #known = new KnownTemplates()
  #isReady = false

  get isReady(): boolean {
    return this.isConnected && this.#isReady
  }

  begin(): void {
    this.end()
    this.isConnected = true
  }

  end(): void {
    this.isConnected = false
    this.#isReady = false
    this.height = 0
    this.#known = new KnownTemplates()
  }

  receive(message: TemplateMessage, now: number): void {
    this.#known.add(message)
    if (message._tag === "NewTemplate") return
    if (!this.#isReady) this.readySince = now
    this.#isReady = true
    const height = this.#known.height ?? 0
    // A provider that repeats a SetNewPrevHash does not begin to be behind anew.
    if (height === this.height) return
    this.height = height
    this.heightSince = now
  }

  replay(): ReadonlyArray<TemplateMessage> {
    return this.#known.replay()
  }
}
