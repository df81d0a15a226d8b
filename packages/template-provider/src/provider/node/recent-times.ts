/**
 * The times of the last blocks, from which the median time past behind a new block follows without asking the node
 * (BIP113): the middle one of the last eleven, or of all where there are fewer.
 */

/** Blocks that the median is taken over. */
const SPAN = 11

export class RecentTimes {
  #tip: string | undefined
  /** In seconds, the tip's last; fewer than eleven only if the chain has no more. */
  #times: ReadonlyArray<number> = []

  /** The block whose time is the last one, display order. */
  get tip(): string | undefined {
    return this.#tip
  }

  /** Seconds, in the order of the blocks up to `tip`; those before them are known if `follows` is the tip so far. */
  extend(follows: string | undefined, tip: string, times: ReadonlyArray<number>): void {
    const before = follows !== undefined && follows === this.#tip ? this.#times : []
    this.#times = [...before, ...times].slice(-SPAN)
    this.#tip = tip
  }

  /** The median time past, in seconds, behind a block of this time on the tip `parent`; undefined for another parent. */
  medianBehind(parent: string, time: number): number | undefined {
    if (parent !== this.#tip) return undefined
    const sorted = [...this.#times, time].slice(-SPAN).toSorted((a, b) => a - b)
    return sorted[sorted.length >> 1]
  }

  /** How many blocks have to be asked for when nothing is known. */
  static readonly span = SPAN
}
