/**
 * How many connections a listener has open at once, in all and from one address, so that one peer cannot take all the
 * places. When all are taken, a newcomer takes the place of another: of a connection that has not worked yet, from the address
 * with most of those, or else, if the newcomer's address has no place at all, from the address with most that work. A farm
 * behind one NAT is one address, and half of the places is the default for it; an IPv6 peer has at least 2^64 addresses, so
 * they count by their first 64 bits. Connections from this machine come from a proxy or an operator's own program, and have
 * no limit for their address.
 */
import * as Net from "node:net"
import { Tenancy } from "./holdings.ts"

export interface ConnectionLimits {
  /** Connections open at once; 16,384. Above it one of the address with most is closed, which may be the new one. */
  readonly maxConnections?: number
  /** Those of one address, IPv6 by its first 64 bits; half of `maxConnections`. */
  readonly maxConnectionsPerAddress?: number
  /** Addresses to which the limit for one address does not apply; those of this machine (127.0.0.0/8, ::1). */
  readonly isExempt?: (host: string) => boolean
}

export const defaultMaxConnections = 16_384

/** Why a connection is not taken: a reason for counts, and a sentence for people. */
export interface NoPlace {
  readonly reason: "max_connections" | "max_connections_per_address"
  readonly message: string
}

/** A place of a connection. */
export interface Place {
  readonly host: string
  /** `addressGroup` of the host. */
  readonly address: string
  /** Ends the connection because another one takes its place. */
  readonly giveWay: () => void
}

/** The places of one listener. */
export class Places {
  readonly #places = new Tenancy<Place>()
  readonly #max: number
  readonly #maxPerAddress: number
  readonly #isExempt: (host: string) => boolean

  constructor({
    isExempt = isLoopback,
    maxConnections = defaultMaxConnections,
    maxConnectionsPerAddress
  }: ConnectionLimits) {
    this.#max = maxConnections
    this.#maxPerAddress = maxConnectionsPerAddress ?? Math.max(1, Math.ceil(maxConnections / 2))
    this.#isExempt = isExempt
  }

  get open(): number {
    return this.#places.total
  }

  /** Takes this place, that of another connection if all are taken, or says why there is none. */
  take(place: Place): NoPlace | undefined {
    const { address } = place
    const here = this.#places.of(address)
    if (here >= this.#maxPerAddress && !this.#isExempt(place.host)) {
      const message = `${address} has ${here} open already, and no address may have more (maxConnectionsPerAddress)`
      return { reason: "max_connections_per_address", message }
    }
    if (this.open >= this.#max) {
      const payer = this.#places.payerFor(address)
      if (payer === undefined) {
        const message = `${this.open} connections are open, the most allowed (maxConnections), and no address has more of them than ${address}`
        return { reason: "max_connections", message }
      }
      this.giveBack(payer.item)
      payer.item.giveWay()
    }
    this.#places.idle.set(address, place)
    return undefined
  }

  /** The connection does what the listener is there for: it gives way last. */
  worked(place: Place): void {
    const { address } = place
    const { idle, working } = this.#places
    if (working.has(address, place)) return working.renew(address, place)
    if (!idle.has(address, place)) return
    idle.remove(address, place)
    working.set(address, place)
  }

  /** Gives back a place that `take` gave; nothing where it is gone already. */
  giveBack(place: Place): void {
    this.#places.idle.remove(place.address, place)
    this.#places.working.remove(place.address, place)
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
