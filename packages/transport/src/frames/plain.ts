/**
 * Frames without Noise, for trusted networks only: section 4 makes encryption optional there and mandatory everywhere else.
 * Anyone on the path can read and change the bytes, and the server is not authenticated.
 */
import { Effect, Layer } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Dialer, type Duplex, Listener } from "../bytes/duplex.ts"
import { formatEndpoint } from "../endpoint.ts"
import { otherSecurity } from "../error.ts"
import { FrameDialer, type FrameDuplex, FrameListener } from "./frame-duplex.ts"
import { FrameReader } from "./frame-reader.ts"
import { type FrameLimits, MAX_SETUP_PAYLOAD, overDuplex } from "./frame-stream.ts"

/**
 * Serves without encryption, and logs a warning about it at the start. The layer is fresh wherever it is provided, because two
 * servers of one program must not share one listener.
 */
export const listenerWith = (limits: FrameLimits): Layer.Layer<FrameListener, never, Listener> =>
  Layer.fresh(
    Layer.effect(
      FrameListener,
      Effect.gen(function* () {
        const { address, run, stopAccepting } = yield* Listener
        yield* Effect.logWarning(
          `${formatEndpoint(address)} serves without encryption, which is for trusted networks only`
        )
        return FrameListener.of({
          address,
          run: (handler) => run((duplex) => handler(plain(duplex, limits))),
          stopAccepting
        })
      })
    )
  )

/** Serves with the default limits. */
export const listener: Layer.Layer<FrameListener, never, Listener> = listenerWith({})

/** Dials addresses of the form `stratum2+tcp+plain://HOST:PORT`. Logs a warning the first time. */
export const dialer: Layer.Layer<FrameDialer, never, Dialer> = Layer.effect(
  FrameDialer,
  Effect.gen(function* () {
    const dialer = yield* Dialer
    let warned = false
    return FrameDialer.of({
      dial: Effect.fnUntraced(function* (server) {
        if (server.security._tag !== "plain") return yield* otherSecurity(server)
        if (!warned) {
          warned = true
          yield* Effect.logWarning(
            `Connecting to ${formatEndpoint(server)} without encryption, which is for trusted networks only`
          )
        }
        return plain(yield* dialer.dial(server), {})
      })
    })
  })
)

const plain = (duplex: Duplex, limits: FrameLimits): FrameDuplex => {
  const reader = new FrameReader(undefined, limits.maxSetupPayload ?? MAX_SETUP_PAYLOAD)
  return overDuplex({ duplex, reader, early: [], seal: join, limits })
}

const join = (frames: NonEmptyReadonlyArray<Uint8Array>): Uint8Array => {
  // Does not copy a single frame: a job for a thousand connections is one array.
  if (frames.length === 1) return frames[0]
  let size = 0
  for (const frame of frames) size += frame.length
  const bytes = new Uint8Array(size)
  let at = 0
  for (const frame of frames) {
    bytes.set(frame, at)
    at += frame.length
  }
  return bytes
}
