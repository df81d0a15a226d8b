/**
 * Reads a template from the text of a `getblocktemplate` answer, and does only what is needed to send the template on: it reads the
 * costs of the transactions and computes the merkle path. The rest of the transactions is made when it is first read.
 */
import { Option, Predicate, Schema } from "effect"
import { BlockTemplate, hasCosts, type TemplateTransaction, type TransactionCosts } from "./block-template.ts"
import { coinbaseMerklePathFromDigits, coinbaseMerklePathFromDisplay } from "@sluice/bitcoin"
import { type Cut, cutTransactions, HASH_AT, TXID_AT } from "./template-lanes.ts"

/**
 * Reads the template in the text of a JSON-RPC answer to request `id`. Its `transactions` are made when they are first read;
 * `TemplateTransactions.of` gives their costs before. Returns undefined if the text is no template in Bitcoin Core's form: the
 * caller then uses JSON and `decodeBlockTemplate`, which find what is wrong. The text must not change afterwards.
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

/** The rest of a transaction. If the transaction names a field twice, the second one is still here, and it counts. */
const isCut = (value: unknown): value is TransactionCosts => {
  if (!hasCosts(value)) return false
  const { data, hash, txid } = value as Partial<TemplateTransaction>
  return data === undefined && txid === undefined && hash === undefined
}

/** The transactions of a template, made only as far as they are read. */
export interface TemplateTransactions {
  /** In the node's order. */
  readonly costs: ReadonlyArray<TransactionCosts>
  /** The number of hex digits in the data of all transactions. */
  readonly digits: number
  /** The merkle path of the coinbase. Throws a `TypeError` if a txid is no hash. */
  readonly merklePath: () => ReadonlyArray<Uint8Array>
  /** All transactions. Those made now replace the costs in that array too. */
  readonly all: () => ReadonlyArray<TemplateTransaction>
}

/** The transactions of a template of any origin. */
export const transactionsOf = (template: BlockTemplate): TemplateTransactions => {
  const { transactions } = known.get(template) ?? {}
  return transactions ?? wholeTransactions(template.transactions)
}

/** The same template without transactions; makes none of them. */
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
  /** Kept until the transactions are made. */
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
