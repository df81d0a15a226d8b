import { assert, describe, it } from "@effect/vitest"
import { Handshake } from "@sluice/core"
import { AuthorityKey, CertificateAuthority, Curve, entropy, HandshakeWorkers } from "@sluice/noise"
import { Effect, Logger, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Worker } from "node:worker_threads"
import { seeded } from "./seeded.ts"

const setUp = Effect.gen(function* () {
  const random = yield* entropy
  const curve = yield* Curve.Curve
  const { secretKey } = yield* AuthorityKey.generate
  const { credentials } = yield* CertificateAuthority.make({ secretKey })
  const shown = yield* credentials
  const act1 = new Uint8Array(Handshake.ACT1_SIZE)
  assert.strictEqual(new Handshake.Initiator(curve).start(random(32), random(32), act1, 0), Handshake.HANDSHAKE_OK)
  const respond = (by: typeof curve, ephemeralSecret: Uint8Array, bytes: Uint8Array) => {
    const { certificate, staticKey, staticSecret } = shown
    const responder = new Handshake.Responder(by, Redacted.value(staticSecret), staticKey, certificate)
    const act2 = new Uint8Array(Handshake.ACT2_SIZE)
    return {
      code: responder.respond(act1, 0, ephemeralSecret, bytes, act2, 0),
      act2: Buffer.from(act2).toString("hex")
    }
  }
  const workers = (yield* HandshakeWorkers.HandshakeWorkers)!
  return { act1, credentials: shown, curve, random, respond, workers }
})

describe("handshakes in threads", () => {
  it.live("give the same bytes as handshakes on the event loop", () =>
    Effect.gen(function* () {
      const { act1, credentials, curve, random, respond, workers } = yield* setUp
      assert.strictEqual(workers.threads, 2)
      const rounds = Array.from({ length: 4 }, () => [random(32), random(32)] as const)
      yield* Effect.forEach(
        rounds,
        ([ephemeralSecret, bytes]) =>
          Effect.gen(function* () {
            const known = yield* workers.exchange({ act1, ephemeralSecret, entropy: bytes, credentials })
            const { act2, code } = respond(known!, ephemeralSecret, bytes)
            assert.strictEqual(code, Handshake.HANDSHAKE_OK)
            assert.strictEqual(act2, respond(curve, ephemeralSecret, bytes).act2)
          }),
        { concurrency: "unbounded" }
      )
      // Only for this one: a second responder gets nothing out of it.
      const [ephemeralSecret, bytes] = rounds[0]!
      const known = yield* workers.exchange({ act1, ephemeralSecret, entropy: bytes, credentials })
      respond(known!, ephemeralSecret, bytes)
      assert.strictEqual(respond(known!, ephemeralSecret, bytes).code, Handshake.HANDSHAKE_BAD_KEY)
    }).pipe(Effect.provide(HandshakeWorkers.layer({ threads: 2 })), Effect.provide(seeded(7)))
  )

  it.live("are computed by the caller when the threads have died", () =>
    Effect.gen(function* () {
      const { act1, credentials, random, workers } = yield* setUp
      const ask = workers.exchange({ act1, ephemeralSecret: random(32), entropy: random(32), credentials })
      // The first finds out, the second knows.
      assert.isUndefined(yield* ask)
      assert.isUndefined(yield* ask)
    }).pipe(
      Effect.provide(
        HandshakeWorkers.layer({ threads: 1, spawn: () => new Worker("throw new Error('broken')", { eval: true }) })
      )
    )
  )

  it.effect("go to a new thread some time after one died, which is logged once", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    let started = 0
    return Effect.gen(function* () {
      const { act1, credentials, curve, random, respond, workers } = yield* setUp
      const [ephemeralSecret, bytes] = [random(32), random(32)]
      const ask = workers.exchange({ act1, ephemeralSecret, entropy: bytes, credentials })
      assert.isUndefined(yield* ask)
      yield* TestClock.adjust(9_999)
      assert.isUndefined(yield* ask)
      assert.strictEqual(started, 1)
      yield* TestClock.adjust(1)
      const { act2 } = respond((yield* ask)!, ephemeralSecret, bytes)
      assert.strictEqual(act2, respond(curve, ephemeralSecret, bytes).act2)
      assert.strictEqual(started, 2)
      assert.deepStrictEqual(lines, ["Thread 1 of 1 for handshakes ended: broken; it stays away for 10 s"])
    }).pipe(
      Effect.provide(
        HandshakeWorkers.layer({
          threads: 1,
          spawn: (workerData) =>
            ++started === 1
              ? new Worker("throw new Error('broken')", { eval: true })
              : new Worker(new URL("../src/handshake-thread.ts", import.meta.url), { workerData })
        })
      ),
      Effect.provide(Logger.layer([logger])),
      Effect.provide(seeded(8))
    )
  })
})
