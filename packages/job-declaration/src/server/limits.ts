/**
 * Limits that the connections of a server share, each in all, for one address and for one connection. An IPv6 address is its first 64
 * bits; addresses of this machine have no limit of their own. When all is taken, those who hold more than an equal part get no more,
 * so nobody loses anything to them.
 */
export interface ShareLimits {
  readonly perConnection: number
  readonly perAddress: number
  readonly inAll: number
}

/** The one who takes. */
export interface Peer {
  /** `addressGroup` of the host. */
  readonly address: string
  /** Whether it has no limit for its address: it is a proxy or a program of the operator. */
  readonly isExempt: boolean
}

export class Shares {
  readonly limits: ShareLimits
  #total = 0
  readonly #byAddress = new Map<string, number>()

  constructor(limits: ShareLimits) {
    this.limits = limits
  }

  get total(): number {
    return this.#total
  }

  /** Takes `weight` for a connection that holds `own`, unless a limit is reached. Gives the limit as a text in that case. */
  take({ address, isExempt }: Peer, own: number, weight: number): string | undefined {
    const { inAll, perAddress, perConnection } = this.limits
    if (own + weight > perConnection) return `${perConnection} of one connection`
    const held = this.#byAddress.get(address) ?? 0
    if (held + weight > perAddress && !isExempt) return `${perAddress} of one address`
    const parts = this.#byAddress.size + (held === 0 ? 1 : 0)
    if (this.#total + weight > inAll && held + weight > inAll / parts) return `${inAll} in all`
    this.#total += weight
    this.#byAddress.set(address, held + weight)
    return undefined
  }

  give({ address }: Pick<Peer, "address">, weight: number): void {
    const left = (this.#byAddress.get(address) ?? 0) - weight
    this.#total -= weight
    if (left > 0) this.#byAddress.set(address, left)
    else this.#byAddress.delete(address)
  }
}
