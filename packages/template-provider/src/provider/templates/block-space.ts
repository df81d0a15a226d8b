/** Leaves out transactions of a template so that a client's coinbase fits into the block (specification, section 7.1). */
import type { TransactionCosts } from "@sluice/node"
import { type BlockLimits, type CoinbaseConstraints, reservedWeight } from "../../coinbase-constraints.ts"

/**
 * Chooses which of a template's transactions fit beside a client's coinbase. If not all do, it leaves them out from the end,
 * one package in each step: the last transaction, and those of its parents that no other transaction needs and that pay less
 * for their weight than it does, because the node took them in for its sake. So every transaction that stays keeps its
 * parents. The steps are the same for every client; each is computed when the first client needs it.
 */
export class BlockSpace {
  readonly limits: BlockLimits
  /** The fees of all transactions, in satoshis. */
  readonly fees: number
  readonly #transactions: ReadonlyArray<TransactionCosts>
  /** The totals after each step; the first entry is before any step. */
  readonly #steps: Array<Step>
  /** Indices of the transactions that were left out, in that order. */
  readonly #leftOut: Array<number> = []
  /** For each transaction, how many staying ones spend from it; -1 if it was left out itself. */
  #spenders: Int32Array | undefined
  /** All transactions from this index on are left out. */
  #end: number

  /** Throws a `TypeError` if a transaction stands before one that it spends from. */
  constructor(transactions: ReadonlyArray<TransactionCosts>, limits: BlockLimits) {
    let weight = 0
    let sigops = 0
    let fees = 0
    // Sums stay exact: they are far below 2^53.
    for (let i = 0; i < transactions.length; i++) {
      const transaction = transactions[i]!
      weight += transaction.weight
      sigops += transaction.sigops
      fees += transaction.fee
      for (const position of transaction.depends) {
        if (position > i || position < 1) {
          throw new TypeError(
            `transaction ${i + 1} of the template spends from number ${position}, which is not before it`
          )
        }
      }
    }
    this.limits = limits
    this.fees = fees
    this.#transactions = transactions
    this.#steps = [{ weight, sigops, fees, leftOut: 0 }]
    this.#end = transactions.length
  }

  /** The fewest steps after which the client's coinbase fits. */
  stepsBeside(constraints: CoinbaseConstraints): number {
    const weight = this.limits.weight - reservedWeight(constraints)
    const sigops = this.limits.sigops - constraints.coinbaseOutputMaxAdditionalSigops
    const steps = this.#steps
    const fits = (step: Step): boolean => step.weight <= weight && step.sigops <= sigops
    while (!fits(steps.at(-1)!) && this.#end > 0) this.#leaveOut()
    let low = 0
    let high = steps.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (fits(steps[middle]!)) high = middle
      else low = middle + 1
    }
    return low
  }

  /**
   * As `stepsBeside`, rounded up to one of the numbers 0 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40 and so on. However many
   * sizes clients ask for, a few dozen templates serve them all, and none leaves out more than a quarter too much.
   */
  fewStepsBeside(constraints: CoinbaseConstraints): number {
    const rounded = roundUp(this.stepsBeside(constraints))
    while (this.#steps.length <= rounded && this.#end > 0) this.#leaveOut()
    return Math.min(rounded, this.#steps.length - 1)
  }

  /** The fees, in satoshis, of the transactions that this many steps leave out. */
  feesLeftOut(steps: number): number {
    return this.fees - this.#steps[steps]!.fees
  }

  /** The transactions that stay after this many steps, in the node's order. */
  after<Transaction>(steps: number, all: ReadonlyArray<Transaction>): ReadonlyArray<Transaction> {
    if (steps === 0) return all
    const leftOut = new Set(this.#leftOut.slice(0, this.#steps[steps]!.leftOut))
    return all.filter((_, index) => !leftOut.has(index))
  }

  /** Takes the next step. */
  #leaveOut(): void {
    const transactions = this.#transactions
    const spenders = (this.#spenders ??= countSpenders(transactions))
    let { fees, sigops, weight } = this.#steps.at(-1)!
    const last = transactions[this.#end - 1]!
    const going = [this.#end - 1]
    for (let index = going.pop(); index !== undefined; index = going.pop()) {
      const transaction = transactions[index]!
      spenders[index] = -1
      this.#leftOut.push(index)
      weight -= transaction.weight
      sigops -= transaction.sigops
      fees -= transaction.fee
      for (const position of transaction.depends) {
        const parent = position - 1
        if (--spenders[parent]! === 0 && paysLess(transactions[parent]!, last)) going.push(parent)
      }
    }
    while (this.#end > 0 && spenders[this.#end - 1] === -1) this.#end--
    this.#steps.push({ weight, sigops, fees, leftOut: this.#leftOut.length })
  }
}

/** Rounds up to a number with three significant bits. */
const roundUp = (steps: number): number => {
  if (steps <= 8) return steps
  const unit = 2 ** (29 - Math.clz32(steps - 1))
  return Math.ceil(steps / unit) * unit
}

/** Totals over the transactions that stay. */
interface Step {
  readonly weight: number
  readonly sigops: number
  /** Satoshis. */
  readonly fees: number
  /** How many were left out. */
  readonly leftOut: number
}

const countSpenders = (transactions: ReadonlyArray<TransactionCosts>): Int32Array => {
  const spenders = new Int32Array(transactions.length)
  for (const { depends } of transactions) for (const position of depends) spenders[position - 1]! += 1
  return spenders
}

/** Whether a pays a lower fee for its weight than b. */
const paysLess = (a: TransactionCosts, b: TransactionCosts): boolean => a.fee * b.weight < b.fee * a.weight
