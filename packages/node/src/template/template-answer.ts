/**
 * A template from the text that `getblocktemplate` answered, with as little done at once as it takes to send it on: of the
 * transactions their costs and the merkle path. The rest of them is made when it is first read.
 */
import { Option, Predicate, Schema } from "effect"
import { BlockTemplate, hasCosts, type TemplateTransaction, type TransactionCosts } from "./block-template.ts"
import { coinbaseMerklePathFromDigits, coinbaseMerklePathFromDisplay } from "@sluice/bitcoin"
import { type Cut, cutTransactions, HASH_AT, TXID_AT } from "./template-lanes.ts"

/**
 * The template in the text of a JSON-RPC answer to request `id`. Its `transactions` are made when they are first read;
 * `TemplateTransactions.of` has what can be had before. Undefined for whatever is not a template as Bitcoin Core writes it:
 * then JSON and `decodeBlockTemplate` say what it is, or what is wrong with it. The text must not change any more.
 */
export const readTemplateAnswer = (text: Uint8Array, id: unknown): BlockTemplate | undefined => {
  const cut = cutTransactions(text)
  if (cut === undefined) return undefined
  const answer = Option.getOrUndefined(parseJson(cut.rest))
  if (!Predicate.isObject(answer)) return undefined
  const { error = null, id: answered, result } = answer as Readonly<Record<string, unknown>>
  if (error !== null || answered !== id || !Predicate.hasProperty(result, "transactions")) return undefined
  const { transactions } = result
  if (!Array.isArray(transactions) || transactions.length !== cut.count || !transactions.every(isCut)) return undefined
  const head = Option.getOrUndefined(decodeHead({ ...result, transactions: [] }))
  if (head === undefined) return undefined
  const unread = new UnreadTransactions(transactions, text, cut)
  const template: BlockTemplate = {
    ...head,
    get transactions() {
      return unread.all()
    }
  }
  known.set(template, { head, transactions: unread })
  return template
}

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))
const decodeHead = Schema.decodeUnknownOption(BlockTemplate)

/** What is left of a transaction; where it names a field twice, the second one is there still, and it counts. */
const isCut = (value: unknown): value is TransactionCosts => {
  if (!hasCosts(value)) return false
  const { data, hash, txid } = value as Partial<TemplateTransaction>
  return data === undefined && txid === undefined && hash === undefined
}

/** The transactions of a template, without making more of them than is read. */
export interface TemplateTransactions {
  /** In the node's order. */
  readonly costs: ReadonlyArray<TransactionCosts>
  /** How many hex digits the data of all of them have. */
  readonly digits: number
  /** The path beside the coinbase. Throws a `TypeError` if a txid is no hash. */
  readonly merklePath: () => ReadonlyArray<Uint8Array>
  /** All of them. Where they are made now, they take the places of the costs in that array too. */
  readonly all: () => ReadonlyArray<TemplateTransaction>
}

/** Of a template of any origin. */
export const transactionsOf = (template: BlockTemplate): TemplateTransactions => {
  const { transactions } = known.get(template) ?? {}
  return transactions ?? wholeTransactions(template.transactions)
}

/** The same template without transactions, none of which are made for it. */
export const withoutTransactions = (template: BlockTemplate): BlockTemplate =>
  known.get(template)?.head ?? { ...template, transactions: [] }

/** Templates that `readTemplateAnswer` gave. */
const known = new WeakMap<
  BlockTemplate,
  { readonly head: BlockTemplate; readonly transactions: TemplateTransactions }
>()

const wholeTransactions = (transactions: ReadonlyArray<TemplateTransaction>): TemplateTransactions => ({
  costs: transactions,
  digits: transactions.reduce((sum, { data }) => sum + data.length, 0),
  merklePath: () => coinbaseMerklePathFromDisplay(transactions.map(({ txid }) => txid)),
  all: () => transactions
})

class UnreadTransactions implements TemplateTransactions {
  readonly costs: ReadonlyArray<TransactionCosts>
  readonly digits: number
  readonly #costs: Array<TransactionCosts>
  /** As long as it is needed. */
  #source: { readonly text: Uint8Array; readonly cut: Cut } | undefined

  constructor(costs: Array<TransactionCosts>, text: Uint8Array, cut: Cut) {
    this.costs = costs
    this.#costs = costs
    this.#source = { text, cut }
    let digits = 0
    for (let i = 0; i < cut.places.length; i += 2) digits += cut.places[i + 1]! - cut.places[i]!
    this.digits = digits
  }

  merklePath(): ReadonlyArray<Uint8Array> {
    const txids = this.#source?.cut.txids
    return txids === undefined ? wholeTransactions(this.all()).merklePath() : coinbaseMerklePathFromDigits(txids)
  }

  all(): ReadonlyArray<TemplateTransaction> {
    const all = this.#costs as Array<TemplateTransaction>
    if (this.#source === undefined) return all
    const { cut, text } = this.#source
    this.#source = undefined
    const ascii = Buffer.from(text.buffer, text.byteOffset, text.byteLength)
    const hashAt = (at: number): string => ascii.toString("latin1", at, at + 64)
    for (let i = 0; i < all.length; i++) {
      const [begin, end] = [cut.places[2 * i]!, cut.places[2 * i + 1]!]
      const { depends, fee, sigops, weight } = all[i]!
      const data = ascii.toString("latin1", begin, end)
      const [txid, hash] = [hashAt(end + TXID_AT), hashAt(end + HASH_AT)]
      all[i] = { data, txid, hash, depends, fee, sigops, weight }
    }
    return all
  }
}
