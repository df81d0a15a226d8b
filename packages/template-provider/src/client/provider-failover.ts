/**
 * Decides which of several template providers is in use, and keeps what each of them has sent: a pure machine that is given
 * each event and the time. It leaves the provider in use when that one is lost, when it is a block behind another one for
 * some seconds, and when one before it in the list has been connected for a while and has the same tip.
 *
 * Each provider numbers its templates by itself. Here a template's number carries the provider's place in the list in its top
 * byte, so the numbers of the first provider stay as they are.
 */
import { Result } from "effect"
import type { TemplateProtocolError } from "../protocol-error.ts"
import type { TemplateMessage } from "./template-source.ts"
import { TemplateState } from "./template-state.ts"

export interface ProviderFailoverOptions {
  /** How many providers there are. */
  readonly count: number
  readonly returnAfterMs: number
  readonly behindAfterMs: number
}

/** Another provider is in use from now on. */
export interface Choice {
  readonly provider: number
  /** The messages to pass on first: this provider's state. */
  readonly messages: ReadonlyArray<TemplateMessage>
  /** Why the provider changed; undefined if there was none before, or if it is the same one again. */
  readonly why: string | undefined
}

export class ProviderFailover {
  readonly #providers: ReadonlyArray<Provider>
  readonly #options: ProviderFailoverOptions
  /** By our template number: which provider's template it is, and its number there. The oldest first. */
  readonly #origins = new Map<bigint, { readonly provider: number; readonly templateId: bigint }>()
  #active: number | undefined
  #wasActive: number | undefined

  constructor(options: ProviderFailoverOptions) {
    this.#options = options
    this.#providers = Array.from({ length: options.count }, () => new Provider())
  }

  /** The provider in use, by its place in the list. */
  get active(): number | undefined {
    return this.#active
  }

  connected(provider: number): void {
    this.#providers[provider]!.begin()
  }

  lost(provider: number): void {
    this.#providers[provider]!.end()
    if (this.#active !== provider) return
    this.#wasActive = provider
    this.#active = undefined
  }

  /**
   * Takes what a provider sent and gives what is to be passed on if it is the provider in use, with numbers of ours. Fails if
   * the provider may not send it.
   */
  received(
    provider: number,
    messages: ReadonlyArray<TemplateMessage>,
    now: number
  ): Result.Result<ReadonlyArray<TemplateMessage>, TemplateProtocolError> {
    return Result.map(this.#providers[provider]!.receive(messages, now), (passed) =>
      passed.map((message) => this.#renumber(provider, message))
    )
  }

  /** The provider whose template has this number of ours, and the template's number there. */
  origin(templateId: bigint): { readonly provider: number; readonly templateId: bigint } {
    const known = this.#origins.get(templateId)
    if (known !== undefined) return known
    const provider = this.#lastActive ?? 0
    return { provider, templateId: templateId ^ mark(provider) }
  }

  /** Changes to another provider if that one should be used from now on. */
  choose(now: number): Choice | undefined {
    const choice = this.#better(now)
    if (choice === undefined) return undefined
    this.#active = choice.provider
    return { ...choice, messages: this.replay() }
  }

  /** What a new listener begins with: the state of the provider in use, or of the last one if it is lost. */
  replay(): ReadonlyArray<TemplateMessage> {
    const provider = this.#lastActive
    if (provider === undefined) return []
    return this.#providers[provider]!.replay().map((message) => this.#renumber(provider, message))
  }

  get #lastActive(): number | undefined {
    return this.#active ?? this.#wasActive
  }

  #better(now: number): Pick<Choice, "provider" | "why"> | undefined {
    const active = this.#active
    const ready = this.#indexes((provider) => provider.isReady)
    const current = active === undefined ? undefined : this.#providers[active]
    if (current === undefined || !current.isReady) {
      // Until a provider has templates, any connected one is used.
      const provider =
        this.#tallest(ready) ?? (current === undefined ? this.#indexes(({ isConnected }) => isConnected)[0] : undefined)
      if (provider === undefined || provider === active) return undefined
      const isSame = this.#wasActive === undefined || this.#wasActive === provider
      return { provider, why: isSame ? undefined : "the provider before is lost" }
    }
    const ahead = ready.filter((index) => {
      const { height, heightSince } = this.#providers[index]!
      return height > current.height && now - heightSince >= this.#options.behindAfterMs
    })
    const tallest = this.#tallest(ahead)
    if (tallest !== undefined) return { provider: tallest, why: "the provider before is behind by a block" }
    const preferred = ready.find((index) => {
      const { height, readySince } = this.#providers[index]!
      return index < active! && height >= current.height && now - readySince >= this.#options.returnAfterMs
    })
    return preferred === undefined ? undefined : { provider: preferred, why: "it is preferred and connected again" }
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

/** Templates whose provider is known; a pool's jobs are made from some hundreds at most. */
const MAX_ORIGINS = 4096

const mark = (provider: number): bigint => BigInt(provider & 0xff) << 56n

/** One provider, and its state on the connection that it has now or had last. */
class Provider {
  isConnected = false
  /** Since when it has a tip. */
  readySince = 0
  /** The height of the block to be found. */
  height = 0
  heightSince = 0
  #state = new TemplateState()
  #isReady = false

  get isReady(): boolean {
    return this.isConnected && this.#isReady
  }

  begin(): void {
    this.end()
    this.isConnected = true
    this.#state = new TemplateState()
  }

  end(): void {
    this.isConnected = false
    this.#isReady = false
    this.height = 0
  }

  receive(
    messages: ReadonlyArray<TemplateMessage>,
    now: number
  ): Result.Result<ReadonlyArray<TemplateMessage>, TemplateProtocolError> {
    const passed = this.#state.add(messages, now)
    if (Result.isFailure(passed) || this.#state.prevHashAt === undefined) return passed
    if (!this.#isReady) this.readySince = now
    this.#isReady = true
    const height = this.#state.height ?? 0
    if (height === this.height) return passed
    this.height = height
    this.heightSince = now
    return passed
  }

  replay(): ReadonlyArray<TemplateMessage> {
    return this.#state.replay().map(({ message }) => message)
  }
}
