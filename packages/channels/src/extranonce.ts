/**
 * Extranonce space of one server, shared out to its channels (specification, section 5.1.2.1).
 *
 * The full extranonce has the same size for every channel of a server, because one coinbase with one scriptSig length
 * goes to all members of a group (section 5.2.3). It is laid out as
 *
 *     upstream prefix | server id | channel index | zeros | bytes that an extended channel rolls
 *
 * The prefix of a standard channel is the full extranonce, with zeros to the end. The channel index makes a prefix unique
 * across all connections. The space reuses an index only after many others, oldest first, so that a late share of a closed
 * channel does not meet another miner with the same prefix.
 */
import { Mining } from "@sluice/protocol"
import { Result, Schema } from "effect"

/** How the full extranonce is divided. Sizes are in bytes. */
export interface ExtranonceLayout {
  /** The prefix that an upstream server assigned; empty for a pool. */
  readonly upstreamPrefix: Uint8Array
  /** Distinguishes servers that share one payout. May be empty. */
  readonly serverId: Uint8Array
  /** Whether the server id is this server's now. While it is not, no prefix is given out. Without it, it always is. */
  readonly isServerIdHeld?: () => boolean
  /** Size of the channel index, 1 to 4 bytes. 3 bytes allow 16.7 million channels open at once. */
  readonly indexSize: number
  /** Size of the full extranonce, at most 32. */
  readonly fullSize: number
  /**
   * The bytes that an extended channel rolls if it does not ask for more. Some Stratum V1 devices behind a translator take at
   * most 8, and any proxy can divide 8 bytes further.
   */
  readonly rollableSize: number
}

/**
 * 20 bytes: 1 for the server, 3 for the channel, and 16 for an extended channel to roll, the most that translators ask for.
 * With the pushes of the height, a tag of 65 bytes and the job's id, the scriptSig stays within 100 bytes.
 */
export const defaultExtranonceLayout: ExtranonceLayout = {
  upstreamPrefix: new Uint8Array(0),
  serverId: new Uint8Array(1),
  indexSize: 3,
  fullSize: 20,
  rollableSize: 8
}

/** The sizes of a layout do not fit together. The message names them. */
export class ExtranonceLayoutError extends Schema.TaggedError<ExtranonceLayoutError>(
  "sluice/channels/ExtranonceLayoutError"
)("ExtranonceLayoutError", { message: Schema.String }) {}

/** A part of the space that one channel holds until it gives it back. */
export interface ExtranonceLease {
  /** `extranonce_prefix` of the channel: the full extranonce for a standard channel. */
  readonly prefix: Uint8Array
  /** `extranonce_size`: bytes that the channel rolls; 0 for a standard channel. */
  readonly rollableSize: number
  /** Its place in the space; -1 if it is of no space here, but was given to one channel by the source of its work. */
  readonly index: number
}

/** Gives out prefixes and takes them back. A server has one space, so that no two held leases are the same. */
export class ExtranonceSpace {
  readonly fullSize: number
  /** The most bytes that an extended channel can roll. */
  readonly maxRollableSize: number
  /** How many channels can be open at once. */
  readonly capacity: number
  readonly #head: Uint8Array
  readonly #layout: ExtranonceLayout
  readonly #held = new Set<number>()
  /** Indexes given back, oldest first, from `#oldest` on. */
  #returned: Array<number> = []
  #oldest = 0
  #fresh = 0
  /** Indexes given back that rest while the epoch is `#restingIn`. */
  #resting: Array<number> = []
  #restingIn = 0

  /** Does not check the layout, as `make` does. */
  constructor(layout: ExtranonceLayout = defaultExtranonceLayout) {
    const { fullSize, indexSize, serverId, upstreamPrefix } = layout
    this.#layout = layout
    this.#head = new Uint8Array([...upstreamPrefix, ...serverId])
    this.fullSize = fullSize
    this.maxRollableSize = fullSize - fixedSizeOf(layout)
    this.capacity = 2 ** (8 * indexSize)
  }

  /** Fails with `ExtranonceLayoutError` if the sizes of the layout do not go together. */
  static make(layout: ExtranonceLayout): Result.Result<ExtranonceSpace, ExtranonceLayoutError> {
    const fault = faultOf(layout)
    return fault === undefined
      ? Result.succeed(new ExtranonceSpace(layout))
      : Result.fail(new ExtranonceLayoutError({ message: fault }))
  }

  /** How many leases are held. */
  get held(): number {
    return this.#held.size
  }

  /**
   * Takes a prefix as long as the full extranonce, for a standard channel. `undefined` when the space is exhausted. `epoch`
   * identifies the previous hash in force.
   */
  takeStandard(epoch = 0): ExtranonceLease | undefined {
    return this.#take(0, epoch)
  }

  /**
   * Takes a prefix for an extended channel that needs at least `minRollableSize` bytes to roll. `undefined` when the space is
   * exhausted, or if that is more than `maxRollableSize`.
   */
  takeExtended(minRollableSize: number, epoch = 0): ExtranonceLease | undefined {
    if (minRollableSize > this.maxRollableSize) return undefined
    return this.#take(Math.max(minRollableSize, this.#layout.rollableSize), epoch)
  }

  /**
   * Takes another prefix for a channel of this space that goes on rolling `rollableSize` bytes; 0 for a standard channel.
   * `undefined` when the space is exhausted.
   */
  takeSame(rollableSize: number, epoch = 0): ExtranonceLease | undefined {
    return this.#take(rollableSize, epoch)
  }

  /**
   * Takes a lease back. Does nothing the second time. Pass the present epoch as `usedIn` if shares were accepted for the prefix
   * in it: the space then does not give the prefix out again before the next epoch.
   */
  giveBack(lease: ExtranonceLease, usedIn?: number): void {
    if (!this.#held.delete(lease.index)) return
    if (usedIn === undefined) {
      this.#returned.push(lease.index)
      return
    }
    this.#wake(usedIn)
    this.#resting.push(lease.index)
  }

  #take(rollableSize: number, epoch: number): ExtranonceLease | undefined {
    this.#wake(epoch)
    if (this.#layout.isServerIdHeld?.() === false) return undefined
    const index = this.#nextIndex()
    if (index === undefined) return undefined
    this.#held.add(index)
    const { indexSize } = this.#layout
    const prefix = new Uint8Array(this.fullSize - rollableSize)
    prefix.set(this.#head)
    // Big-endian, so that prefixes sort as they were given out.
    for (let i = 0; i < indexSize; i++) prefix[this.#head.length + i] = index / 2 ** (8 * (indexSize - 1 - i))
    return { prefix, rollableSize, index }
  }

  /** Makes the indexes available that rested in an earlier epoch. */
  #wake(epoch: number): void {
    if (epoch === this.#restingIn) return
    this.#restingIn = epoch
    for (const index of this.#resting) this.#returned.push(index)
    this.#resting = []
  }

  #nextIndex(): number | undefined {
    const waiting = this.#returned.length - this.#oldest
    if (this.#fresh < this.capacity && waiting <= QUARANTINE) return this.#fresh++
    if (waiting === 0) return undefined
    const index = this.#returned[this.#oldest++]
    if (this.#oldest >= QUARANTINE) {
      this.#returned = this.#returned.slice(this.#oldest)
      this.#oldest = 0
    }
    return index
  }
}

/** How many given-back indexes wait while there are fresh ones. It limits the memory of a server that runs for years. */
const QUARANTINE = 65_536

const fixedSizeOf = ({ indexSize, serverId, upstreamPrefix }: ExtranonceLayout): number =>
  upstreamPrefix.length + serverId.length + indexSize

/** Says which sizes of a layout do not fit together; `undefined` if all fit. */
const faultOf = (layout: ExtranonceLayout): string | undefined => {
  const { fullSize, indexSize, rollableSize, serverId, upstreamPrefix } = layout
  if (!Number.isInteger(indexSize) || indexSize < 1 || indexSize > 4) {
    return `the channel index has 1 to 4 bytes; got ${indexSize}`
  }
  if (!Number.isInteger(fullSize) || fullSize > Mining.MAX_EXTRANONCE_SIZE) {
    return `the full extranonce has at most ${Mining.MAX_EXTRANONCE_SIZE} bytes (section 5.1.2.1); got ${fullSize}`
  }
  if (!Number.isInteger(rollableSize) || rollableSize < 1 || fixedSizeOf(layout) + rollableSize > fullSize) {
    return (
      `a full extranonce of ${fullSize} bytes holds ${upstreamPrefix.length} of upstream's prefix, ` +
      `${serverId.length} of server id, ${indexSize} of channel index and at least 1 to roll; ` +
      `${rollableSize} to roll do not fit`
    )
  }
  return undefined
}
