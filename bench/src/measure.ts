/**
 * Times a case and its baselines in turns, in several short rounds, so that other work of the machine affects all of
 * them. The result is the fastest of the rounds' median batches, since noise only adds time.
 */
import { measure as measureBatches } from "mitata"
import type { Case, Row } from "./case.ts"

export interface MeasureOptions {
  readonly rounds: number
  /** The least duration of one round of one function. */
  readonly roundMs: number
}

export const measure = async (benchmark: Case, options: MeasureOptions): Promise<ReadonlyArray<Row>> => {
  const runs = [benchmark.run, ...benchmark.baselines.map(({ run }) => run)]
  const best = runs.map(() => Infinity)
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, run] of runs.entries()) {
      best[index] = Math.min(best[index]!, await medianNs(run, options.roundMs))
    }
  }
  return benchmark.baselines.map((baseline, index) => ({
    name: benchmark.name,
    unit: benchmark.unit,
    value: best[0]!,
    baseline: baseline.name,
    baselineValue: best[index + 1]!,
    ratio: best[0]! / best[index + 1]!
  }))
}

/** mitata runs the function in batches, so that reading the clock costs little. */
const medianNs = async (run: () => void, roundMs: number): Promise<number> => {
  const { p50 } = await measureBatches(run, {
    min_cpu_time: roundMs * 1e6,
    min_samples: 5,
    batch_samples: 512,
    // Fast functions run in batches; functions above 65 microseconds are timed one by one.
    batch_threshold: 65_536,
    gc: () => undefined
  } as Parameters<typeof measureBatches>[1])
  return p50
}
