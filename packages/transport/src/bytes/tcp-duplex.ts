/**
 * An open socket as a `Duplex`.
 *
 * Only Node's own buffer is read ahead of a pull, and every chunk is a buffer of its own, which the caller may change. Writing is
 * one step (see `Duplex.write`).
 */
import { Duration, Effect, type Scope } from "effect"
import type * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import type { Accepted } from "./accepted.ts"
import { codeOf } from "./code-of.ts"
import type { Duplex } from "./duplex.ts"
import { type SocketEnd, SocketReader } from "./socket-reader.ts"
import { Closed, SendTimeout, SocketFailed, TransportError } from "./transport-error.ts"

export interface TcpOptions {
  /** How long a peer may leave its window full before the connection ends. Default 1 minute. */
  readonly sendTimeout?: Duration.Input
  /** How long closing may take: until written bytes have left and the peer has closed too. Default 2 seconds. */
  readonly closeTimeout?: Duration.Input
}

/** Makes a `Duplex` of an open socket. Closing the Scope closes the socket. */
export const openDuplex = Effect.fnUntraced(function* (
  socket: Net.Socket,
  remote: Endpoint,
  options: TcpOptions,
  accepted?: Accepted
): Effect.fn.Return<Duplex, TransportError, Scope.Scope> {
  const sendTimeout = Duration.fromInputUnsafe(options.sendTimeout ?? "1 minute")
  const closeTimeoutMs = Duration.toMillis(options.closeTimeout ?? "2 seconds")
  let timedOut: TransportError | undefined
  /** Why this side ended the connection, if it did. */
  const ended = () => timedOut ?? accepted?.ended
  const closed = () => ended() ?? new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) })
  const failure = ({ cause }: SocketEnd): TransportError => {
    if (cause === undefined) return closed()
    return ended() ?? new TransportError({ remote, reason: new SocketFailed({ code: codeOf(cause) }) })
  }

  const reader = new SocketReader(socket, failure)
  yield* Effect.addFinalizer(() => Effect.andThen(reader.close, close(socket, closeTimeoutMs)))
  // The socket may have closed before the reader listened for the event.
  if (socket.destroyed) return yield* closed()

  const sendTimedOut = () => {
    timedOut = new TransportError({ remote, reason: new SendTimeout({ seconds: Duration.toSeconds(sendTimeout) }) })
    socket.destroy()
    return Effect.fail(timedOut)
  }
  const writeLater = (bytes: () => Uint8Array, size: number): Effect.Effect<void, TransportError> => {
    accepted?.waits(size)
    return drained(socket).pipe(
      Effect.timeoutOrElse({ duration: sendTimeout, orElse: sendTimedOut }),
      Effect.ensuring(Effect.sync(() => accepted?.waits(-size))),
      Effect.andThen(write(bytes, size))
    )
  }
  const write = (bytes: () => Uint8Array, size = 0): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      const end = ended()
      if (end !== undefined) return Effect.fail(end)
      if (!socket.writable) return Effect.fail(closed())
      if (socket.writableNeedDrain) return writeLater(bytes, size)
      put(bytes())
      return Effect.void
    })
  const put = (bytes: Uint8Array): void => {
    if (bytes.length === 0) return
    socket.write(bytes, accepted?.taken)
    accepted?.written()
  }
  const writeNow = (bytes: () => Uint8Array): boolean => {
    if (ended() !== undefined || !socket.writable || socket.writableNeedDrain) return false
    put(bytes())
    return true
  }
  return { pull: reader.pull, each: reader.each, write, writeNow, remote, standing: accepted }
})

/** Completes when the socket's buffer is empty or the socket is closed. */
const drained = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    // The fiber may have given way to others since the socket was full.
    if (!socket.writableNeedDrain) return resume(Effect.void)
    return Effect.sync(whenDrained(socket, () => resume(Effect.void)))
  })

/** Calls `then` once when the socket has drained or closed. The returned function cancels it. */
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

/** If the peer sends more bytes than this while we close, the socket is destroyed. */
const MAX_DROPPED = 1 << 20

/**
 * Closes the socket in good order: sends what was written, then reads and drops what the peer still sends until the peer
 * closes too. The system resets a socket that is closed with unread bytes, and the reset can overtake our last bytes. The
 * timeout uses the system's time, not the Clock: sockets are real even under a test clock.
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
