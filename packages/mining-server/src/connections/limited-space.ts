/**
 * Limits the channels of all connections together, and those of one address, so that no peer can take the whole extranonce space:
 * each channel holds a prefix of it. When all are taken, a channel of another address is closed for a new one. The address with
 * most channels without an accepted share loses one of these. If there is none, and the address of the new channel has no channel
 * yet, the address with most working channels loses one. Addresses are grouped as for the limit on connections: IPv6 addresses by
 * their first 64 bits. Addresses of this machine have no limit of their own: all miners may be behind a proxy there.
 */
import type { ChannelEvent, ChannelInfo, ChannelSpace, ExtranonceLease, ExtranonceSpace } from "@sluice/channels"
import { addressGroup, isLoopback, Tenancy } from "@sluice/transport"

type Lease = ExtranonceLease | undefined

export interface SpaceLimits {
  /** Channels open at once. */
  readonly max: number
  /** Channels of one address. */
  readonly maxPerAddress: number
}

/** The space that all connections take their prefixes from. */
export class LimitedSpace {
  /** `undefined` if the source of work gives each channel its prefix. */
  readonly space: ExtranonceSpace | undefined
  readonly limits: SpaceLimits
  /** The channels, by connection. */
  readonly channels = new Tenancy<ConnectionSpace>()

  constructor(space: ExtranonceSpace | undefined, limits: SpaceLimits) {
    this.space = space
    this.limits = limits
  }

  /** Makes the space of a connection from `host`. `close` closes one of its channels at once, for another connection. */
  of(host: string, close: (channel: ChannelInfo) => void): ConnectionSpace {
    return new ConnectionSpace(this, host, close)
  }

  /** Whether there is room for one more channel of `address`; may close a channel of another address. */
  hasRoomFor(address: string): boolean {
    if (this.channels.total < this.limits.max) return true
    const payer = this.channels.payerFor(address)
    payer?.item.giveWay(payer.isWorking)
    return this.channels.total < this.limits.max
  }
}

/** The space that one connection takes its prefixes from, with its open channels. */
export class ConnectionSpace implements ChannelSpace {
  readonly maxRollableSize: number
  readonly #all: LimitedSpace
  readonly #address: string
  readonly #maxHere: number
  readonly #close: (channel: ChannelInfo) => void
  /** The open channels, oldest first, and whether each has an accepted share. */
  readonly #channels = new Map<ChannelInfo, boolean>()
  #workingCount = 0
  /** Prefixes taken less prefixes given back since the last `note`. */
  #unnoted = 0

  constructor(all: LimitedSpace, host: string, close: (channel: ChannelInfo) => void) {
    this.maxRollableSize = all.space?.maxRollableSize ?? 0
    this.#all = all
    this.#address = addressGroup(host)
    this.#maxHere = isLoopback(host) ? Infinity : all.limits.maxPerAddress
    this.#close = close
  }

  takeStandard(epoch?: number): Lease {
    return this.#take(() => this.#all.space?.takeStandard(epoch))
  }

  takeExtended(size: number, epoch?: number): Lease {
    return this.#take(() => this.#all.space?.takeExtended(size, epoch))
  }

  /** Takes a place for a channel of the source. */
  admit(lease: ExtranonceLease): Lease {
    return this.#take(() => lease)
  }

  /** Closes nothing: the channel has its place. Refuses if channels that changed their prefixes hold too many. */
  takeSame(size: number, epoch?: number): Lease {
    const { limits, space } = this.#all
    return space !== undefined && space.held < limits.max ? space.takeSame(size, epoch) : undefined
  }

  giveBack(lease: ExtranonceLease, usedIn?: number): void {
    this.#all.space?.giveBack(lease, usedIn)
    this.#unnoted--
    this.#count()
  }

  /** Takes the events of each step of the connection's channel server. Returns whether a share was accepted. */
  note(events: ReadonlyArray<ChannelEvent>): boolean {
    let hasWorked = false
    let isChanged = this.#unnoted !== 0
    for (const event of events) {
      switch (event._tag) {
        case "ShareAccepted":
          hasWorked = true
          if (this.#workingCount === this.#channels.size || this.#channels.get(event.channel) !== false) break
          this.#channels.set(event.channel, true)
          this.#workingCount++
          isChanged = true
          break
        case "ChannelOpened":
          this.#channels.set(event.channel, false)
          break
        case "ChannelClosed":
          if (this.#channels.get(event.channel) === true) this.#workingCount--
          this.#channels.delete(event.channel)
      }
    }
    this.#unnoted = 0
    if (isChanged) this.#count()
    return hasWorked
  }

  /** Closes the oldest working channel, or the oldest one without an accepted share. */
  giveWay(isWorking: boolean): void {
    for (const [channel, hasWorked] of this.#channels) if (hasWorked === isWorking) return this.#close(channel)
  }

  #take(take: () => Lease): Lease {
    if (this.#all.channels.of(this.#address) >= this.#maxHere || !this.#all.hasRoomFor(this.#address)) return undefined
    const lease = take()
    if (lease !== undefined) this.#unnoted++
    this.#count()
    return lease
  }

  #count(): void {
    const { idle, working } = this.#all.channels
    idle.set(this.#address, this, Math.max(0, this.#channels.size - this.#workingCount + this.#unnoted))
    working.set(this.#address, this, this.#workingCount)
  }
}
