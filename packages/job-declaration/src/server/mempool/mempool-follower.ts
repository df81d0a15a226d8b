/**
 * Keeps the transactions of a node's mempool in a store: a pure machine that takes announcements and answers of the node and says
 * what to ask it for. It is a cache. A transaction that is missing here is asked from the client, and one too many does no harm, so
 * announcements may be lost: now and then the list of all txids puts everything right.
 */
import { hashFromDisplay, hashToDisplay, legacySigopsCost, parseTransaction, BlockDecodeError } from "@sluice/bitcoin"
import type { NodeNotification } from "@sluice/node"
import type { TransactionStore } from "./transaction-store.ts"

export interface MempoolLimits {
  /** The most transactions of the mempool that are kept, and the most bytes of them. */
  readonly maxTransactions: number
  readonly maxBytes: number
}

export class MempoolFollower {
  readonly #store: TransactionStore
  readonly #limits: MempoolLimits
  /** Txids in display order that the node is to be asked for. */
  readonly #wanted = new Set<string>()
  /** Of a list that is being compared with the store: how far, and the slots that it names. */
  #list: ReadonlyArray<string> = []
  #listAt = 0
  #named: Uint8Array | undefined
  #isListDue = true
  /** Transactions that the limits left out since the last list. */
  #leftOut = 0

  constructor(store: TransactionStore, limits: MempoolLimits) {
    this.#store = store
    this.#limits = limits
  }

  /** Whether to ask the node for all txids of its mempool. */
  get isListDue(): boolean {
    return this.#isListDue
  }

  /** Whether `step` has something to do. */
  get isBusy(): boolean {
    return this.#named !== undefined
  }

  get leftOut(): number {
    return this.#leftOut
  }

  /** The node published something. */
  onNotification(notification: NodeNotification): void {
    switch (notification._tag) {
      case "TransactionAdded": {
        if (this.#store.findTxid(notification.txid) < 0) this.#want(hashToDisplay(notification.txid))
        return
      }
      case "TransactionRemoved": {
        this.#wanted.delete(hashToDisplay(notification.txid))
        const slot = this.#store.findTxid(notification.txid)
        if (slot >= 0) this.#store.leaveMempool(slot)
        return
      }
      // Transactions in a block leave the mempool without an announcement of their own.
      default:
        this.#isListDue = true
    }
  }

  /** Asks for the list again, for a node without announcements. */
  refresh(): void {
    this.#isListDue = true
  }

  /** The node answered with all txids of its mempool. `step` compares them. */
  onList(txids: ReadonlyArray<string>): void {
    this.#isListDue = false
    this.#list = txids
    this.#listAt = 0
    this.#leftOut = 0
    this.#named = new Uint8Array(this.#store.slots)
  }

  /** Compares a part of the list with the store: about a millisecond's work. */
  step(): void {
    const named = this.#named
    if (named === undefined) return
    const end = Math.min(this.#list.length, this.#listAt + COMPARED_AT_ONCE)
    for (; this.#listAt < end; this.#listAt++) {
      const txid = this.#list[this.#listAt]!
      const slot = HASH.test(txid) ? this.#store.findTxid(hashFromDisplay(txid)) : -1
      if (slot >= 0 && this.#store.isInMempool(slot)) {
        // Slots that came after the list was asked for are not in `named` and stay.
        if (slot < named.length) named[slot] = 1
      } else this.#want(txid)
    }
    if (this.#listAt < this.#list.length) return
    for (let slot = 0; slot < named.length; slot++) if (named[slot] === 0) this.#store.leaveMempool(slot)
    this.#named = undefined
    this.#list = []
  }

  /** Txids to ask the node for, at most so many; empty if there are none. */
  next(most: number): ReadonlyArray<string> {
    const txids: Array<string> = []
    for (const txid of this.#wanted) {
      if (txids.length === most) break
      txids.push(txid)
      this.#wanted.delete(txid)
    }
    return txids
  }

  /** A transaction that the node answered. Transactions that left the mempool in the meantime go with the next list. */
  onTransaction(bytes: Uint8Array): void {
    const { maxBytes, maxTransactions } = this.#limits
    if (this.#store.mempoolCount >= maxTransactions || this.#store.mempoolBytes + bytes.length > maxBytes) {
      this.#leftOut++
      return
    }
    try {
      const transaction = parseTransaction(bytes)
      const slot = this.#store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
      if (this.#named !== undefined && slot < this.#named.length) this.#named[slot] = 1
    } catch (error) {
      // A node of another kind: its transactions are asked from clients.
      if (!(error instanceof BlockDecodeError)) throw error
      this.#leftOut++
    }
  }

  #want(txid: string): void {
    if (this.#store.mempoolCount + this.#wanted.size < this.#limits.maxTransactions) this.#wanted.add(txid)
    else this.#leftOut++
  }
}

const HASH = /^[0-9a-f]{64}$/
const COMPARED_AT_ONCE = 1_000
