/**
 * A limit that all addresses share. While there is room, an address may hold as much as `maxPerAddress`. When all is taken, only an
 * address that holds less than an equal part gets more: whoever holds too much is refused, and never another. With n addresses
 * the total is at most 2 + ln(n) times the limit. Groups addresses as the limits of connections do. Addresses of this machine have no limit of their own.
 */
import { addressGroup, isLoopback } from "@sluice/transport"

export interface FairLimitOptions {
  readonly max: number
  readonly maxPerAddress: number
}

export class FairLimit {
  readonly #options: FairLimitOptions
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(options: FairLimitOptions) {
    this.#options = options
  }

  get total(): number {
    return this.#total
  }

  /** The name under which a host's holdings are counted. */
  static address(host: string): string {
    return isLoopback(host) ? LOOPBACK : addressGroup(host)
  }

  /** Whether this address, from `FairLimit.address`, may hold so much more. */
  hasRoom(address: string, amount: number): boolean {
    const { max, maxPerAddress } = this.#options
    const held = this.#held.get(address)
    const wanted = (held ?? 0) + amount
    if (address !== LOOPBACK && wanted > maxPerAddress) return false
    const addresses = this.#held.size + (held === undefined ? 1 : 0)
    return this.#total + amount <= max || wanted <= max / addresses
  }

  /** Counts an amount. A negative one is given back. */
  add(address: string, amount: number): void {
    const held = (this.#held.get(address) ?? 0) + amount
    this.#total += amount
    if (held > 0) this.#held.set(address, held)
    else this.#held.delete(address)
  }
}

const LOOPBACK = "this machine"
