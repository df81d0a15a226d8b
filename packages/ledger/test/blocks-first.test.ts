/** How blocks come into the ledger: before their shares, and however long it cannot be written. */
import { assert, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { jobFromTemplate, type SourceShare } from "@sluice/channels"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { bytes, futureTemplate } from "@sluice/testing/templates"
import { Effect, Fiber, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { behind, freshFile } from "./databases.ts"
import { Ledger, LedgerPayouts, type LedgerOptions } from "../src/index.ts"

const layerOf = (options: LedgerOptions) =>
  LedgerPayouts.layer({
    policy: { version: 1, scheme: "pplns", window: 2_000, fee: 0 },
    pool: { coinbaseAddress: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" }
  }).pipe(Layer.provideMerge(Ledger.layer({ commitInterval: 1, ...options })))

it.effect("a block's share waits for the block to be dealt with, and not for its patience to end", () =>
  Effect.gen(function* () {
    const { record, sink } = yield* LedgerPayouts
    const share = { ...acceptedShare(1), isBlock: true }
    const recording = yield* Effect.forkChild(sink.record([share]), { startImmediately: true })
    yield* TestClock.adjust("100 millis")
    assert.isUndefined(recording.pollUnsafe(), "the share is recorded before its block")
    const bytes = new Uint8Array(0)
    const job = { height: 100, coinbasePrefix: bytes, coinbaseSuffix: bytes }
    // A block that cannot be recorded must not keep its share waiting either.
    yield* record([{ job, extranonce: bytes, hash: share.hash, userIdentity: "alice" } as unknown as SourceShare])
    yield* TestClock.adjust("100 millis")
    assert.isDefined(recording.pollUnsafe(), "the share still waits")
    yield* Fiber.join(recording)
  }).pipe(Effect.provide(layerOf({ file: ":memory:" })), Effect.provide(Logger.layer([])))
)

/** A block whose coinbase pays the pool. */
const block = Effect.sync(() => {
  const job = Result.getOrThrow(
    jobFromTemplate(1, futureTemplate(1), {
      tags: coinbaseTags("test", ""),
      extranonceSize: 8,
      payout: (reward) => [{ value: reward, script: bytes(0x51, 1) }],
      versionRollingAllowed: true
    })
  )
  return { job, extranonce: bytes(0, 8), hash: bytes(7, 32), userIdentity: "alice" } as unknown as SourceShare
})

it.live("a block that the ledger cannot take is recorded when it can, and keeps nobody waiting until then", () =>
  Effect.gen(function* () {
    const place = { file: yield* freshFile }
    yield* Effect.gen(function* () {
      const { record } = yield* LedgerPayouts
      const { sql } = yield* Ledger
      const count = Effect.map(sql<{ count: number }>`SELECT count(*) AS count FROM blocks`, ([row]) => row!.count)
      yield* behind(place, (other) =>
        other.withTransaction(
          Effect.andThen(
            other.takeTurn,
            Effect.flatMap(block, (found) => record([found]))
          )
        )
      )
      assert.strictEqual(yield* count, 0)
      yield* Effect.sleep("100 millis").pipe(
        Effect.andThen(count),
        Effect.repeat({ until: (blocks) => blocks === 1 }),
        Effect.timeout("20 seconds")
      )
    }).pipe(Effect.provide(layerOf({ ...place, patience: "300 millis" })))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
)

it.live("a block that is itself what cannot be written is given up after some tries, with a line that says so", () =>
  Effect.gen(function* () {
    const place = { file: yield* freshFile }
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    yield* Effect.gen(function* () {
      const { record } = yield* LedgerPayouts
      const { append, sql } = yield* Ledger
      yield* sql.unsafe("CREATE TRIGGER no_blocks BEFORE INSERT ON blocks BEGIN SELECT RAISE(ABORT, 'no block'); END")
      yield* record([yield* block])
      const isGivenUp = () => lines.some((line) => /is not in the ledger: .*no block/.test(line))
      yield* Effect.sleep("100 millis").pipe(Effect.repeat({ until: isGivenUp }), Effect.timeout("20 seconds"))
      assert.strictEqual(lines.filter((line) => line.includes("cannot be written: no block;")).length, 4)
      yield* append([{ at: 1, user: "alice", worker: "", work: 1n, height: 1, hash: bytes(1, 32), isBlock: false }])
    }).pipe(Effect.provide(layerOf({ ...place, patience: "100 millis" })), Effect.provide(Logger.layer([logger])))
  }).pipe(Effect.scoped)
)
