/** The ledger on a file: shares in their order, once, through restarts and other programs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Layer, Logger, Stream } from "effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { reasonOf } from "../src/ledger-error.ts"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { behind, databases, execute, freshFile } from "./databases.ts"
import {
  audit,
  layerReading,
  Ledger,
  LedgerError,
  type LedgerOptions,
  type LedgerSqlCalls,
  type NewShare,
  readWindow,
  sharesFrom,
  windowOf,
  type WindowLimits,
  workOfDifficulty
} from "../src/index.ts"

/** Runs with the ledger open, as one run of a program. */
const withLedger = <A, E>(
  options: LedgerOptions,
  use: (ledger: Ledger["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, unknown> =>
  Effect.flatMap(Ledger, use).pipe(
    Effect.provide(Ledger.layer({ commitInterval: 1, ...options })),
    Effect.provide(Logger.layer([]))
  )

const share = (number: number, fields: Partial<NewShare> = {}): NewShare => ({
  at: 1_000 + number,
  user: ["alice", "bob", "carol"][number % 3]!,
  worker: "",
  work: BigInt(10 + (number % 7)),
  height: 100,
  hash: new Uint8Array(32).fill(number >>> 8, 0, 1).fill(number & 255, 1),
  isBlock: false,
  ...fields
})
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => share(from + index))

const allShares = ({ sql }: Ledger["Service"]) => Stream.runCollect(sharesFrom(sql, 1))
const plain = (weights: ReadonlyMap<string, bigint>) => [...weights].toSorted(([a], [b]) => (a < b ? -1 : 1))

describe.each(databases)("the share sink of $name", ({ fresh }) => {
  it.live("adds a user of a share whom a task had added that was refused", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger({ ...place, slice: 1 }, ({ append, books, transact }) =>
        Effect.gen(function* () {
          yield* append(range(0, 1))
          const refused = Effect.andThen(books.accountId("dave"), new LedgerError({ message: "refused" }))
          assert.strictEqual((yield* Effect.flip(transact(refused))).message, "refused")
          yield* append([share(1, { user: "dave" })])
          yield* Effect.sleep(5)
          // It closes the slice, whose sums are by user.
          yield* append(range(2, 3))
        })
      )
      const users = yield* behind(
        place,
        (sql) => sql<{ name: string }>`SELECT DISTINCT name FROM rollups JOIN users ON users.id = user_id ORDER BY name`
      )
      assert.deepStrictEqual(
        users.map(({ name }) => name),
        ["alice", "dave"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("has committed a share when it is acknowledged", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger(place, (ledger) =>
        Effect.gen(function* () {
          yield* Effect.all(
            [[acceptedShare(1), acceptedShare(2)] as const, [acceptedShare(3, "rig9")] as const].map(
              ledger.sink.record
            ),
            { concurrency: "unbounded" }
          )
          // Another connection sees it.
          const rows = yield* behind(place, (sql) => sql`SELECT first_seq, last_seq FROM batches`)
          assert.deepStrictEqual(rows, [{ first_seq: 1, last_seq: 3 }])
        })
      )
      const shares = yield* withLedger(place, allShares)
      assert.deepStrictEqual(
        shares.map(({ seq, user, work, worker }) => [seq, user, worker, work]),
        [
          [1, "alice\n", "rig", workOfDifficulty(0.5)],
          [2, "alice\n", "rig", workOfDifficulty(0.5)],
          [3, "alice\n", "rig9", workOfDifficulty(0.5)]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("keeps names that no database takes as text: bytes that are not UTF-8, and NUL", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger({ ...place, slice: 0 }, (ledger) =>
        Effect.gen(function* () {
          const share = acceptedShare(1, "rig\0")
          yield* ledger.sink.record([{ ...share, channel: { ...share.channel, userIdentity: "ann\udc80" } }])
          yield* ledger.sink.record([acceptedShare(2)])
          const [first] = yield* allShares(ledger)
          assert.deepInclude(first, { user: "ann\\x80", worker: "rig\\x00" })
          const { faults, slices } = yield* audit(ledger.sql, () => Effect.void)
          assert.deepStrictEqual({ faults, slices }, { faults: [], slices: 1 })
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("sums the shares of a channel in each slice anew", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger({ ...place, slice: 0 }, (ledger) =>
        Effect.gen(function* () {
          const { channel } = acceptedShare(1)
          for (let number = 1; number <= 4; number++) {
            yield* ledger.sink.record([{ ...acceptedShare(number), channel }])
          }
          const rows = yield* ledger.sql`SELECT slice_id, worker, shares FROM rollups ORDER BY slice_id`
          assert.deepStrictEqual(
            rows.map((row) => ({ ...row })),
            [1, 2, 3].map((slice_id) => ({ slice_id, worker: "rig", shares: 1 }))
          )
          assert.deepStrictEqual((yield* audit(ledger.sql, () => Effect.void)).faults, [])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("that acknowledges what it received writes the last shares when it is closed", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger({ ...place, acknowledge: "received", commitInterval: "1 hour" }, (ledger) =>
        ledger.sink.record([acceptedShare(1)])
      )
      assert.strictEqual((yield* withLedger(place, allShares)).length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("waits while another program has the turn to write, and fails after its patience", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger({ ...place, patience: "400 millis" }, (ledger) =>
        Effect.gen(function* () {
          const failure = yield* behind(place, (other) =>
            other.withTransaction(Effect.andThen(other.takeTurn, Effect.flip(ledger.sink.record([acceptedShare(1)]))))
          )
          assert.match(failure.message, /the ledger .* cannot be written: ./)
          yield* ledger.sink.record([acceptedShare(2)])
          assert.strictEqual((yield* allShares(ledger)).length, 1)
        })
      )
    }).pipe(Effect.scoped)
  )
})

describe("the share sink of a file", () => {
  it.live("loses no share that it acknowledged if the power fails: the files have no more than was synced then", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      yield* withLedger({ file }, (ledger) =>
        Effect.gen(function* () {
          yield* ledger.append(range(0, 50))
          // What the disk has now, at the acknowledgement: SQLite has synced the log of writes to its present end.
          const [main, log] = [readFileSync(file), readFileSync(`${file}-wal`)]
          yield* ledger.append(range(50, 200))
          const later = readFileSync(`${file}-wal`)
          assert.deepStrictEqual(later.subarray(0, log.length), log)
          // Of what came later any part may be there, or not.
          for (const more of [0, 1, 1_000, 5_000, later.length - log.length - 1]) {
            const copy = `${file}.after-${more}`
            writeFileSync(copy, main)
            writeFileSync(`${copy}-wal`, later.subarray(0, log.length + more))
            const shares = yield* withLedger({ file: copy }, allShares)
            assert.deepStrictEqual(
              shares.map(({ seq }) => seq),
              Array.from({ length: 50 }, (_, index) => index + 1)
            )
          }
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.platform === "win32")(
    "has what it acknowledged before the disk was full, and says that it is",
    () =>
      Effect.gen(function* () {
        const file = yield* freshFile
        const program = join(import.meta.dirname, "ledger-limited.ts")
        // 2 MiB in blocks of 512 bytes; a write beyond it fails, as the signal for it is ignored.
        const command = `trap '' XFSZ; ulimit -f 4096; exec "$0" "$@"`
        const { stderr, stdout } = spawnSync("sh", ["-c", command, process.execPath, program, file], {
          encoding: "utf8"
        })
        assert.notStrictEqual(stdout, "", stderr)
        const { acknowledged, failure } = JSON.parse(stdout) as { acknowledged: number; failure: string }
        assert.match(failure, /ledger\.sqlite cannot be written: ./)
        assert.isAtLeast(acknowledged, 1_000)
        // There is room again.
        yield* withLedger({ file }, (ledger) =>
          Effect.gen(function* () {
            assert.strictEqual(ledger.lastSeq(), acknowledged)
            yield* ledger.append([share(1)])
            assert.strictEqual((yield* allShares(ledger)).length, acknowledged + 1)
            assert.deepStrictEqual((yield* audit(ledger.sql, () => Effect.void)).faults, [])
          })
        )
      }).pipe(Effect.scoped)
  )
})

describe.each(databases)("the metrics of a ledger in $name", ({ fresh }) => {
  it.live("tell of its commits, and of none before", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger(place, ({ append, books, transact }) =>
        Effect.gen(function* () {
          const value = (name: string) =>
            Effect.map(Metric.snapshot, (all) => {
              const { state } = all.find(({ id }) => id === `sluice_ledger_${name}`)!
              return "count" in state ? state.count : "value" in state ? state.value : undefined
            })
          assert.strictEqual(yield* value("commits_total"), 0)
          yield* append([share(1), share(2)])
          assert.deepStrictEqual([yield* value("commits_total"), yield* value("commit_shares")], [1, 2])
          yield* transact(books.adjust("alice", 5n, 3_000, "a gift"))
          assert.deepStrictEqual([yield* value("commits_total"), yield* value("waiting_shares")], [2, 0])
          assert.strictEqual(yield* value("last_settlement_timestamp_seconds"), 0)
        })
      )
    }).pipe(Effect.scoped)
  )
})

describe.each(databases)("the order of shares in $name", ({ fresh }) => {
  it.live(
    "goes on after a restart and behind shares of another program, and a clock that was set back changes nothing",
    () =>
      Effect.gen(function* () {
        const place = yield* fresh
        yield* withLedger(place, (ledger) => ledger.append([share(1, { at: 5_000 }), share(2, { at: 4_000 })]))
        yield* withLedger(place, (ledger) =>
          Effect.gen(function* () {
            yield* ledger.append([share(3, { at: 1 })])
            yield* withLedger(place, (other) => other.append([share(4, { at: 6_000 })]))
            yield* ledger.append([share(5, { at: 1 })])
          })
        )
        const shares = yield* withLedger(place, allShares)
        assert.deepStrictEqual(
          shares.map(({ at, seq }) => [seq, at]),
          [
            [1, 5_000],
            [2, 5_000],
            [3, 5_000],
            [4, 6_000],
            [5, 6_000]
          ]
        )
      }).pipe(Effect.scoped)
  )

  it.live("and the chain of hashes are the same however shares come in batches and restarts", () =>
    Effect.gen(function* () {
      const now = Date.now()
      const shares = range(0, 50).map((share) => ({ ...share, at: now }))
      const hashes: Array<unknown> = []
      for (const cuts of [[50], [1, 2, 30], [10, 20, 30, 40]]) {
        const place = yield* fresh
        let from = 0
        for (const to of [...cuts, 50]) {
          yield* withLedger({ ...place, slice: "1 hour" }, (ledger) => ledger.append(shares.slice(from, to)))
          from = to
        }
        // The next commit ends the slice, because its first share is old.
        yield* withLedger({ ...place, slice: 0 }, (ledger) => ledger.append([share(99)]))
        hashes.push(yield* withLedger(place, ({ sql }) => sql`SELECT first_seq, last_seq, work, hash FROM slices`))
      }
      assert.strictEqual((hashes[0] as ReadonlyArray<unknown>).length, 1)
      assert.deepStrictEqual(hashes[1], hashes[0])
      assert.deepStrictEqual(hashes[2], hashes[0])
    }).pipe(Effect.scoped)
  )
})

describe.each(databases)("a window in $name", ({ fresh }) => {
  it.live("read from roll-ups and shares is the one that the shares alone give", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      // Every commit but the last ends in a slice of its own.
      yield* withLedger({ ...place, slice: 0 }, (ledger) =>
        Effect.gen(function* () {
          for (let from = 0; from < 400; from += 40) yield* ledger.append(range(from, from + 40))
        })
      )
      yield* withLedger(place, (ledger) =>
        Effect.gen(function* () {
          const [row] = yield* ledger.sql<{ slices: number }>`SELECT count(*) AS slices FROM slices`
          assert.strictEqual(row!.slices, 9)
          const shares = yield* allShares(ledger)
          const limits: ReadonlyArray<WindowLimits> = [
            {},
            ...[1n, 500n, 1_000n, 2_345n, 5_000n, 100_000n].map((work) => ({ work })),
            ...[0, 39, 40, 100, 399, 400].map((afterSeq) => ({ afterSeq })),
            ...[0, 1_100, 1_120, 9_000].map((since) => ({ since })),
            { work: 2_000n, afterSeq: 300 }
          ]
          for (const limit of limits) {
            for (const last of [400, 399, 360, 201, 1, 0]) {
              const expected = windowOf(shares.filter(({ seq }) => seq <= last).toReversed(), limit)
              const window = yield* readWindow(ledger.sql, last, limit)
              assert.deepStrictEqual(
                { ...window, weights: plain(window.weights) },
                { ...expected, weights: plain(expected.weights) }
              )
            }
          }
        })
      )
    }).pipe(Effect.scoped)
  )
})

/** Makes of a ledger what a program of version 2 had: a row for each share. */
const toOldSchema = (sql: LedgerSqlCalls) =>
  Effect.gen(function* () {
    const bytes = sql.dialect === "sqlite" ? "BLOB" : "BYTEA"
    yield* sql.unsafe(`CREATE TABLE shares (seq BIGINT PRIMARY KEY, at BIGINT, user_id BIGINT REFERENCES users, worker TEXT,
      work TEXT, height BIGINT, hash ${bytes} UNIQUE, is_block BIGINT)`)
    for (const { at, hash, height, isBlock, seq, user, workText, worker } of yield* Stream.runCollect(
      sharesFrom(sql, 1)
    )) {
      yield* sql`INSERT INTO shares SELECT ${seq}, ${at}, id, ${worker}, ${workText}, ${height}, ${hash}, ${Number(isBlock)}
        FROM users WHERE name = ${user}`
    }
    yield* sql`DROP TABLE batches`
    yield* sql`DROP TABLE removed_slices`
    yield* sql`DELETE FROM ledger_migrations WHERE migration_id > 2`
  })

describe.each(databases)("the database $name", ({ fresh }) => {
  it.live("refuses to change or delete a row about money", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* withLedger(place, (ledger) =>
        Effect.gen(function* () {
          yield* ledger.transact(ledger.books.adjust("alice", 5n, 1, "a gift"))
          for (const statement of ["UPDATE entries SET amount = 6", "DELETE FROM entries"]) {
            const refused = yield* Effect.flip(ledger.sql.unsafe(statement))
            assert.match(reasonOf(refused), /rows of entries are never changed/)
          }
          assert.deepStrictEqual(plain(ledger.books.balances), [
            ["", -5n],
            ["alice", 5n]
          ])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("of an older program is refused with the command to run, which brings it up to date", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      const shares = range(0, 2_500)
      // Slices end within the shares that are converted at once.
      yield* withLedger({ ...place, slice: 0 }, (ledger) =>
        Effect.gen(function* () {
          for (const [from, to] of [
            [0, 700],
            [700, 1_900],
            [1_900, 2_500]
          ]) {
            yield* ledger.append(shares.slice(from, to))
          }
        })
      )
      const before = yield* withLedger(place, allShares)
      yield* behind(place, toOldSchema)
      const writing = Effect.asVoid(Layer.build(Ledger.layer(place)))
      const reading = Effect.asVoid(Layer.build(layerReading(place)))
      for (const open of [writing, reading]) {
        const { message } = yield* Effect.flip(Effect.scoped(open))
        assert.match(message, /schema has version 2, and this program needs \d+: run sluice ledger migrate/)
      }
      yield* withLedger({ ...place, isUpgrade: true }, (ledger) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* allShares(ledger), before)
          assert.deepStrictEqual((yield* audit(ledger.sql, () => Effect.void)).faults, [])
          yield* ledger.append([share(9_999)])
          assert.strictEqual(ledger.lastSeq(), 2_501)
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("of something else, or of a newer program, is refused with a sentence", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      yield* execute(place, "CREATE TABLE notes (text TEXT)")
      const open = Effect.flip(Effect.scoped(Layer.build(Ledger.layer(place))))
      assert.match((yield* open).message, /a database of something else/)
      yield* execute(
        place,
        "CREATE TABLE ledger_migrations (migration_id INTEGER PRIMARY KEY NOT NULL, name TEXT); " +
          "INSERT INTO ledger_migrations VALUES (77, 'later')"
      )
      assert.match((yield* open).message, /schema has version 77, and this program knows \d+: use a newer program/)
    }).pipe(Effect.scoped)
  )
})

describe("the file of a ledger", () => {
  it.live.skipIf(process.platform === "win32")("is for its owner only", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      yield* withLedger({ file }, (ledger) =>
        Effect.gen(function* () {
          yield* ledger.append([share(1)])
          for (const name of [file, `${file}-wal`]) assert.strictEqual(statSync(name).mode & 0o777, 0o600)
        })
      )
    }).pipe(Effect.scoped)
  )
})
