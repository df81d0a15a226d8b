/**
 * The serials of tokens that were used, until the tokens expire. A token says nothing about its use, so the side that takes it must
 * remember it. Limits per connection, per address and in all bound the memory.
 */
import { FairLimit, type FairLimitOptions } from "./fair-limit.ts"

export interface UsedSerialsOptions extends FairLimitOptions {
  readonly maxPerConnection: number
}

/** The account of one connection. */
export interface SerialsOwner {
  readonly address: string
  serials: number
}

export class UsedSerials {
  readonly #maxPerConnection: number
  readonly #limit: FairLimit
  /** By serial in hex. */
  readonly #owners = new Map<string, SerialsOwner>()
  /** Serials in hex by the minute in which they can be forgotten. */
  readonly #byMinute = new Map<number, Array<string>>()
  #sweptAt = 0

  constructor(options: UsedSerialsOptions) {
    this.#maxPerConnection = options.maxPerConnection
    this.#limit = new FairLimit(options)
  }

  get size(): number {
    return this.#owners.size
  }

  has(serial: Uint8Array): boolean {
    return this.#owners.has(keyOf(serial))
  }

  /** Whether the connection may use one more token. Forgets those that have expired. */
  hasRoom(owner: SerialsOwner, nowSeconds: number): boolean {
    this.#sweep(nowSeconds)
    return owner.serials < this.#maxPerConnection && this.#limit.hasRoom(owner.address, 1)
  }

  /** Remembers a serial. Returns false if it was used before. */
  use(serial: Uint8Array, expiresAt: number, owner: SerialsOwner): boolean {
    const key = keyOf(serial)
    if (this.#owners.has(key)) return false
    this.#owners.set(key, owner)
    owner.serials++
    this.#limit.add(owner.address, 1)
    const minute = Math.ceil(expiresAt / 60)
    const together = this.#byMinute.get(minute)
    if (together === undefined) this.#byMinute.set(minute, [key])
    else together.push(key)
    return true
  }

  #sweep(nowSeconds: number): void {
    const minute = Math.floor(nowSeconds / 60)
    if (minute === this.#sweptAt) return
    this.#sweptAt = minute
    for (const [due, keys] of this.#byMinute) {
      if (due > minute) continue
      this.#byMinute.delete(due)
      for (const key of keys) this.#forget(key)
    }
  }

  #forget(key: string): void {
    const owner = this.#owners.get(key)!
    this.#owners.delete(key)
    owner.serials--
    this.#limit.add(owner.address, -1)
  }
}

const keyOf = (serial: Uint8Array): string => Buffer.from(serial).toString("hex")
