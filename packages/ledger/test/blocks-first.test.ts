/** The order of a block and its share in the ledger. */
import { assert, it } from "@effect/vitest"
import type { SourceShare } from "@sluice/channels"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Ledger, LedgerPayouts } from "../src/index.ts"

const layer = LedgerPayouts.layer({
  policy: { version: 1, scheme: "pplns", window: 2_000, fee: 0 },
  pool: { coinbaseAddress: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" }
}).pipe(Layer.provideMerge(Ledger.layer({ file: ":memory:", commitInterval: 1 })))

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
  }).pipe(Effect.provide(layer), Effect.provide(Logger.layer([])))
)
