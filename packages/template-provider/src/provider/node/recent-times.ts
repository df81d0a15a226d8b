/**
 * The times of the last blocks. They give the median time past behind a new block without a call to the node (BIP113): the
 * middle one of the last eleven times, or of all if there are fewer.
 */

/** Blocks that the median is taken over. */
const SPAN = 11

export class RecentTimes {
  #tip: string | undefined
  /** In seconds, the tip's at the end; fewer than eleven only if the chain has no more blocks. */
  #times: ReadonlyArray<number> = []

  /** The block that the last time belongs to, in display order. */
  get tip(): string | undefined {
    return this.#tip
  }

  /** Adds times in seconds, in the order of the blocks up to `tip`. The earlier times are kept if `follows` is the tip so far. */
  extend(follows: string | undefined, tip: string, times: ReadonlyArray<number>): void {
    const before = follows !== undefined && follows === this.#tip ? this.#times : []
    this.#times = [...before, ...times].slice(-SPAN)
    this.#tip = tip
  }

  /** The median time past, in seconds, behind a block with this time on `parent`; undefined if `parent` is not the tip. */
  medianBehind(parent: string, time: number): number | undefined {
    if (parent !== this.#tip) return undefined
    const sorted = [...this.#times, time].slice(-SPAN).toSorted((a, b) => a - b)
    return sorted[sorted.length >> 1]
  }

  /** How many blocks' times are needed when none is known. */
  static readonly span = SPAN
}
