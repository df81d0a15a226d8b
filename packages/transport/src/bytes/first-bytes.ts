/** Reads how a connection begins, before anybody else reads from its socket. */
import { Effect, Result } from "effect"
import type * as Net from "node:net"
import { Closed, type TransportError } from "./transport-error.ts"

type Reason = TransportError["reason"]

/**
 * Gives `parse` the first bytes until it gives a value with the number of bytes that it took. The bytes behind those stay in the
 * socket. `parse` bounds how many bytes are kept: it fails or gives a value in the end.
 */
export const firstBytes = <A extends { readonly size: number }>(
  socket: Net.Socket,
  parse: (bytes: Uint8Array) => Result.Result<A | undefined, Reason>
): Effect.Effect<A, Reason> =>
  Effect.callback<A, Reason>((resume) => {
    let bytes: Buffer = Buffer.alloc(0)
    const stop = () => {
      socket.off("readable", read)
      socket.off("end", ended)
      socket.off("close", ended)
    }
    const ended = () => {
      stop()
      resume(Effect.fail(new Closed({ pendingBytes: 0 })))
    }
    const read = () => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      const parsed = parse(bytes)
      if (Result.isSuccess(parsed) && parsed.success === undefined) return
      stop()
      if (Result.isFailure(parsed)) return resume(Effect.fail(parsed.failure))
      const value = parsed.success!
      if (value.size < bytes.length) socket.unshift(bytes.subarray(value.size))
      resume(Effect.succeed(value))
    }
    socket.on("readable", read)
    socket.on("end", ended)
    socket.on("close", ended)
    if (socket.destroyed) return ended()
    return Effect.sync(stop)
  })
