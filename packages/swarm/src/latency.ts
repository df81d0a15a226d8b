/** Times in an HDR histogram, with three significant digits each. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks"
import { Schema } from "effect"

const Milliseconds = Schema.Number

export const Latency = Schema.Struct({
  count: Schema.Int,
  mean: Milliseconds,
  p50: Milliseconds,
  p99: Milliseconds,
  p999: Milliseconds,
  max: Milliseconds
}).annotate({ description: "Times in milliseconds; all 0 where there is none." })
export type Latency = typeof Latency.Type

/** One hour in microseconds. Longer times count as one hour. */
const LONGEST = 3_600_000_000

export class LatencyRecorder {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST, figures: 3 })

  record(milliseconds: number): void {
    // The histogram takes whole microseconds from 1 on.
    this.#histogram.record(Math.min(LONGEST, Math.max(1, Math.round(milliseconds * 1000))))
  }

  forget(): void {
    this.#histogram.reset()
  }

  summary(): Latency {
    const { count, max, mean } = this.#histogram
    if (count === 0) return { count: 0, mean: 0, p50: 0, p99: 0, p999: 0, max: 0 }
    const at = (percentile: number) => this.#histogram.percentile(percentile) / 1000
    return { count, mean: mean / 1000, p50: at(50), p99: at(99), p999: at(99.9), max: max / 1000 }
  }
}
