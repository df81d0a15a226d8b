/** What the writer of the ledger does while the disk takes its time, or fails. */
import { assert, describe, it } from "@effect/vitest"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { type Duration, Effect, Logger, type Scope, Stream } from "effect"
import { freshFile } from "./databases.ts"
import { Ledger, LedgerSql, sharesFrom } from "../src/index.ts"
import { layer as layerSqlite } from "../src/sqlite/sqlite-client.ts"
import { prepareSchema } from "../src/store/migrations.ts"
import { Shares } from "../src/store/shares.ts"
import { Users } from "../src/store/users.ts"
import { ended, makeWriter, type Writer } from "../src/writer.ts"
import { type Stats, statSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"

type Done = (error: Error | null) => void

/** A disk that answers when the test says so. */
class Disk {
  readonly #waiting: Array<Done> = []
  readonly sync = (_: number, done: Done): void => void this.#waiting.push(done)

  /** Waits until it is asked. */
  readonly asked: Effect.Effect<void> = Effect.suspend(() =>
    this.#waiting.length > 0 ? Effect.void : Effect.andThen(Effect.sleep(1), this.asked)
  )

  answer(error: Error | null = null): void {
    for (const done of this.#waiting.splice(0)) done(error)
  }
}

interface World {
  readonly disk: Disk
  readonly writer: Writer
  readonly log: () => Stats
  /** The numbers of the shares that the database has. */
  readonly stored: Effect.Effect<ReadonlyArray<number>, unknown>
}

/** A writer whose database has the first share of a user. */
const withDisk =
  (test: (world: World) => Effect.Effect<void, unknown, Scope.Scope>, patience: Duration.Input = "1 minute") =>
  () =>
    Effect.gen(function* () {
      const disk = new Disk()
      const file = yield* freshFile
      return yield* Effect.gen(function* () {
        const sql = yield* LedgerSql
        yield* prepareSchema({})
        const users = new Users(sql)
        const shares = yield* Shares.open(sql, users, { sliceMs: 60_000 })
        const writer = yield* makeWriter(sql, users, shares, { name: "test", commitInterval: 1, patience })
        yield* ended(writer.addAccepted([acceptedShare(1)]))
        const stored = Effect.map(Stream.runCollect(sharesFrom(sql, 1)), (all) => all.map(({ hash }) => hash[31]!))
        yield* test({ disk, writer, stored, log: () => statSync(`${file}-wal`) })
      }).pipe(Effect.scoped, Effect.provide(layerSqlite({ file, sync: disk.sync })))
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

describe("a ledger", () => {
  it.live.skipIf(process.platform === "win32")("may be a symbolic link", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      symlinkSync(join(dirname(file), "elsewhere.sqlite"), file)
      const shares = [
        { at: 1, user: "alice", worker: "", work: 1n, height: 1, hash: new Uint8Array(32), isBlock: false }
      ]
      for (const expected of [1, 2]) {
        yield* Effect.gen(function* () {
          const { append, lastSeq } = yield* Ledger
          yield* append(shares)
          assert.strictEqual(lastSeq(), expected)
        }).pipe(Effect.provide(Ledger.layer({ file })))
      }
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})

describe("a disk", () => {
  it.live(
    "that takes its time holds up acknowledgements and nothing else",
    withDisk(({ disk, stored, writer }) =>
      Effect.gen(function* () {
        const recording = writer.addAccepted([acceptedShare(2)])
        recording.hurry()
        yield* disk.asked
        assert.deepStrictEqual([yield* stored, recording.isEnded], [[1, 2], false])
        const later = writer.addAccepted([acceptedShare(3)])
        disk.answer()
        yield* ended(recording)
        assert.isFalse(later.isEnded)
        later.hurry()
        yield* disk.asked
        disk.answer()
        yield* ended(later)
        assert.deepStrictEqual(yield* stored, [1, 2, 3])
      })
    )
  )

  it.live(
    "that fails has the whole log moved into the database before shares are acknowledged, each share once",
    withDisk(({ disk, log, stored, writer }) =>
      Effect.gen(function* () {
        const recording = writer.addAccepted([acceptedShare(2), acceptedShare(3)])
        recording.hurry()
        yield* disk.asked
        assert.isAbove(log().size, 0)
        disk.answer(new Error("EIO"))
        yield* ended(recording)
        assert.strictEqual(log().size, 0)
        const next = writer.addAccepted([acceptedShare(4)])
        next.hurry()
        yield* disk.asked
        disk.answer()
        yield* ended(next)
        assert.deepStrictEqual(yield* stored, [1, 2, 3, 4])
      })
    )
  )

  it.live(
    "that does not answer has its shares fail after the patience, and says why; later ones go on when it answers",
    withDisk(
      ({ disk, stored, writer }) =>
        Effect.gen(function* () {
          const recording = writer.addAccepted([acceptedShare(2)])
          const { message } = yield* Effect.flip(ended(recording))
          assert.match(message, /^the ledger test cannot be written: its disk has not answered for [34]s/)
          // One that came meanwhile.
          const behind = writer.addAccepted([acceptedShare(3)])
          yield* Effect.flip(ended(behind))
          // One that comes later has its own.
          const next = writer.addAccepted([acceptedShare(4)])
          assert.deepStrictEqual([next.isEnded, writer.counts.waiting], [false, 1])
          disk.answer()
          next.hurry()
          yield* disk.asked
          disk.answer()
          yield* ended(next)
          assert.deepStrictEqual(yield* stored, [1, 2, 4])
        }),
      "2 seconds"
    )
  )
})
