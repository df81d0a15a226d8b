/**
 * The transactions that wait for a block, and those in recent blocks, which may return in a reorganization. Pure. It does not
 * look up inputs: the caller declares the fee, and an output of an unknown transaction is assumed to exist. Of two transactions
 * that spend the same output it accepts the first, until a block has the other.
 */
import { checkTransaction, type TransactionVerdict } from "./block-rules.ts"
import type { KnownTransaction, KnownTransactions, Spending } from "./block-tree.ts"
import { hashToDisplay, legacySigopsCost, isCoinbase, type Transaction, MAX_MONEY } from "@sluice/bitcoin"

/** A transaction in the mempool or in a kept block. Ids are hex in display order. */
export interface MempoolEntry extends KnownTransaction {
  readonly txid: string
  readonly sigopsCost: number
  /** When it was first added, in seconds since 1970, and the height of the tip at that time. */
  readonly time: number
  readonly height: number
  /** The mempool's sequence number after it was added, for ZMQ's topic `sequence`. */
  readonly sequence: bigint
}

export interface MempoolOptions {
  /** The most waiting transactions. More are refused as "mempool full". */
  readonly maxTransactions: number
}

/** Reasons to refuse a transaction, in Bitcoin Core's words. */
export type MempoolVerdict =
  | TransactionVerdict
  | "coinbase"
  | "tx-size"
  | "bad-txns-fee-outofrange"
  | "txn-already-in-mempool"
  | "txn-already-known"
  | "txn-mempool-conflict"
  | "bad-txns-inputs-missingorspent"
  | "too-long-mempool-chain"
  | "mempool full"

/** The most weight units of one transaction, and the longest chain of unconfirmed transactions, itself included. */
const MAX_TRANSACTION_WEIGHT = 400_000
const MAX_ANCESTORS = 25

export class Mempool implements KnownTransactions {
  private readonly options: MempoolOptions
  /** Parents stand before their children. */
  private readonly waiting = new Map<string, MempoolEntry>()
  /** Transactions in kept blocks. */
  private readonly mined = new Map<string, MempoolEntry>()
  /** The known transaction that spends an output, by `txid:index`. */
  private readonly spends = new Map<string, string>()
  private changes = 0
  private lastSequence = 0n

  constructor(options: MempoolOptions) {
    this.options = options
  }

  /** Number of waiting transactions. */
  get size(): number {
    return this.waiting.size
  }

  get isFull(): boolean {
    return this.waiting.size >= this.options.maxTransactions
  }

  /** Counts changes of the waiting transactions; the second part of a `longpollid`. */
  get updates(): number {
    return this.changes
  }

  /** The sequence number of the next change. */
  get sequence(): bigint {
    return this.lastSequence + 1n
  }

  /** The waiting transactions, parents before children. */
  entries(): IterableIterator<MempoolEntry> {
    return this.waiting.values()
  }

  get(txid: string): MempoolEntry | undefined {
    return this.waiting.get(txid)
  }

  /** Looks up a waiting transaction or one in a kept block: the chain's `KnownTransactions`. */
  known(txid: string): MempoolEntry | undefined {
    return this.waiting.get(txid) ?? this.mined.get(txid)
  }

  /** The known transaction that spends an output (txid in display order). */
  spender(txid: string, index: number): string | undefined {
    return this.spends.get(`${txid}:${index}`)
  }

  /** Adds a transaction with its declared fee, or gives the reason to refuse it. */
  add(transaction: Transaction, fee: bigint, time: number, height: number): MempoolEntry | MempoolVerdict {
    const txid = hashToDisplay(transaction.txid)
    const outpoints = transaction.inputs.map(({ previousIndex, previousTxid }) => ({
      txid: hashToDisplay(previousTxid),
      index: previousIndex
    }))
    const parents = [...new Set(outpoints.map((outpoint) => outpoint.txid))].filter((id) => this.known(id))
    const verdict = this.check(transaction, txid, fee, outpoints, parents)
    if (verdict !== undefined) return verdict
    for (const { index, txid: spent } of outpoints) this.spends.set(`${spent}:${index}`, txid)
    const wtxid = hashToDisplay(transaction.wtxid)
    const sigopsCost = legacySigopsCost(transaction)
    const sequence = this.advance()
    const entry = { txid, wtxid, transaction, fee, sigopsCost, parents, time, height, sequence }
    this.waiting.set(txid, entry)
    return entry
  }

  /**
   * Keeps the transactions of a new block that it did not know. Drops waiting ones that spend the same outputs, with all that
   * spend theirs, and gives them, parents before children.
   */
  learn(transactions: Spending, time: number, height: number): ReadonlyArray<MempoolEntry> {
    const dropped: Array<MempoolEntry> = []
    for (const [txid, known] of transactions) {
      if (this.known(txid) !== undefined) continue
      const { transaction } = known
      for (const { previousIndex, previousTxid } of transaction.inputs) {
        const outpoint = `${hashToDisplay(previousTxid)}:${previousIndex}`
        const rival = this.spends.get(outpoint)
        if (rival !== undefined) this.drop(rival, dropped)
        this.spends.set(outpoint, txid)
      }
      const sequence = this.lastSequence
      this.mined.set(txid, { ...known, txid, sigopsCost: legacySigopsCost(transaction), time, height, sequence })
    }
    return dropped
  }

  /** Moves the transactions of a new block from the waiting ones to the kept ones. */
  mine(txids: ReadonlyArray<string>): void {
    for (const txid of txids) {
      const entry = this.waiting.get(txid)
      if (entry === undefined) continue
      this.waiting.delete(txid)
      this.mined.set(txid, entry)
      this.changes += 1
    }
  }

  /** Lets the transactions of a disconnected block wait again, in this order, before all others. */
  unmine(txids: ReadonlyArray<string>): ReadonlyArray<MempoolEntry> {
    const back: Array<MempoolEntry> = []
    for (const txid of txids) {
      const entry = this.mined.get(txid)
      if (entry === undefined) continue
      this.mined.delete(txid)
      back.push({ ...entry, sequence: this.advance() })
    }
    const others = [...this.waiting]
    this.waiting.clear()
    for (const entry of back) this.waiting.set(entry.txid, entry)
    for (const [txid, entry] of others) this.waiting.set(txid, entry)
    return back
  }

  /** Drops the transactions of blocks that can no longer be disconnected. */
  forget(txids: ReadonlyArray<string>): void {
    for (const txid of txids) {
      const entry = this.mined.get(txid)
      if (entry === undefined) continue
      this.mined.delete(txid)
      this.releaseOutpoints(entry)
    }
  }

  /** The waiting ancestors of a transaction, in order, each once. A block must contain them before it. */
  ancestors(entry: MempoolEntry): ReadonlyArray<MempoolEntry> {
    const found = new Set<MempoolEntry>()
    const visit = (each: MempoolEntry): void => {
      for (const txid of each.parents) {
        const parent = this.waiting.get(txid)
        if (parent === undefined || found.has(parent)) continue
        visit(parent)
        found.add(parent)
      }
    }
    visit(entry)
    return [...found]
  }

  /**
   * Transactions for a block, parents before children, best fee for their weight first, within the weight and the
   * signature operations that are given.
   */
  select(maxWeight: number, maxSigopsCost: number): ReadonlyArray<MempoolEntry> {
    const chosen = new Set<MempoolEntry>()
    let weight = 0
    let sigopsCost = 0
    for (const entry of [...this.waiting.values()].toSorted(byFeeRate)) {
      if (chosen.has(entry)) continue
      const group = [...this.ancestors(entry), entry].filter((each) => !chosen.has(each))
      const groupWeight = group.reduce((total, { transaction }) => total + transaction.weight, 0)
      const groupSigopsCost = group.reduce((total, each) => total + each.sigopsCost, 0)
      if (weight + groupWeight > maxWeight || sigopsCost + groupSigopsCost > maxSigopsCost) continue
      for (const each of group) chosen.add(each)
      weight += groupWeight
      sigopsCost += groupSigopsCost
    }
    return [...chosen]
  }

  private check(
    transaction: Transaction,
    txid: string,
    fee: bigint,
    outpoints: ReadonlyArray<{ readonly txid: string; readonly index: number }>,
    parents: ReadonlyArray<string>
  ): MempoolVerdict | undefined {
    const verdict = checkTransaction(transaction)
    if (verdict !== undefined) return verdict
    if (isCoinbase(transaction)) return "coinbase"
    if (transaction.weight > MAX_TRANSACTION_WEIGHT) return "tx-size"
    if (fee < 0n || fee > MAX_MONEY) return "bad-txns-fee-outofrange"
    if (this.waiting.has(txid)) return "txn-already-in-mempool"
    if (this.mined.has(txid)) return "txn-already-known"
    if (outpoints.some((outpoint) => this.spends.has(`${outpoint.txid}:${outpoint.index}`))) {
      return "txn-mempool-conflict"
    }
    const spendsNothing = outpoints.some(({ index, txid: parent }) => {
      const outputs = this.known(parent)?.transaction.outputs
      return outputs !== undefined && index >= outputs.length
    })
    if (spendsNothing) return "bad-txns-inputs-missingorspent"
    const ancestors = new Set<string>()
    for (const parent of parents) {
      const entry = this.waiting.get(parent)
      if (entry === undefined) continue
      for (const ancestor of [...this.ancestors(entry), entry]) ancestors.add(ancestor.txid)
    }
    if (ancestors.size + 1 > MAX_ANCESTORS) return "too-long-mempool-chain"
    return this.isFull ? "mempool full" : undefined
  }

  /** Drops a waiting transaction, then those that spend its outputs. */
  private drop(txid: string, dropped: Array<MempoolEntry>): void {
    const entry = this.waiting.get(txid)
    if (entry === undefined) return
    this.waiting.delete(txid)
    this.releaseOutpoints(entry)
    dropped.push({ ...entry, sequence: this.advance() })
    for (const index of entry.transaction.outputs.keys()) {
      const child = this.spends.get(`${txid}:${index}`)
      if (child !== undefined) this.drop(child, dropped)
    }
  }

  private releaseOutpoints({ transaction }: MempoolEntry): void {
    for (const { previousIndex, previousTxid } of transaction.inputs) {
      this.spends.delete(`${hashToDisplay(previousTxid)}:${previousIndex}`)
    }
  }

  private advance(): bigint {
    this.changes += 1
    this.lastSequence += 1n
    return this.lastSequence
  }
}

/** Sorts by fee rate, highest first, then by time of arrival. */
const byFeeRate = (a: MempoolEntry, b: MempoolEntry): number => {
  const difference = b.fee * BigInt(a.transaction.weight) - a.fee * BigInt(b.transaction.weight)
  return difference === 0n ? Number(a.sequence - b.sequence) : difference > 0n ? 1 : -1
}
