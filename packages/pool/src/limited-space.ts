/**
 * Limits on the channels of all connections together, and on those of one address, so that one peer cannot take all: each
 * channel has a prefix of the pool's extranonce space. What is an address is for the limit on connections to say: an IPv6
 * one by its first 64 bits, and this machine's own have no limit of their own, for everybody may be behind a proxy there.
 */
import type { ExtranonceLease, ExtranonceSpace, Server } from "@sluice/channels"
import { addressGroup, isLoopback } from "@sluice/transport"

type Space = Server.ConnectionContext["space"]

export interface SpaceLimits {
  /** Prefixes held at once. */
  readonly max: number
  /** Those of one address. */
  readonly maxPerAddress: number
}

/** The space with at most `max` prefixes held at once; above them it is exhausted. */
export class LimitedSpace implements Space {
  readonly maxRollableSize: number
  readonly #space: ExtranonceSpace
  readonly #limits: SpaceLimits
  /** By address, how many are held. */
  readonly #byAddress = new Map<string, number>()

  constructor(space: ExtranonceSpace, limits: SpaceLimits) {
    this.maxRollableSize = space.maxRollableSize
    this.#space = space
    this.#limits = limits
  }

  takeStandard(epoch?: number): ExtranonceLease | undefined {
    return this.#isFull ? undefined : this.#space.takeStandard(epoch)
  }

  takeExtended(size: number, epoch?: number): ExtranonceLease | undefined {
    return this.#isFull ? undefined : this.#space.takeExtended(size, epoch)
  }

  giveBack(lease: ExtranonceLease, usedIn?: number): void {
    this.#space.giveBack(lease, usedIn)
  }

  /** What a connection from `host` takes its prefixes from. */
  of(host: string): Space {
    if (isLoopback(host)) return this
    const address = addressGroup(host)
    const held = () => this.#byAddress.get(address) ?? 0
    const taken = (take: () => ExtranonceLease | undefined): ExtranonceLease | undefined => {
      const lease = held() >= this.#limits.maxPerAddress ? undefined : take()
      if (lease !== undefined) this.#byAddress.set(address, held() + 1)
      return lease
    }
    return {
      maxRollableSize: this.maxRollableSize,
      takeStandard: (epoch) => taken(() => this.takeStandard(epoch)),
      takeExtended: (size, epoch) => taken(() => this.takeExtended(size, epoch)),
      giveBack: (lease, usedIn) => {
        this.giveBack(lease, usedIn)
        if (held() > 1) this.#byAddress.set(address, held() - 1)
        else this.#byAddress.delete(address)
      }
    }
  }

  get #isFull(): boolean {
    return this.#space.held >= this.#limits.max
  }
}
