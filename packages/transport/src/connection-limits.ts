/**
 * How many connections a listener has open at once, in all and from one address, so that one peer cannot take all the
 * places. A farm behind one NAT is one address, and half of the places is the default for it; an IPv6 peer has at least
 * 2^64 addresses, so they count by their first 64 bits. Who connects from this machine is a proxy or an operator's own
 * program, and counts only towards the total.
 */
import * as Net from "node:net"

export interface ConnectionLimits {
  /** Connections open at once; 16,384. What comes above it is closed at once. */
  readonly maxConnections?: number
  /** Those of one address, IPv6 by its first 64 bits; half of `maxConnections`. */
  readonly maxConnectionsPerAddress?: number
  /** Addresses to which the limit for one address does not apply; those of this machine (127.0.0.0/8, ::1). */
  readonly isExempt?: (host: string) => boolean
}

export const MAX_CONNECTIONS = 16_384

/** Why a connection is not taken: a reason for counts, and a sentence for people. */
export interface NoPlace {
  readonly reason: "max_connections" | "max_connections_per_address"
  readonly message: string
}

/** Counts the places of one listener. */
export class Places {
  #open = 0
  readonly #byAddress = new Map<string, number>()
  readonly #max: number
  readonly #maxPerAddress: number
  readonly #isExempt: (host: string) => boolean

  constructor({ isExempt = isLoopback, maxConnections = MAX_CONNECTIONS, maxConnectionsPerAddress }: ConnectionLimits) {
    this.#max = maxConnections
    this.#maxPerAddress = maxConnectionsPerAddress ?? Math.max(1, Math.ceil(maxConnections / 2))
    this.#isExempt = isExempt
  }

  get open(): number {
    return this.#open
  }

  /** Takes a place for a connection from `host`, or says why there is none. */
  take(host: string): NoPlace | undefined {
    if (this.#open >= this.#max) {
      return { reason: "max_connections", message: `${this.#open} are open, the most allowed (max-connections)` }
    }
    const address = addressGroup(host)
    const here = this.#byAddress.get(address) ?? 0
    if (here >= this.#maxPerAddress && !this.#isExempt(host)) {
      const message = `${address} has ${here} open, the most allowed for one address (max-connections-per-address)`
      return { reason: "max_connections_per_address", message }
    }
    this.#open++
    this.#byAddress.set(address, here + 1)
    return undefined
  }

  /** Gives back a place that `take` gave. */
  giveBack(host: string): void {
    const address = addressGroup(host)
    const here = this.#byAddress.get(address)
    if (here === undefined) return
    this.#open--
    if (here === 1) this.#byAddress.delete(address)
    else this.#byAddress.set(address, here - 1)
  }
}

/** What one peer has of addresses: an IPv4 address, or the first 64 bits of an IPv6 one, which a site gets at least. */
export const addressGroup = (host: string): string => {
  if (!Net.isIPv6(host)) return host
  const [head = "", tail = ""] = host.replace(/%.*$/, "").split("::")
  const groups = head === "" ? [] : head.split(":")
  const rest = tail === "" ? [] : tail.split(":")
  const zeros = host.includes("::") ? Math.max(0, 8 - groups.length - rest.length) : 0
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...rest]
  return `${all.slice(0, 4).join(":")}::/64`
}

/** An address of this machine. */
export const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1"
