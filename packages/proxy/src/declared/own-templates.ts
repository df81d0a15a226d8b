/**
 * The templates that all sessions with jobs of the proxy's own share: the previous hash, the template to mine on it, the future ones, and
 * the transactions of those that are declared. A template on the present block takes the place of the one before it if its fees are
 * worth a declaration: a pure machine that is given the messages of a `TemplateSource` and the time.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import type { TemplateMessage } from "@sluice/template-provider"

export interface OwnTemplatesOptions {
  /** The least satoshis by which the fees of a template on the same block must be higher to be declared. */
  readonly minFeeDelta: bigint
  /** The least time between two such declarations. */
  readonly intervalMs: number
}

/** A change of the work to declare. */
export type TemplateChange =
  | { readonly _tag: "Future"; readonly template: TemplateDistribution.NewTemplate }
  | {
      readonly _tag: "Tip"
      readonly template: TemplateDistribution.NewTemplate
      readonly tip: TemplateDistribution.SetNewPrevHash
    }
  /** Another template on the present previous hash. */
  | { readonly _tag: "Better"; readonly template: TemplateDistribution.NewTemplate }

/** What DeclareMiningJob needs of a template's transactions. */
export interface TemplateTransactions {
  readonly transactions: ReadonlyArray<Uint8Array>
  readonly wtxids: ReadonlyArray<Uint8Array>
  readonly excessData: Uint8Array
}

/** A template is mined so long at most while there are newer ones: providers forget old templates, and a block of one with it. */
const MAX_AGE_MS = 300_000
/** As many as a template provider may send. */
const MAX_FUTURES = 64
/** A session keeps the transactions of what it has declared; others are asked for again. */
const MAX_TRANSACTION_LISTS = 2

export class OwnTemplates {
  readonly #options: OwnTemplatesOptions
  readonly #futures = new Map<bigint, TemplateDistribution.NewTemplate>()
  /** By the template, not by its id: a provider that restarts begins its ids anew. */
  readonly #transactions = new Map<TemplateDistribution.NewTemplate, TemplateTransactions>()
  #tip: TemplateDistribution.SetNewPrevHash | undefined
  #current: TemplateDistribution.NewTemplate | undefined
  /** The newest template on the present block, if it is not the current one. */
  #candidate: TemplateDistribution.NewTemplate | undefined
  #changedAt = -Infinity
  /** Since when the current template is mined. */
  #currentAt = 0

  constructor(options: OwnTemplatesOptions) {
    this.#options = options
  }

  get tip(): TemplateDistribution.SetNewPrevHash | undefined {
    return this.#tip
  }

  /** The template to mine; `undefined` before the first previous hash. */
  get current(): TemplateDistribution.NewTemplate | undefined {
    return this.#current
  }

  get futures(): Iterable<TemplateDistribution.NewTemplate> {
    return this.#futures.values()
  }

  /** Takes the next message. `undefined` if it changes nothing, for now at least. */
  receive(message: TemplateMessage, now: number): TemplateChange | undefined {
    if (message._tag === "SetNewPrevHash") {
      const template = this.#futures.get(message.templateId)
      if (template === undefined) return undefined
      this.#tip = message
      this.#current = template
      this.#candidate = undefined
      this.#changedAt = -Infinity
      this.#currentAt = now
      this.#futures.clear()
      return { _tag: "Tip", template, tip: message }
    }
    if (message.futureTemplate) {
      this.#futures.set(message.templateId, message)
      forgetOldest(this.#futures, MAX_FUTURES)
      return { _tag: "Future", template: message }
    }
    this.#candidate = message
    return this.review(now)
  }

  /** The newest template, if it is worth a declaration by now. */
  review(now: number): TemplateChange | undefined {
    const { intervalMs, minFeeDelta } = this.#options
    const [candidate, current] = [this.#candidate, this.#current]
    if (candidate === undefined || current === undefined) return undefined
    const gain = candidate.coinbaseTxValueRemaining - current.coinbaseTxValueRemaining
    const isWorth = gain >= minFeeDelta || now - this.#currentAt >= MAX_AGE_MS
    if (!isWorth || now - this.#changedAt < intervalMs) return undefined
    this.#current = candidate
    this.#candidate = undefined
    this.#changedAt = now
    this.#currentAt = now
    return { _tag: "Better", template: candidate }
  }

  /** The transactions of a template, if they are known. */
  transactionsOf(template: TemplateDistribution.NewTemplate): TemplateTransactions | undefined {
    return this.#transactions.get(template)
  }

  setTransactions(template: TemplateDistribution.NewTemplate, transactions: TemplateTransactions): void {
    this.#transactions.set(template, transactions)
    forgetOldest(this.#transactions, MAX_TRANSACTION_LISTS)
  }
}

const forgetOldest = <Key>(entries: Map<Key, unknown>, limit: number): void => {
  for (const oldest of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(oldest)
  }
}
