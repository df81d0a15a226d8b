/**
 * Remembers a channel's shares for one previous hash, to refuse duplicates (specification, error code duplicate-share). It
 * keeps 64 bits of each header's hash: among a million shares, two different ones look alike with a chance of 3 in 10^8.
 */

/** Results of `add`. */
export const SHARE_NEW = 0
export const SHARE_DUPLICATE = 1
/** The set is full and does not contain the share. */
export const SHARE_SET_FULL = 2
export type ShareVerdict = typeof SHARE_NEW | typeof SHARE_DUPLICATE | typeof SHARE_SET_FULL

/** A hash set with open addressing: 8 bytes a slot, at most three quarters of the slots taken. Empty, it has no slots. */
export class ShareSet {
  #slots: Int32Array = NO_SLOTS
  #count = 0

  get size(): number {
    return this.#count
  }

  /** As `ChannelServer.touch`. */
  touch(): number {
    return this.#slots.length > 0 ? this.#slots[0]! : 0
  }

  /**
   * Adds the share whose header hashes to `hash` (32 bytes, internal order) if fewer than `limit` are there. The first
   * 8 bytes are used: they are random even if the hash meets a high difficulty. A share takes at most 21 bytes.
   */
  add(hash: Uint8Array, limit: number): ShareVerdict {
    const low = hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24)
    const word = hash[4]! | (hash[5]! << 8) | (hash[6]! << 16) | (hash[7]! << 24)
    // Two zero words mark a free slot.
    const high = low === 0 && word === 0 ? 1 : word
    if (this.#slots.length > 0) {
      const at = find(this.#slots, low, high)
      if (this.#slots[at] === low && this.#slots[at + 1] === high) return SHARE_DUPLICATE
    }
    if (this.#count >= limit) return SHARE_SET_FULL
    if (this.#count * 8 >= this.#slots.length * 3) this.#grow()
    const at = find(this.#slots, low, high)
    this.#slots[at] = low
    this.#slots[at + 1] = high
    this.#count++
    return SHARE_NEW
  }

  /** Forgets everything, for a new previous hash. */
  clear(): void {
    if (this.#count === 0) return
    this.#slots = NO_SLOTS
    this.#count = 0
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(Math.max(16, old.length * 2))
    for (let i = 0; i < old.length; i += 2) {
      const low = old[i]!
      const high = old[i + 1]!
      if (low === 0 && high === 0) continue
      const at = find(this.#slots, low, high)
      this.#slots[at] = low
      this.#slots[at + 1] = high
    }
  }
}

/** The sets of the last few previous hashes. */
export class ShareSets {
  readonly #max: number
  /** By previous hash in hex, the latest last. */
  readonly #sets = new Map<string, ShareSet>()

  constructor(max: number) {
    this.#max = max
  }

  /** Returns the set that this previous hash had, if it was one of the last ones; otherwise an empty one. */
  of(prevHash: Uint8Array): ShareSet {
    const key = Buffer.from(prevHash).toString("hex")
    const set = this.#sets.get(key) ?? new ShareSet()
    this.#sets.delete(key)
    this.#sets.set(key, set)
    for (const oldest of this.#sets.keys()) {
      if (this.#sets.size <= this.#max) break
      this.#sets.delete(oldest)
    }
    return set
  }
}

const NO_SLOTS = new Int32Array(0)

/** Returns the place of the pair, or the free place for it. There is always a free place. */
const find = (slots: Int32Array, low: number, high: number): number => {
  const mask = slots.length - 2
  let at = (low << 1) & mask
  while ((slots[at] !== low || slots[at + 1] !== high) && (slots[at] !== 0 || slots[at + 1] !== 0)) at = (at + 2) & mask
  return at
}
