/** The server's side of the handshake (specification, section 4.5). */
import { Handshake } from "@sluice/core"
import { CertificateAuthority, Curve, entropy, HandshakeWorkers } from "@sluice/noise"
import { Clock, Duration, Effect, Layer, Redacted } from "effect"
import { type Duplex, Listener } from "../bytes/duplex.ts"
import { FrameListener } from "../frames/frame-duplex.ts"
import type { FrameLimits } from "../frames/frame-stream.ts"
import { handshakeSeconds } from "../metrics.ts"
import { failWith, garbage, readAct, truncated } from "./act.ts"
import { HandshakeGarbage, HandshakeQueueFull } from "./handshake-error.ts"
import { type HandshakeLane, makeHandshakeQueue } from "../limits/handshake-queue.ts"
import { recognise } from "../bytes/other-protocol.ts"
import { encrypted } from "./seal.ts"

export interface ResponderOptions extends FrameLimits {
  /** How long a client may take for its part of the handshake. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** The most handshakes that begin per second. Others wait for their turn; if too many wait, some are refused. Default 1,000. */
  readonly maxHandshakesPerSecond?: number
}

export const defaultMaxHandshakesPerSecond = 1_000

/** Serves with Noise, with the certificates of a `CertificateAuthority`. */
export const responder = (
  options: ResponderOptions = {}
): Layer.Layer<FrameListener, never, Listener | CertificateAuthority> =>
  Layer.effect(
    FrameListener,
    Effect.gen(function* () {
      const { address, run, stopAccepting } = yield* Listener
      const respond = yield* makeRespond(options)
      return FrameListener.of({
        address,
        run: (handler) => run((duplex) => Effect.flatMap(respond(duplex), handler)),
        stopAccepting
      })
    })
  )

const makeRespond = Effect.fnUntraced(function* (options: ResponderOptions) {
  const { credentials } = yield* CertificateAuthority
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")
  const workers = yield* HandshakeWorkers.HandshakeWorkers
  const queue = yield* makeHandshakeQueue({
    maxPerSecond: options.maxHandshakesPerSecond ?? defaultMaxHandshakesPerSecond,
    // Each thread has a few handshakes queued, so that it works on while the event loop is busy.
    ...(workers === undefined ? {} : { threads: { slots: workers.threads * 4, above: workers.above } })
  })
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()

  return Effect.fn("Noise.respond")(function* (duplex: Duplex) {
    const { act: act1, early } = yield* readAct(duplex, "responder", Handshake.ACT1_SIZE, timeout)
    const stranger = recognise(act1)
    // The curve takes any 64 bytes as a key. Only 10^-15 of all keys look like another protocol.
    if (stranger !== "")
      return yield* failWith(duplex, new HandshakeGarbage({ role: "responder", what: "64 bytes", hint: stranger }))
    const begun = clock.monotonicTimeNanosUnsafe()
    const act2 = new Uint8Array(Handshake.ACT2_SIZE)
    const compute = Effect.fnUntraced(function* (lane: HandshakeLane) {
      const shown = yield* credentials
      const [ephemeralSecret, bytes] = [random(32), random(32)]
      const known =
        lane === "thread" && workers !== undefined
          ? yield* workers.exchange({ act1, ephemeralSecret, entropy: bytes, credentials: shown })
          : undefined
      const { certificate, staticKey, staticSecret } = shown
      const handshake = new Handshake.Responder(known ?? curve, Redacted.value(staticSecret), staticKey, certificate)
      return { handshake, code: handshake.respond(act1, 0, ephemeralSecret, bytes, act2, 0) }
    })
    const { code, handshake } = yield* Effect.catchTag(
      queue.run(duplex.remote.host, compute),
      "QueueFull",
      ({ waiting }) => failWith(duplex, new HandshakeQueueFull({ waiting }))
    )
    if (code !== Handshake.HANDSHAKE_OK) return yield* garbage(duplex, "responder", code, act1)
    yield* Effect.mapError(
      duplex.write(() => act2),
      truncated(duplex, "responder", act1, Handshake.ACT1_SIZE, Handshake.ACT1_SIZE)
    )
    handshakeSeconds.updateUnsafe(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e9, context)
    return encrypted(duplex, handshake, early, options)
  })
})
