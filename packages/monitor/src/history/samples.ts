/**
 * The totals of a server over time, in four resolutions. Samples of ten seconds are written; the coarser ones are made of those in
 * the database, so that a restart in the middle of a day does not lose its first half. A time without samples stays without.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { type Column, COLUMNS, type History, type RefusedHistory, type Resolution } from "../api/history.ts"
import { inTransaction } from "./database.ts"

const DAY_MS = 86_400_000

/** How long a sample is, and how long it is kept. */
export const STEPS: Readonly<Record<Resolution, { readonly stepMs: number; readonly keptMs: number }>> = {
  "10s": { stepMs: 10_000, keptMs: DAY_MS },
  "1m": { stepMs: 60_000, keptMs: 7 * DAY_MS },
  "10m": { stepMs: 600_000, keptMs: 61 * DAY_MS },
  "1d": { stepMs: DAY_MS, keptMs: Infinity }
}

/** The most samples of one answer: a week in steps of a minute. */
const MAX_POINTS = 10_080

export interface Sample extends Readonly<Record<Column, number | null>> {
  /** The beginning of its ten seconds, in milliseconds since 1970. */
  readonly at: number
  readonly refusedByCode: Readonly<Record<string, number>>
}

/** Sums for things that happen, means for things that are. */
const ROLLED = `select
  avg(hashRate), sum(accepted), sum(refused), avg(connections), avg(workers),
  avg(jobLatencyMs), avg(replyLatencyMs), max(effort), sum(blocks), avg(fees)`

export class Samples {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync
  readonly #insertRefused: StatementSync
  readonly #roll: StatementSync
  readonly #rollRefused: StatementSync
  readonly #between: StatementSync
  readonly #refusedBetween: StatementSync

  constructor(database: DatabaseSync) {
    this.#database = database
    const columns = COLUMNS.join(", ")
    const marks = COLUMNS.map(() => "?").join(", ")
    this.#insert = database.prepare(`insert or replace into samples (step, at, ${columns}) values (?, ?, ${marks})`)
    this.#insertRefused = database.prepare(
      "insert or replace into refused (step, at, code, shares) values (?, ?, ?, ?)"
    )
    this.#roll = database.prepare(
      `insert or replace into samples (step, at, ${columns})
       select ?, ?, * from (${ROLLED} from samples where step = ? and at >= ? and at < ?)`
    )
    this.#rollRefused = database.prepare(
      `insert or replace into refused (step, at, code, shares)
       select ?, ?, code, sum(shares) from refused where step = ? and at >= ? and at < ? group by code`
    )
    this.#between = database.prepare(
      `select at, ${columns} from samples where step = ? and at >= ? and at < ? order by at`
    )
    this.#refusedBetween = database.prepare(
      "select at, code, shares from refused where step = ? and at >= ? and at < ? order by at"
    )
  }

  /** Writes a sample of ten seconds, and brings the coarser ones that contain it up to date. */
  write(sample: Sample): void {
    const finest = STEPS["10s"].stepMs
    inTransaction(this.#database, () => {
      this.#insert.run(finest, sample.at, ...COLUMNS.map((column) => sample[column]))
      for (const [code, shares] of Object.entries(sample.refusedByCode)) {
        if (shares > 0) this.#insertRefused.run(finest, sample.at, code, shares)
      }
      let finer = finest
      for (const { stepMs } of Object.values(STEPS)) {
        if (stepMs === finest) continue
        const at = Math.floor(sample.at / stepMs) * stepMs
        this.#roll.run(stepMs, at, finer, at, at + stepMs)
        this.#rollRefused.run(stepMs, at, finer, at, at + stepMs)
        finer = stepMs
      }
    })
  }

  /** Deletes samples that are older than their resolution keeps them. */
  prune(now: number): void {
    for (const { keptMs, stepMs } of Object.values(STEPS)) {
      if (keptMs === Infinity) continue
      for (const table of ["samples", "refused"]) {
        this.#database.prepare(`delete from ${table} where step = ? and at < ?`).run(stepMs, now - keptMs)
      }
    }
  }

  /** The newest effort that was written, if any. */
  get lastEffort(): number | undefined {
    const row = this.#database
      .prepare("select effort from samples where step = ? and effort is not null order by at desc limit 1")
      .get(STEPS["10s"].stepMs)
    return row === undefined ? undefined : Number(row["effort"])
  }

  history(resolution: Resolution, from: number, to: number): History {
    const range = rangeOf(resolution, from, to)
    const series = Object.fromEntries(COLUMNS.map((column) => [column, range.empty()])) as Record<
      Column,
      Array<number | null>
    >
    for (const row of this.#between.all(range.stepMs, range.first, range.end)) {
      const index = range.index(Number(row["at"]))
      for (const column of COLUMNS) series[column][index] = row[column] as number | null
    }
    return { resolution, stepSeconds: range.stepMs / 1000, at: range.at, ...series }
  }

  refused(resolution: Resolution, from: number, to: number): RefusedHistory {
    const range = rangeOf(resolution, from, to)
    const byCode: Record<string, Array<number | null>> = {}
    // Where a sample exists, a code without a row was not met: that is zero, and not a gap.
    const known = this.#between.all(range.stepMs, range.first, range.end).map((row) => range.index(Number(row["at"])))
    for (const { at, code, shares } of this.#refusedBetween.all(range.stepMs, range.first, range.end)) {
      let series = byCode[String(code)]
      if (series === undefined) {
        series = byCode[String(code)] = range.empty()
        for (const index of known) series[index] = 0
      }
      series[range.index(Number(at))] = Number(shares)
    }
    return { resolution, stepSeconds: range.stepMs / 1000, at: range.at, byCode }
  }

  /** The mean hash rate of the last 24 hours; `undefined` unless at least an hour of them is known. */
  dayMean(now: number): number | undefined {
    const row = this.#database
      .prepare("select avg(hashRate) as mean, count(hashRate) as count from samples where step = ? and at >= ?")
      .get(STEPS["1m"].stepMs, now - DAY_MS)
    return row !== undefined && Number(row["count"]) >= 60 ? Number(row["mean"]) : undefined
  }
}

/** The steps of a resolution between two times, of which the newest are kept if they are too many. */
const rangeOf = (resolution: Resolution, from: number, to: number) => {
  const { stepMs } = STEPS[resolution]
  const last = Math.floor(to / stepMs) * stepMs
  const first = Math.max(Math.ceil(from / stepMs) * stepMs, last - (MAX_POINTS - 1) * stepMs)
  const count = Math.max(0, (last - first) / stepMs + 1)
  return {
    stepMs,
    first,
    end: last + stepMs,
    at: Array.from({ length: count }, (_, index) => first + index * stepMs),
    empty: (): Array<number | null> => Array.from({ length: count }, () => null),
    index: (at: number): number => (at - first) / stepMs
  }
}
