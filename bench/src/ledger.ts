/**
 * Times the ledger against bare `node:sqlite` with the same settings, in the same run: appending batches of shares, with a file and its
 * fsyncs, and in processes of their own settling a block of a large pool, ten million shares of 5,000 users, from roll-ups, and the audit of a
 * million shares.
 */
import { bech32 } from "@scure/base"
import { Ledger, type LedgerCalls, type NewShare } from "@sluice/ledger"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { AsyncCase, Row } from "./case.ts"
import { row } from "./crowd.ts"
import { share, SHARES_TABLE, WORK } from "./ledger-share.ts"
import type { Audited } from "./ledger-audit.ts"
import type { Settled } from "./ledger-settle.ts"

const BATCH = 1_000
const BATCHES = 300
/** Batches before them, in which code is compiled. */
const WARM_UP = 100
const USERS = 5_000
/** Slices of a minute, in which each user finds six shares. */
const SLICES = 334
const SHARES_A_SLICE = 6 * USERS

const inDirectory = async <A>(use: (directory: string) => Promise<A>): Promise<A> => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-bench-ledger-"))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const withLedger = <A>(file: string, use: (ledger: LedgerCalls) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(
    Effect.provide(Effect.flatMap(Ledger, use), Ledger.layer({ file, commitInterval: 0, slice: "1 hour" }))
  )

/** Milliseconds of wall clock and of CPU. */
interface Time {
  wall: number
  cpu: number
}

const addTime = async (time: Time, run: () => Promise<void> | void) => {
  const [begun, cpu] = [performance.now(), process.cpuUsage()]
  await run()
  const { system, user } = process.cpuUsage(cpu)
  time.wall += performance.now() - begun
  time.cpu += (system + user) / 1_000
}

/** A ledger's own database, without its code: the same tables and settings. */
const openBare = async (file: string): Promise<DatabaseSync> => {
  await withLedger(file, () => Effect.void)
  const database = new DatabaseSync(file)
  database.exec("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL")
  return database
}

const appendRows = (): Promise<ReadonlyArray<Row>> =>
  inDirectory(async (directory) => {
    const batches = Array.from({ length: WARM_UP + BATCHES }, () =>
      Array.from({ length: BATCH }, (_, index) => share(index))
    )
    const database = await openBare(join(directory, "bare.sqlite"))
    const addUser = database.prepare("INSERT INTO users VALUES (?, ?)")
    for (let user = 1; user <= 100; user++) addUser.run(user, `user${user}`)
    // The key is SQLite's own number of a row, as that of the ledger's table is.
    database.exec(SHARES_TABLE.replace("seq BIGINT", "seq INTEGER"))
    const insert = database.prepare("INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    let seq = 0
    const bareBatch = (batch: ReadonlyArray<NewShare>): void => {
      database.exec("BEGIN")
      for (const { at, hash, height, worker } of batch) {
        insert.run(++seq, at, (seq % 100) + 1, worker, String(WORK), height, hash, 0)
      }
      database.exec("COMMIT")
    }
    const [bare, ledger] = [
      { wall: 0, cpu: 0 },
      { wall: 0, cpu: 0 }
    ]
    await withLedger(join(directory, "ledger.sqlite"), ({ append }) =>
      Effect.promise(async () => {
        for (const [index, batch] of batches.entries()) {
          const isWarmUp = index < WARM_UP
          await addTime(isWarmUp ? { wall: 0, cpu: 0 } : bare, () => bareBatch(batch))
          await addTime(isWarmUp ? { wall: 0, cpu: 0 } : ledger, () => Effect.runPromise(append(batch)))
        }
      })
    )
    database.close()
    return (["wall", "cpu"] as const).map((kind) => ({
      name: `ledger: append ${BATCH} shares durably, ${kind}`,
      unit: "ms",
      value: ledger[kind] / BATCHES,
      baseline: "a prepared INSERT for each in one transaction",
      baselineValue: bare[kind] / BATCHES,
      ratio: ledger[kind] / bare[kind]
    }))
  })

/** The most that the settlement of a large pool may take. */
const SETTLE_MS = 3_000
const SETTLE_MB = 200

const windowRows = (): Promise<ReadonlyArray<Row>> =>
  inDirectory(async (directory) => {
    const file = join(directory, "ledger.sqlite")
    const database = await openBare(file)
    database.exec("PRAGMA synchronous = OFF; BEGIN")
    const addUser = database.prepare("INSERT INTO users VALUES (?, ?)")
    for (let user = 1; user <= USERS; user++) addUser.run(user, addressOf(user))
    const addSlice = database.prepare("INSERT INTO slices VALUES (?, ?, ?, ?, ?, ?, x'00')")
    const addRollup = database.prepare("INSERT INTO rollups VALUES (?, ?, 'rig', ?, 6)")
    for (let slice = 1; slice <= SLICES; slice++) {
      const work = BigInt(SHARES_A_SLICE) * WORK
      addSlice.run(slice, (slice - 1) * SHARES_A_SLICE + 1, slice * SHARES_A_SLICE, slice, slice, String(work))
      for (let user = 1; user <= USERS; user++) addRollup.run(slice, user, String(WORK))
    }
    database.exec("COMMIT")
    const sums = "SELECT user_id, work, sum(shares) FROM rollups GROUP BY user_id, work"
    database.prepare(sums).all()
    const begun = performance.now()
    database.prepare(sums).all()
    const bare = performance.now() - begun
    database.close()
    const child = fileURLToPath(new URL("./ledger-settle.ts", import.meta.url))
    // The first run compiles the sources, as the first start of `sluice` does: compiling takes memory too.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled") }
    const run = (...args: ReadonlyArray<string>) => promisify(execFile)(process.execPath, [child, ...args], { env })
    await run()
    const { stdout } = await run(file, String(SLICES * SHARES_A_SLICE))
    const { beforeMb, mb, settleMs, windowMs } = JSON.parse(stdout) as Settled
    const name = "ledger: window of 10,000,000 shares of 5,000 users"
    return [
      row(name, "ms", windowMs, "one GROUP BY over the roll-ups", bare),
      row(`${name}, block and settlement`, "ms", settleMs, "the aim", SETTLE_MS),
      row(`${name}, memory of the process`, "MB", mb, "the aim", SETTLE_MB),
      row(`${name}, memory of the settlement`, "MB", mb - beforeMb, "the process before it", beforeMb)
    ]
  })

/** Shares of a ledger whose audit is measured, in slices of `BATCH`. */
const AUDITED = 1_000_000

/** The memory of an audit, against that of one with a tenth of the shares. */
const auditRows = (): Promise<ReadonlyArray<Row>> =>
  inDirectory(async (directory) => {
    const child = fileURLToPath(new URL("./ledger-audit.ts", import.meta.url))
    const [few, many] = await Promise.all(
      [AUDITED / 10, AUDITED].map(async (count): Promise<Audited> => {
        const file = join(directory, `${count}.sqlite`)
        const layer = Ledger.layer({ file, commitInterval: 0, slice: 0, acknowledge: "written" })
        const batches = Array.from({ length: count / BATCH }, (_, index) => index)
        const appendAll = Effect.flatMap(Ledger, ({ append }) =>
          Effect.forEach(batches, () => append(Array.from({ length: BATCH }, (_, index) => share(index))), {
            discard: true
          })
        )
        await Effect.runPromise(Effect.provide(appendAll, layer))
        const { stdout } = await promisify(execFile)(process.execPath, [child, file])
        return JSON.parse(stdout)
      })
    )
    if (few!.faults + many!.faults > 0) throw new Error("the audit finds faults")
    const name = `ledger: audit of ${AUDITED} shares`
    return [
      row(`${name}, memory of the process`, "MB", many!.mb, "a tenth of them", few!.mb),
      row(`${name}, CPU`, "ms", many!.cpuMs, "a tenth of them", few!.cpuMs)
    ]
  })

/** An address of its own for each number. */
const addressOf = (number: number): string => {
  const program = Buffer.alloc(20)
  program.writeUInt32BE(number)
  return bech32.encode("bc", [0, ...bech32.toWords(program)])
}

export const asyncCases: ReadonlyArray<AsyncCase> = [
  { name: "ledger: append", rows: appendRows },
  { name: "ledger: window", rows: windowRows },
  { name: "ledger: audit", rows: auditRows }
]
