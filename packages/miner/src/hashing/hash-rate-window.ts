/** Computes hashes a second over the last half minute, from samples of a counter. */
export class HashRateWindow {
  readonly #windowMs: number
  readonly #samples: Array<{ readonly at: number; readonly hashes: number }>

  /** `now` in milliseconds; the counter begins at 0. */
  constructor(now: number, windowMs = 30_000) {
    this.#windowMs = windowMs
    this.#samples = [{ at: now, hashes: 0 }]
  }

  /** Records the counter's value. Keeps one sample from before the window, as its beginning. */
  sample(now: number, hashes: number): void {
    this.#samples.push({ at: now, hashes })
    while (this.#samples.length > 2 && this.#samples[1]!.at <= now - this.#windowMs) this.#samples.shift()
  }

  /** Hashes a second up to now, when the counter is at `hashes`. */
  rate(now: number, hashes: number): number {
    const first = this.#samples[0]!
    return now > first.at ? ((hashes - first.hashes) * 1000) / (now - first.at) : 0
  }
}
