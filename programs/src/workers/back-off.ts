/** When a worker that ended is replaced: soon, and later each time if workers of its number keep ending within a minute. */
export class BackOff {
  #delayMs = 0

  /** The time to wait after a worker that lived for this long. */
  next(livedMs: number): number {
    this.#delayMs = livedMs >= LONG_MS || this.#delayMs === 0 ? FIRST_MS : Math.min(LONGEST_MS, this.#delayMs * 2)
    return this.#delayMs
  }
}

const LONG_MS = 60_000
const FIRST_MS = 250
const LONGEST_MS = 30_000
