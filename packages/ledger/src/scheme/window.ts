/**
 * The shares that a block pays for. The order of shares is that of their sequence numbers, which the ledger gives: a window ends with
 * a sequence number and reaches back from it. Clocks decide only in a window by time, and there shares of the same millisecond are
 * all inside or all outside.
 *
 * Shares that follow each other and belong to one user may come as one span. A window is the same however shares are put into spans,
 * except that a window by time takes a span whole, by the time of its last share.
 */

/** Shares of one user that follow each other: one share, or more. */
export interface ShareSpan {
  /** Sequence number of the last share. */
  readonly seq: number
  readonly user: string
  /** Hashes, of all shares in the span. */
  readonly work: bigint
  /** Milliseconds since 1970 when the ledger got the last share. They never go back as sequence numbers go up. */
  readonly at: number
}

/** A run of shares whose work by user is known. */
export interface Slice {
  /** Sequence numbers of its first and last share. */
  readonly first: number
  readonly last: number
  /** The time of its first share, in milliseconds since 1970. */
  readonly began: number
  /** The sum of all its work. */
  readonly work: bigint
}

/** Work by user. */
export type Weights = ReadonlyMap<string, bigint>

export interface Window {
  readonly weights: Weights
  /** The sum of all weights. */
  readonly work: bigint
  /** The work that the window has room for; undefined for a window that has no such limit. */
  readonly size: bigint | undefined
  /** The oldest share in the window; 0 in an empty one. */
  readonly first: number
  /** The part of the oldest share's work that is outside; mostly 0n. */
  readonly cut: bigint
  /** The newest share in the window; 0 in an empty one. */
  readonly last: number
}

/** Which shares are in a window. The three limits may be combined; all shares are in a window without one. */
export interface WindowLimits {
  /** The newest shares with this work. The oldest of them counts with the part that still fits. */
  readonly work?: bigint
  /** Shares after this sequence number: the share that ended the round before. */
  readonly afterSeq?: number
  /** Shares that came at this time or later, in milliseconds since 1970. */
  readonly since?: number
}

/** Takes spans, newest first, until a limit is reached. It reads no further than that. */
export const windowOf = (newestFirst: Iterable<ShareSpan>, limits: WindowLimits): Window => {
  const builder = new WindowBuilder(limits)
  for (const span of newestFirst) if (!builder.add(span)) break
  return builder.window
}

/** Builds a window from spans that come one by one, newest first. */
export class WindowBuilder {
  readonly #limits: WindowLimits
  readonly #weights = new Map<string, bigint>()
  #work = 0n
  #first = 0
  #cut = 0n
  #last = 0

  constructor(limits: WindowLimits) {
    this.#limits = limits
  }

  /** The work that still fits; undefined without such a limit. */
  get room(): bigint | undefined {
    return this.#limits.work === undefined ? undefined : this.#limits.work - this.#work
  }

  /** Adds the next older span. Returns false if no older one belongs to the window. */
  add({ at, seq, user, work }: ShareSpan): boolean {
    const { afterSeq = 0, since = -Infinity } = this.#limits
    const { room } = this
    if (seq <= afterSeq || at < since || room === 0n) return false
    const counted = room === undefined || work < room ? work : room
    this.#count(user, counted)
    this.#work += counted
    this.#first = seq
    this.#cut = work - counted
    if (this.#last === 0) this.#last = seq
    return room === undefined || room > counted
  }

  /** Whether all shares of a slice belong to the window. */
  hasWhole({ began, first, work }: Slice): boolean {
    const { afterSeq = 0, since = -Infinity } = this.#limits
    return first > afterSeq && began >= since && (this.room === undefined || work <= this.room)
  }

  /** Adds the next older slice, which `hasWhole`; `addWeights` adds its users. Returns false if no older share belongs to the window. */
  addWhole({ first, last, work }: Slice): boolean {
    this.#work += work
    this.#first = first
    this.#cut = 0n
    if (this.#last === 0) this.#last = last
    return this.room !== 0n
  }

  /** Adds the work by user of slices that were added whole. */
  addWeights(weights: Weights): void {
    for (const [user, work] of weights) this.#count(user, work)
  }

  #count(user: string, work: bigint): void {
    this.#weights.set(user, (this.#weights.get(user) ?? 0n) + work)
  }

  get window(): Window {
    return {
      weights: this.#weights,
      work: this.#work,
      size: this.#limits.work,
      first: this.#first,
      cut: this.#cut,
      last: this.#last
    }
  }
}
