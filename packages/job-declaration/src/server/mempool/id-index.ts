/**
 * A hash table from ids of 32 bytes to the slots of a store, which has the ids itself. Four bytes an entry and some room: a Map of
 * strings would take as much memory as the transactions.
 */

/** Where the ids are: that of slot `s` at `s * STRIDE + offset`. */
export const STRIDE = 64

export class IdIndex {
  /** Slot plus one; 0 is empty. Collisions go to the next place. */
  #table = new Uint32Array(MIN_SIZE)
  #count = 0
  readonly #offset: number
  readonly #seed: number

  /** `seed` is random, so that nobody can choose ids that collide. */
  constructor(offset: number, seed: number) {
    this.#offset = offset
    this.#seed = seed | 1
  }

  get memoryBytes(): number {
    return this.#table.byteLength
  }

  /** The slot of the id at `id[at, at + 32)`, or -1. */
  find(ids: Uint8Array, id: Uint8Array, at: number): number {
    const table = this.#table
    let place = this.#placeOf(id, at)
    for (;;) {
      const entry = table[place]!
      if (entry === 0) return -1
      if (isSame(ids, (entry - 1) * STRIDE + this.#offset, id, at)) return entry - 1
      if (++place === table.length) place = 0
    }
  }

  /** Adds a slot whose id is in `ids` and not yet in the table. */
  add(ids: Uint8Array, slot: number): void {
    if (++this.#count > this.#table.length * MAX_LOAD) this.#resize(ids)
    this.#put(ids, slot)
  }

  remove(ids: Uint8Array, slot: number): void {
    const table = this.#table
    let place = this.#placeOf(ids, slot * STRIDE + this.#offset)
    while (table[place] !== slot + 1) if (++place === table.length) place = 0
    this.#count--
    // Closes the gap: moves each following entry that may not stand before its own place.
    let next = place
    for (;;) {
      if (++next === table.length) next = 0
      const entry = table[next]!
      if (entry === 0) break
      const home = this.#placeOf(ids, (entry - 1) * STRIDE + this.#offset)
      const isBetween = place < next ? home > place && home <= next : home > place || home <= next
      if (isBetween) continue
      table[place] = entry
      place = next
    }
    table[place] = 0
    if (this.#count < this.#table.length * MIN_LOAD && table.length > MIN_SIZE) this.#resize(ids)
  }

  #put(ids: Uint8Array, slot: number): void {
    const table = this.#table
    let place = this.#placeOf(ids, slot * STRIDE + this.#offset)
    while (table[place] !== 0) if (++place === table.length) place = 0
    table[place] = slot + 1
  }

  #resize(ids: Uint8Array): void {
    const old = this.#table
    this.#table = new Uint32Array(Math.max(MIN_SIZE, Math.ceil(this.#count / NEW_LOAD)))
    for (const entry of old) if (entry !== 0) this.#put(ids, entry - 1)
  }

  #placeOf(id: Uint8Array, at: number): number {
    const low = id[at]! | (id[at + 1]! << 8) | (id[at + 2]! << 16) | (id[at + 3]! << 24)
    const high = id[at + 4]! | (id[at + 5]! << 8) | (id[at + 6]! << 16) | (id[at + 7]! << 24)
    let hash = Math.imul(low ^ this.#seed, 0x85ebca6b)
    hash = Math.imul((hash ^ (hash >>> 15)) + high, this.#seed)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    hash ^= hash >>> 16
    return Math.floor(((hash >>> 0) / 0x100000000) * this.#table.length)
  }
}

const isSame = (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean => {
  for (let i = 0; i < 32; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}

const MIN_SIZE = 1024
const MAX_LOAD = 0.85
const NEW_LOAD = 0.65
const MIN_LOAD = 0.25
