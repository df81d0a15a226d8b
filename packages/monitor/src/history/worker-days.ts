/**
 * The history of each worker: its work, its accepted and its refused shares in steps of ten minutes, for a week. A day of a worker
 * is one row of 1.7 kB, so ten thousand workers take 120 MB. The present day and the one before are also in memory.
 */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { WorkerHistory } from "../api/history.ts"
import { inTransaction } from "./database.ts"

export const SLOT_MS = 600_000
const DAY_MS = 86_400_000
const SLOTS = DAY_MS / SLOT_MS
const KEPT_DAYS = 8
/** Difficulty, accepted shares and refused shares of a slot. */
const FIELDS = 3
/** More workers than this at once have no history: names are the miners' choice, and must not fill memory and disk. */
export const MAX_WORKERS = 20_000

interface Worker {
  readonly id: number
  readonly name: string
  day: number
  today: Float32Array
  yesterday: Float32Array | undefined
  isChanged: boolean
  /** When its work grew last, in milliseconds since 1970. */
  lastShareAt: number
}

export interface Work {
  readonly difficulty: number
  readonly accepted: number
  readonly refused: number
}

export class WorkerDays {
  readonly #database: DatabaseSync
  readonly #workers = new Map<string, Worker>()
  readonly #upsert: StatementSync
  readonly #insertName: StatementSync
  /** Ids are given here and not by the database: an id whose row a failed transaction took back is not given to another name. */
  #nextId: number
  readonly #findName: StatementSync
  /** Workers that were left out because there were too many. */
  leftOut = 0

  constructor(database: DatabaseSync, now: number) {
    this.#database = database
    this.#upsert = database.prepare("insert or replace into workerDays (day, worker, data) values (?, ?, ?)")
    this.#insertName = database.prepare("insert or ignore into workers (id, name) values (?, ?)")
    this.#findName = database.prepare("select id from workers where name = ?")
    this.#nextId = Number(database.prepare("select coalesce(max(id), 0) + 1 as next from workers").get()!["next"])
    this.#load(now)
  }

  get size(): number {
    return this.#workers.size
  }

  /** Adds what a worker did lately. A worker without an accepted share is not remembered. */
  add(name: string, work: Work, now: number): void {
    let worker = this.#workers.get(name)
    if (worker === undefined) {
      if (work.accepted === 0) return
      if (this.#workers.size >= MAX_WORKERS) return void this.leftOut++
      worker = newWorker(this.#idOf(name), name, dayOf(now), new Float32Array(SLOTS * FIELDS))
      this.#workers.set(name, worker)
    }
    this.#turn(worker, now)
    const slot = Math.floor((now % DAY_MS) / SLOT_MS) * FIELDS
    const { today } = worker
    // A slot with zero work of a worker that is connected differs from a slot in which it was away.
    if (Number.isNaN(today[slot])) today.fill(0, slot, slot + FIELDS)
    today[slot] = today[slot]! + work.difficulty
    today[slot + 1] = today[slot + 1]! + work.accepted
    today[slot + 2] = today[slot + 2]! + work.refused
    if (work.accepted > 0) worker.lastShareAt = now
    worker.isChanged = true
  }

  /** Writes the days that changed, some at a time: call it until it returns false. */
  write(atOnce: number): boolean {
    return inTransaction(this.#database, () => {
      let written = 0
      for (const worker of this.#workers.values()) {
        if (!worker.isChanged) continue
        if (written++ === atOnce) return true
        this.#save(worker)
        worker.isChanged = false
      }
      return false
    })
  }

  /** Deletes old days and names without days, and forgets workers that were away for two days. */
  prune(now: number): void {
    for (const [name, worker] of this.#workers) {
      if (dayOf(now) - worker.day >= 2 && !worker.isChanged) this.#workers.delete(name)
    }
    this.#database.prepare("delete from workerDays where day <= ?").run(dayOf(now) - KEPT_DAYS)
    this.#database.exec("delete from workers where id not in (select worker from workerDays)")
  }

  history(name: string, from: number, to: number): WorkerHistory | undefined {
    const worker = this.#workers.get(name)
    const id = worker?.id ?? this.#findName.get(name)?.["id"]
    if (id === undefined) return undefined
    const last = Math.floor(to / SLOT_MS) * SLOT_MS
    const first = Math.max(Math.ceil(from / SLOT_MS) * SLOT_MS, last - KEPT_DAYS * DAY_MS)
    const days = new Map<number, Float32Array>()
    const rows = this.#database
      .prepare("select day, data from workerDays where worker = ? and day between ? and ?")
      .all(id, dayOf(first), dayOf(last))
    for (const { data, day } of rows) days.set(Number(day), floatsOf(data as Uint8Array))
    if (worker !== undefined) days.set(worker.day, worker.today)

    const at: Array<number> = []
    const [hashRate, accepted, refused]: [Array<number | null>, Array<number | null>, Array<number | null>] = [
      [],
      [],
      []
    ]
    for (let time = first; time <= last; time += SLOT_MS) {
      const day = days.get(dayOf(time))
      const slot = ((time % DAY_MS) / SLOT_MS) * FIELDS
      const isKnown = day !== undefined && !Number.isNaN(day[slot])
      // The slot of now is not over.
      const ms = Math.min(SLOT_MS, Math.max(1000, to - time))
      at.push(time)
      hashRate.push(isKnown ? rateOf(day[slot]!, ms) : null)
      accepted.push(isKnown ? day[slot + 1]! : null)
      refused.push(isKnown ? day[slot + 2]! : null)
    }
    return { worker: name, stepSeconds: SLOT_MS / 1000, at, hashRate, accepted, refused }
  }

  /** The mean hash rate of the slots of the last 24 hours in which the worker was there; `undefined` for fewer than an hour's. */
  dayMean(name: string, now: number): number | undefined {
    const worker = this.#workers.get(name)
    if (worker === undefined) return undefined
    this.#turn(worker, now)
    const present = Math.floor((now % DAY_MS) / SLOT_MS)
    let sum = 0
    let known = 0
    for (let slot = 0; slot < SLOTS; slot++) {
      const day = slot < present ? worker.today : slot > present ? worker.yesterday : undefined
      const difficulty = day?.[slot * FIELDS] ?? NaN
      if (Number.isNaN(difficulty)) continue
      sum += difficulty
      known++
    }
    return known < 6 ? undefined : rateOf(sum / known, SLOT_MS)
  }

  /** Workers that had shares in the last day, each with the time of its last one. */
  *lastShares(now: number): Iterable<readonly [name: string, at: number]> {
    for (const [name, { lastShareAt }] of this.#workers) {
      if (lastShareAt > 0 && now - lastShareAt < DAY_MS) yield [name, lastShareAt]
    }
  }

  #turn(worker: Worker, now: number): void {
    const day = dayOf(now)
    if (day <= worker.day) return
    if (worker.isChanged) this.#save(worker)
    worker.yesterday = day === worker.day + 1 ? worker.today : undefined
    worker.today = new Float32Array(SLOTS * FIELDS).fill(NaN)
    worker.day = day
    worker.isChanged = false
  }

  #save({ day, id, name, today }: Worker): void {
    this.#insertName.run(id, name)
    this.#upsert.run(day, id, bytesOf(today))
  }

  #idOf(name: string): number {
    const row = this.#findName.get(name)
    return row === undefined ? this.#nextId++ : Number(row["id"])
  }

  #load(now: number): void {
    const rows = this.#database
      .prepare(
        "select name, id, day, data from workerDays join workers on id = worker where day >= ? order by day limit ?"
      )
      .all(dayOf(now) - 1, 2 * MAX_WORKERS)
    for (const { data, day, id, name } of rows) {
      const floats = floatsOf(data as Uint8Array)
      const known = this.#workers.get(String(name))
      const worker = known ?? newWorker(Number(id), String(name), Number(day), floats)
      if (known !== undefined) {
        worker.yesterday = worker.today
        worker.today = floats
        worker.day = Number(day)
      }
      worker.lastShareAt = Math.max(worker.lastShareAt, lastShareOf(floats, Number(day)))
      this.#workers.set(String(name), worker)
    }
  }
}

const newWorker = (id: number, name: string, day: number, today: Float32Array): Worker => ({
  id,
  name,
  day,
  today: today.some((value) => value !== 0) ? today : today.fill(NaN),
  yesterday: undefined,
  isChanged: false,
  lastShareAt: 0
})

const lastShareOf = (day: Float32Array, number: number): number => {
  for (let slot = SLOTS - 1; slot >= 0; slot--) {
    if (day[slot * FIELDS + 1]! > 0) return number * DAY_MS + slot * SLOT_MS
  }
  return 0
}

const dayOf = (time: number): number => Math.floor(time / DAY_MS)
const rateOf = (difficulty: number, ms: number): number => (difficulty * HASHES_PER_DIFFICULTY * 1000) / ms
const bytesOf = (floats: Float32Array): Uint8Array =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer)
