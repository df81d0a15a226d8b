/** Measures how long after the first connection the others get the same job or previous hash. */
import type { LatencyRecorder } from "./latency.ts"

/** The most jobs or previous hashes to remember. The oldest are dropped. */
const REMEMBERED = 64

export class Arrivals {
  readonly #recorder: LatencyRecorder
  readonly #firstAt = new Map<string | number, number>()

  constructor(recorder: LatencyRecorder) {
    this.#recorder = recorder
  }

  /** Records an arrival. Returns true if it is the first with this key. */
  record(key: string | number, now: number): boolean {
    const firstAt = this.#firstAt.get(key)
    if (firstAt !== undefined) {
      this.#recorder.record(now - firstAt)
      return false
    }
    this.#firstAt.set(key, now)
    this.#recorder.record(0)
    for (const oldest of this.#firstAt.keys()) {
      if (this.#firstAt.size <= REMEMBERED) break
      this.#firstAt.delete(oldest)
    }
    return true
  }
}
