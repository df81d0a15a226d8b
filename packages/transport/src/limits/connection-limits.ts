/**
 * Limits the open connections of a listener, in total and per address, so that one peer cannot take all places. When all places
 * are taken, a new connection replaces another one: a connection that has not worked yet, of the address with the most of
 * these; or, if the new connection's address has no place at all, a working connection of the address with the most of them. A
 * farm behind one NAT is one address, so the default limit per address is half of the places. An IPv6 peer has at least 2^64
 * addresses, so IPv6 addresses count by their first 64 bits. Connections from this machine come from a proxy or a program of
 * the operator, so they have no limit per address.
 */
import * as Net from "node:net"
import { Tenancy } from "./holdings.ts"

export interface ConnectionLimits {
  /** The most open connections. Above it, a connection of the address with the most is closed, which can be the new one. Default 16,384. */
  readonly maxConnections?: number
  /** The most open connections of one address; IPv6 counts by its first 64 bits. Default half of `maxConnections`. */
  readonly maxConnectionsPerAddress?: number
  /** Addresses without a limit per address. Default those of this machine (127.0.0.0/8, ::1). */
  readonly isExempt?: (host: string) => boolean
}

export const defaultMaxConnections = 16_384

/** Why a connection is refused: a reason for metrics and a message. */
export interface NoPlace {
  readonly reason: "max_connections" | "max_connections_per_address"
  readonly message: string
}

/** The place of a connection. */
export interface Place {
  readonly host: string
  /** `addressGroup` of the host. */
  readonly address: string
  /** Ends the connection because another one replaces it. */
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

  /** Takes a place, if need be that of another connection. Gives the reason if there is no place. */
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

  /** Takes a place for a connection whose address changes with `change`. */
  move(place: Place, change: () => void): NoPlace | undefined {
    this.giveBack(place)
    change()
    return this.take(place)
  }

  /** Marks the connection as working, so that it gives way last. */
  worked(place: Place): void {
    const { address } = place
    const { idle, working } = this.#places
    if (working.has(address, place)) return working.renew(address, place)
    if (!idle.has(address, place)) return
    idle.remove(address, place)
    working.set(address, place)
  }

  /** Frees a place; does nothing if it is free already. */
  giveBack(place: Place): void {
    this.#places.idle.remove(place.address, place)
    this.#places.working.remove(place.address, place)
  }
}

/** The address by which peers are grouped: an IPv4 address, or the first 64 bits of an IPv6 address, which are one site. */
export const addressGroup = (host: string): string => {
  if (!Net.isIPv6(host)) return host
  const [head = "", tail = ""] = host.replace(/%.*$/, "").split("::")
  const groups = head === "" ? [] : head.split(":")
  const rest = tail === "" ? [] : tail.split(":")
  const zeros = host.includes("::") ? Math.max(0, 8 - groups.length - rest.length) : 0
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...rest]
  return `${all.slice(0, 4).join(":")}::/64`
}

/** Whether the host is this machine. */
export const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1"
