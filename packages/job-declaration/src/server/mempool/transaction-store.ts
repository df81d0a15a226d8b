/**
 * Transactions by wtxid and by txid, for those of a node's mempool and those of declared jobs. The bytes are in slabs, the ids in
 * one array, so that the memory is little more than the transactions' bytes.
 *
 * Slabs are at least half full nearly always, so their numbers suffice for 2 GiB (`MAX_STORE_BYTES`).
 *
 * A slot is the number of a transaction as long as something holds it: the mempool, or jobs. Slabs with much unused room are emptied
 * into others, so bytes move: views on them hold until the next change.
 */
import type { Transaction } from "@sluice/bitcoin"
import { IdIndex, STRIDE } from "./id-index.ts"

/** The parts of a transaction that the store keeps. */
export type StoredTransaction = Pick<Transaction, "bytes" | "txid" | "wtxid" | "strippedSize"> & {
  /** As consensus counts the operations of its own scripts. */
  readonly sigopsCost: number
}

export class TransactionStore {
  #ids = new Uint8Array(0)
  /** Where the bytes begin: the number of their slab, and in the low bits the offset in it. */
  #place = new Uint32Array(0)
  #strippedSize = new Uint32Array(0)
  /** Signature operations, not their cost. */
  #sigops = new Uint16Array(0)
  /**
   * Twice the number of holds of jobs, plus one for the mempool. 0 is a free slot. A declaration may name a transaction as often as it
   * has positions, so 16 bits are too few.
   */
  #holds = new Uint32Array(0)
  /** Satoshis; `UNKNOWN_FEE` if the node has not said it. Empty if it has said none. */
  #fee = new Uint32Array(0)
  readonly #free: Array<number> = []
  #top = 0
  readonly #byWtxid: IdIndex
  readonly #byTxid: IdIndex
  readonly #slabs: Array<Slab | undefined> = []
  /** The slab that gets new transactions. */
  #open = -1
  #slabBytes = 0
  #count = 0
  #liveBytes = 0
  #mempoolBytes = 0
  #mempoolCount = 0

  /** `seed` is a random number. */
  constructor(seed: number) {
    this.#byWtxid = new IdIndex(0, seed)
    this.#byTxid = new IdIndex(32, seed)
  }

  /** How many transactions there are, and their bytes. */
  get count(): number {
    return this.#count
  }
  get transactionBytes(): number {
    return this.#liveBytes - this.#count * HEADER_SIZE
  }
  /** The same of those that the mempool holds. */
  get mempoolCount(): number {
    return this.#mempoolCount
  }
  get mempoolBytes(): number {
    return this.#mempoolBytes
  }
  /** All memory of the store. */
  get memoryBytes(): number {
    const columns = [this.#ids, this.#place, this.#strippedSize, this.#sigops, this.#holds, this.#fee]
    return (
      columns.reduce((sum, { byteLength }) => sum + byteLength, this.#slabBytes) +
      this.#byWtxid.memoryBytes +
      this.#byTxid.memoryBytes +
      this.#free.length * 8
    )
  }
  /** All slots are below. */
  get slots(): number {
    return this.#top
  }

  /** The slot of the transaction with the wtxid (internal order) at `id[at, at + 32)`, or -1. */
  find(id: Uint8Array, at = 0): number {
    return this.#byWtxid.find(this.#ids, id, at)
  }

  /** The same by txid. */
  findTxid(id: Uint8Array, at = 0): number {
    return this.#byTxid.find(this.#ids, id, at)
  }

  /** Whether the mempool holds it. */
  isInMempool(slot: number): boolean {
    return (this.#holds[slot]! & 1) === 1
  }

  /** Takes a transaction of the mempool, and gives its slot. */
  enterMempool(transaction: StoredTransaction): number {
    const slot = this.#put(transaction)
    if (this.isInMempool(slot)) return slot
    this.#holds[slot]! |= 1
    this.#mempoolCount++
    this.#mempoolBytes += this.lengthOf(slot)
    return slot
  }

  leaveMempool(slot: number): void {
    if (!this.isInMempool(slot)) return
    this.#mempoolCount--
    this.#mempoolBytes -= this.lengthOf(slot)
    this.#holds[slot]! &= ~1
    if (this.#holds[slot] === 0) this.#remove(slot)
  }

  /** Takes a transaction for a job that holds it, and gives its slot. */
  holdNew(transaction: StoredTransaction): number {
    const slot = this.#put(transaction)
    this.hold(slot)
    return slot
  }

  /** A job holds it once more. */
  hold(slot: number): void {
    this.#holds[slot]! += 2
  }

  /** A job holds it once less. */
  release(slot: number): void {
    this.#holds[slot]! -= 2
    if (this.#holds[slot] === 0) this.#remove(slot)
  }

  /** How many bytes it has. */
  lengthOf(slot: number): number {
    return this.#slab(slot).view.getUint32(this.#offset(slot) - LENGTH_BEFORE, true)
  }

  strippedSizeOf(slot: number): number {
    return this.#strippedSize[slot]!
  }

  weightOf(slot: number): number {
    return this.#strippedSize[slot]! * 3 + this.lengthOf(slot)
  }

  sigopsCostOf(slot: number): number {
    return this.#sigops[slot]! * 4
  }

  /** Satoshis; undefined if it is not known. */
  feeOf(slot: number): number | undefined {
    const fee = this.#fee[slot]
    return fee === UNKNOWN_FEE ? undefined : fee
  }

  setFee(slot: number, fee: number): void {
    if (this.#fee.length === 0) this.#fee = new Uint32Array(this.#holds.length).fill(UNKNOWN_FEE)
    this.#fee[slot] = fee < UNKNOWN_FEE ? fee : UNKNOWN_FEE
  }

  /** A view on the bytes, which holds until the next change of the store. */
  bytesOf(slot: number): Uint8Array {
    const at = this.#offset(slot)
    return this.#slab(slot).bytes.subarray(at, at + this.lengthOf(slot))
  }

  /** Copies the txid to `out[at, at + 32)`. */
  copyTxid(slot: number, out: Uint8Array, at: number): void {
    const from = slot * STRIDE + 32
    for (let i = 0; i < 32; i++) out[at + i] = this.#ids[from + i]!
  }

  copyWtxid(slot: number, out: Uint8Array, at: number): void {
    const from = slot * STRIDE
    for (let i = 0; i < 32; i++) out[at + i] = this.#ids[from + i]!
  }

  #put(transaction: StoredTransaction): number {
    const { bytes, sigopsCost, strippedSize, txid, wtxid } = transaction
    const known = this.find(wtxid)
    if (known >= 0) return known
    const slot = this.#free.pop() ?? this.#top++
    if (slot >= this.#holds.length) this.#grow()
    this.#ids.set(wtxid, slot * STRIDE)
    this.#ids.set(txid, slot * STRIDE + 32)
    this.#strippedSize[slot] = strippedSize
    this.#sigops[slot] = Math.min(0xffff, Math.ceil(sigopsCost / 4))
    if (this.#fee.length > 0) this.#fee[slot] = UNKNOWN_FEE
    this.#holds[slot] = 0
    this.#count++
    this.#write(slot, bytes)
    this.#byWtxid.add(this.#ids, slot)
    // Of several witnesses of one transaction, the one that came first is found by txid.
    if (this.findTxid(txid) < 0) this.#byTxid.add(this.#ids, slot)
    return slot
  }

  #remove(slot: number): void {
    this.#byWtxid.remove(this.#ids, slot)
    if (this.findTxid(this.#ids, slot * STRIDE + 32) === slot) this.#byTxid.remove(this.#ids, slot)
    const slab = this.#slab(slot)
    const at = this.#offset(slot)
    const size = HEADER_SIZE + this.lengthOf(slot)
    slab.view.setUint32(at - HEADER_SIZE, NO_SLOT, true)
    slab.live -= size
    this.#liveBytes -= size
    this.#count--
    this.#free.push(slot)
    if (slab.live === 0) this.#drop(this.#place[slot]! >>> OFFSET_BITS)
    else if (this.#slabBytes - this.#liveBytes > 2 * SLAB_SIZE + this.#liveBytes / 16) this.#emptyWorst()
  }

  /** Writes the bytes into a slab with room. */
  #write(slot: number, bytes: Uint8Array): void {
    const size = HEADER_SIZE + bytes.length
    // A large transaction has a slab of its own.
    const isLarge = size > SLAB_SIZE / 2
    let number = isLarge ? this.#newSlab(size) : this.#open
    let slab = this.#slabs[number]
    if (slab === undefined || slab.used + size > slab.bytes.length) {
      number = this.#open = this.#newSlab(SLAB_SIZE)
      slab = this.#slabs[number]!
    }
    slab.view.setUint32(slab.used, slot, true)
    slab.view.setUint32(slab.used + LENGTH_AT, bytes.length, true)
    slab.bytes.set(bytes, slab.used + HEADER_SIZE)
    this.#place[slot] = ((number << OFFSET_BITS) | (slab.used + HEADER_SIZE)) >>> 0
    slab.used += size
    slab.live += size
    this.#liveBytes += size
  }

  #newSlab(size: number): number {
    const bytes = new Uint8Array(size)
    const slab = { bytes, view: new DataView(bytes.buffer), used: 0, live: 0 }
    this.#slabBytes += size
    const empty = this.#slabs.indexOf(undefined)
    if (empty < 0) return this.#slabs.push(slab) - 1
    this.#slabs[empty] = slab
    return empty
  }

  #drop(number: number): void {
    this.#slabBytes -= this.#slabs[number]!.bytes.length
    this.#slabs[number] = undefined
    if (this.#open === number) this.#open = -1
  }

  /** Moves the transactions of the slab with the most unused bytes to other slabs. */
  #emptyWorst(): void {
    let worst = -1
    let most = 0
    this.#slabs.forEach((slab, number) => {
      const unused = slab === undefined || number === this.#open ? 0 : slab.bytes.length - slab.live
      if (unused <= most) return
      most = unused
      worst = number
    })
    const slab = this.#slabs[worst]
    if (slab === undefined) return
    for (let at = 0; at < slab.used;) {
      const slot = slab.view.getUint32(at, true)
      const length = slab.view.getUint32(at + LENGTH_AT, true)
      at += HEADER_SIZE
      if (slot !== NO_SLOT) {
        this.#liveBytes -= HEADER_SIZE + length
        this.#write(slot, slab.bytes.subarray(at, at + length))
      }
      at += length
    }
    this.#drop(worst)
  }

  #slab(slot: number): Slab {
    return this.#slabs[this.#place[slot]! >>> OFFSET_BITS]!
  }

  #offset(slot: number): number {
    return this.#place[slot]! & (SLAB_SIZE - 1)
  }

  /** Grows by a sixteenth: the room that is not used is memory too. */
  #grow(): void {
    const slots = Math.ceil((this.#holds.length * 17) / 16) + 64
    this.#ids = grown(this.#ids, new Uint8Array(slots * STRIDE))
    this.#place = grown(this.#place, new Uint32Array(slots))
    this.#strippedSize = grown(this.#strippedSize, new Uint32Array(slots))
    this.#sigops = grown(this.#sigops, new Uint16Array(slots))
    this.#holds = grown(this.#holds, new Uint32Array(slots))
    if (this.#fee.length > 0) this.#fee = grown(this.#fee, new Uint32Array(slots).fill(UNKNOWN_FEE))
  }
}

const grown = <A extends Uint8Array | Uint16Array | Uint32Array>(from: A, to: A): A => {
  to.set(from)
  return to
}

/** Transactions one after the other, each behind its slot and its length. */
interface Slab {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Bytes up to the end of the last transaction, and those of transactions that are still there. */
  used: number
  live: number
}

/** The most bytes of transactions. */
export const MAX_STORE_BYTES = 2 ** 31
/** A slab of one large transaction is longer, and its offset small. */
const OFFSET_BITS = 15
const SLAB_SIZE = 1 << OFFSET_BITS
const HEADER_SIZE = 8
const LENGTH_AT = 4
const LENGTH_BEFORE = HEADER_SIZE - LENGTH_AT
const NO_SLOT = 0xffffffff
const UNKNOWN_FEE = 0xffffffff
