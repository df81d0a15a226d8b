/**
 * An open socket as a `Duplex`.
 *
 * Reading is Effect's `NodeSocket`: nothing is read ahead of a pull but what Node buffers, and every chunk is a buffer of
 * its own, which the caller may change. Writing goes to Node's socket directly, in one step (see `Duplex.write`).
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Duration, Effect, type Scope } from "effect"
import type { Socket } from "effect/socket"
import type * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import type { Accepted } from "./accepted.ts"
import type { Duplex } from "./duplex.ts"
import { Closed, SendTimeout, SocketFailed, TransportError } from "./transport-error.ts"

export interface TcpOptions {
  /** How long a peer may leave a full window full before the connection ends; 1 minute. */
  readonly sendTimeout?: Duration.Input
  /** How long closing may take: for what was written to leave, and for the peer to close too; 2 seconds. */
  readonly closeTimeout?: Duration.Input
}

/** An open socket as a `Duplex`; closing the Scope closes it. */
export const openDuplex = Effect.fnUntraced(function* (
  socket: Net.Socket,
  remote: Endpoint,
  options: TcpOptions,
  accepted?: Accepted
): Effect.fn.Return<Duplex, TransportError, Scope.Scope> {
  const sendTimeout = Duration.fromInputUnsafe(options.sendTimeout ?? "1 minute")
  const closeTimeoutMs = Duration.toMillis(options.closeTimeout ?? "2 seconds")
  let timedOut: TransportError | undefined
  /** Why this end closed the connection, if it did. */
  const ended = () => timedOut ?? accepted?.ended
  const closed = () => ended() ?? new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) })
  const failure = (error: Socket.SocketError): TransportError => {
    if (error.reason._tag !== "SocketReadError") return closed()
    return ended() ?? new TransportError({ remote, reason: new SocketFailed({ code: codeOf(error.reason.cause) }) })
  }

  yield* Effect.addFinalizer(() => close(socket, closeTimeoutMs))
  const reader = yield* Effect.mapError(
    Effect.flatMap(NodeSocket.fromDuplex(Effect.succeed(socket)), (adapter) => adapter.reader),
    failure
  )
  // It may have closed before the reader listened for it.
  if (socket.destroyed) return yield* closed()

  const pull = Effect.mapBoth(reader.pull, {
    onFailure: failure,
    onSuccess: (chunks) => {
      const bytes = chunks as unknown as [Buffer, ...Array<Buffer>]
      return bytes.map(
        (chunk) => new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      ) as unknown as readonly [Uint8Array, ...Array<Uint8Array>]
    }
  })

  const room = Effect.timeoutOrElse(drained(socket), {
    duration: sendTimeout,
    orElse: () =>
      Effect.suspend(() => {
        timedOut = new TransportError({ remote, reason: new SendTimeout({ seconds: Duration.toSeconds(sendTimeout) }) })
        socket.destroy()
        return Effect.fail(timedOut)
      })
  })
  const writeLater = (bytes: () => Uint8Array, size: number): Effect.Effect<void, TransportError> => {
    accepted?.waits(size)
    return Effect.flatMap(
      Effect.ensuring(
        room,
        Effect.sync(() => accepted?.waits(-size))
      ),
      () => write(bytes, size)
    )
  }
  const write = (bytes: () => Uint8Array, size = 0): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      const end = ended()
      if (end !== undefined) return Effect.fail(end)
      if (!socket.writable) return Effect.fail(closed())
      if (socket.writableNeedDrain) return writeLater(bytes, size)
      socket.write(bytes(), accepted?.taken)
      accepted?.written()
      return Effect.void
    })
  return { pull, write, remote, standing: accepted }
})

/** Waits until the socket's buffer is empty, or the socket closed. */
const drained = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => Effect.sync(whenDrained(socket, () => resume(Effect.void))))

/** Calls `then` once, unless what this gives is called before. */
const whenDrained = (socket: Net.Socket, then: () => void): (() => void) => {
  const stop = () => {
    socket.off("drain", done)
    socket.off("close", done)
  }
  const done = () => {
    stop()
    then()
  }
  socket.on("drain", done)
  socket.on("close", done)
  return stop
}

/** A peer that sends more than this while it is told that we close, in bytes, does not want to hear it. */
const MAX_DROPPED = 1 << 20

/**
 * Closes in good order: what was written leaves first, and what the peer still sends is read and dropped until it closes
 * too. A socket closed with unread bytes is reset instead, and the reset can overtake the last thing that we said. The time
 * limit is the machine's, not the Clock's: under a test clock, sockets are still real.
 */
const close = (socket: Net.Socket, timeoutMs: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once("close", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    let dropped = 0
    const drop = () => {
      let chunk: Uint8Array | null
      while ((chunk = socket.read() as Uint8Array | null) !== null) dropped += chunk.length
      if (dropped > MAX_DROPPED) socket.destroy()
    }
    socket.on("readable", drop)
    socket.end()
    drop()
  })

export const codeOf = (cause: unknown): string =>
  cause instanceof Error
    ? "code" in cause && typeof cause.code === "string"
      ? cause.code
      : cause.message
    : String(cause)
