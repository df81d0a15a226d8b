/** How long after the first connection the others get the same: a job, or a previous hash. */
import type { LatencyRecorder } from "./latency.ts"

/** So many are remembered; the oldest are forgotten. */
const REMEMBERED = 64

export class Arrivals {
  readonly #recorder: LatencyRecorder
  readonly #firstAt = new Map<string | number, number>()

  constructor(recorder: LatencyRecorder) {
    this.#recorder = recorder
  }

  /** True for the first one of its kind. */
  record(what: string | number, now: number): boolean {
    const firstAt = this.#firstAt.get(what)
    if (firstAt !== undefined) {
      this.#recorder.record(now - firstAt)
      return false
    }
    this.#firstAt.set(what, now)
    this.#recorder.record(0)
    for (const oldest of this.#firstAt.keys()) {
      if (this.#firstAt.size <= REMEMBERED) break
      this.#firstAt.delete(oldest)
    }
    return true
  }
}
