/** The types of a benchmark. A file of cases exports `cases`, or `asyncCases` if a run is more than a function call. */

/** Marks a result as used, so that the engine does not optimise its computation away. */
export { do_not_optimize as keep } from "mitata"

/** A function to time, and the baselines to time in the same run. */
export interface Case {
  readonly name: string
  readonly unit: "ns/op"
  /** Does the operation once. */
  readonly run: () => void
  readonly baselines: ReadonlyArray<{ readonly name: string; readonly run: () => void }>
}

/** A benchmark that measures by itself, such as the one of a whole role. */
export interface AsyncCase {
  readonly name: string
  readonly rows: () => Promise<ReadonlyArray<Row>>
}

/** One result: `ratio` is `value / baselineValue`, so for times, a ratio below 1 is faster than the baseline. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly baseline: string
  readonly baselineValue: number
  readonly ratio: number
}
