/** Reads the acts of a handshake, one of each side (specification, section 4.5), and makes its errors. */
import { handshakeFailure } from "@sluice/noise"
import { Duration, Effect } from "effect"
import type { Duplex } from "../bytes/duplex.ts"
import { HandshakeError, HandshakeGarbage, HandshakeTimeout, HandshakeTruncated, type Role } from "./handshake-error.ts"
import { recognise } from "../bytes/other-protocol.ts"

/** Reads the peer's act of `size` bytes. `early` are the bytes that came behind it. */
export const readAct = Effect.fnUntraced(function* (
  duplex: Duplex,
  role: Role,
  size: number,
  timeout: Duration.Duration
) {
  const act = new Uint8Array(size)
  let received = 0
  const read = Effect.gen(function* () {
    while (true) {
      const chunks = yield* duplex.pull
      const early: Array<Uint8Array> = []
      for (const chunk of chunks) {
        const part = chunk.subarray(0, size - received)
        act.set(part, received)
        received += part.length
        if (part.length < chunk.length) early.push(chunk.subarray(part.length))
      }
      if (received === size) return { act, early }
    }
  })
  return yield* read.pipe(
    Effect.mapError(() => truncated(duplex, role, act, received, size)()),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => {
        const hint = recognise(act.subarray(0, received))
        const seconds = Duration.toSeconds(timeout)
        return failWith(duplex, new HandshakeTimeout({ role, seconds, received, expected: size, hint }))
      }
    })
  )
})

export const truncated =
  (duplex: Duplex, role: Role, act: Uint8Array, received: number, expected: number) => (): HandshakeError => {
    const hint = recognise(act.subarray(0, received))
    return new HandshakeError({
      remote: duplex.remote,
      reason: new HandshakeTruncated({ role, received, expected, hint })
    })
  }

export const garbage = (duplex: Duplex, role: Role, code: number, act: Uint8Array) =>
  failWith(duplex, new HandshakeGarbage({ role, what: handshakeFailure(code), hint: recognise(act) }))

export const failWith = (duplex: Duplex, reason: HandshakeError["reason"]): Effect.Effect<never, HandshakeError> =>
  Effect.fail(new HandshakeError({ remote: duplex.remote, reason }))
