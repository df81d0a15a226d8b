/** What a benchmark is. A file of cases exports `cases`, or `asyncCases` where a run is more than a function call. */

/** Makes a result count as used, so that the work for it is not optimised away. */
export { do_not_optimize as keep } from "mitata"

/** Something to time, and what to time it against in the same run. */
export interface Case {
  readonly name: string
  readonly unit: "ns/op"
  /** Does the operation once. */
  readonly run: () => void
  readonly baselines: ReadonlyArray<{ readonly name: string; readonly run: () => void }>
}

/** A benchmark that measures itself, such as that of a whole role. */
export interface AsyncCase {
  readonly name: string
  readonly rows: () => Promise<ReadonlyArray<Row>>
}

/** One result: `ratio` is `value / baselineValue`, so below 1 is faster than the baseline where the unit is a time. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly baseline: string
  readonly baselineValue: number
  readonly ratio: number
}
