/**
 * Reads a socket chunk by chunk, for one fiber.
 *
 * While somebody takes the next chunk before the event of the last one ends, as a reader does that answers at once, the socket flows:
 * Node hands over each chunk without queueing it. Otherwise the socket is paused, and Node's own buffer is all that is read ahead.
 */
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Net from "node:net"
import type { Duplex, Receiver, Rest } from "./duplex.ts"
import type { TransportError } from "./transport-error.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** How the socket ended: with an error, or without one. */
export interface SocketEnd {
  readonly cause: unknown
}

/** Who waits for a chunk. */
interface Taker {
  /** Goes on with the next chunk, or with what the receiver left to be waited for. */
  readonly go: (next: Effect.Effect<unknown, unknown>) => void
  readonly fail: (error: TransportError) => void
}

/** The reader of a socket: a listener that is a closure would be two more objects for each connection. */
const READER = Symbol("sluice/transport/SocketReader")

interface ReadSocket extends Net.Socket {
  [READER]?: SocketReader
}

export class SocketReader {
  #taker: Taker | undefined
  /** Gets all chunks while `#taker` waits; undefined for a taker that wants only one. */
  #receiver: Receiver<Uint8Array, unknown> | undefined
  /** Those above it, whose fields stand here because each step from one to the next would have to wait for memory. */
  #second: Receiver<never, unknown> | undefined
  #third: Receiver<never, unknown> | undefined
  readonly #socket: ReadSocket
  readonly #failure: (end: SocketEnd) => TransportError
  #flows = false
  /** What came while nobody waited, as after an interrupted pull. */
  #early: [Uint8Array, ...Array<Uint8Array>] | undefined
  #end: SocketEnd | undefined

  /** `failure` makes the error of a pull. */
  constructor(socket: Net.Socket, failure: (end: SocketEnd) => TransportError) {
    this.#socket = socket
    this.#failure = failure
    this.#socket[READER] = this
    socket.pause()
    socket.on("data", onData)
    socket.on("end", this.#onEnd)
    socket.on("error", this.#onError)
    socket.on("close", this.#onEnd)
  }

  /** The next chunk, which the caller may change. One fiber at a time. */
  readonly pull: Effect.Effect<Chunks, TransportError> = Effect.callback((resume) => {
    const early = this.#early
    if (early !== undefined) {
      this.#early = undefined
      return resume(Effect.succeed(early))
    }
    const go = (chunks: Effect.Effect<unknown, unknown>) => resume(chunks as Effect.Effect<Chunks>)
    return this.#wait({ go, fail: (error) => resume(Effect.fail(error)) }, undefined)
  })

  /** As `Duplex.each`. */
  readonly each: NonNullable<Duplex["each"]> = <E>(receiver: Receiver<Uint8Array, E>) => {
    this.#second = receiver.above
    this.#third = this.#second?.above
    const loop: Effect.Effect<never, E | TransportError> = Effect.callback((resume) => {
      const early = this.#early
      if (early !== undefined) {
        this.#early = undefined
        const taken = Effect.forEach(early, (chunk) => receiver.take(chunk) ?? Effect.void, { discard: true })
        return resume(Effect.andThen(taken, loop))
      }
      const go = (rest: Effect.Effect<unknown, unknown>) => resume(Effect.andThen(rest as Effect.Effect<void, E>, loop))
      return this.#wait({ go, fail: (error) => resume(Effect.fail(error)) }, receiver)
    })
    return loop
  }

  /** Stops listening; a pull that waits fails, and so does a later one. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    const socket = this.#socket
    socket.off("data", onData)
    socket.off("end", this.#onEnd)
    socket.off("error", this.#onError)
    socket.off("close", this.#onEnd)
    this.#pause()
    this.#onEnd()
  })

  /** Gives a chunk to whoever waits. */
  take(chunk: Buffer): void {
    const receiver = this.#receiver
    if (receiver !== undefined) {
      touched ^= receiver.touch() ^ (this.#second?.touch() ?? 0) ^ (this.#third?.touch() ?? 0)
    }
    // Not a Buffer, whose `slice` gives a view instead of a copy.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (receiver !== undefined) {
      const rest = takeSafely(receiver, bytes)
      if (rest !== undefined) this.#leave()?.go(rest)
    } else if (this.#taker !== undefined) this.#leave()!.go(Effect.succeed([bytes]))
    else if (this.#early === undefined) this.#early = [bytes]
    else this.#early.push(bytes)
    if (this.#taker === undefined) this.#pause()
  }

  readonly #cancel: Effect.Effect<void> = Effect.sync(() => this.#leave())

  #wait(taker: Taker, receiver: Receiver<Uint8Array, unknown> | undefined): Effect.Effect<void> | undefined {
    if (this.#end !== undefined) {
      taker.fail(this.#failure(this.#end))
      return undefined
    }
    this.#taker = taker
    this.#receiver = receiver
    if (this.#flows) return this.#cancel
    // It calls `take` with what Node has.
    while (this.#taker === taker && this.#socket.read() !== null);
    if (this.#taker === taker) {
      this.#flows = true
      this.#socket.resume()
    }
    return this.#taker === taker ? this.#cancel : undefined
  }

  /** Nobody waits any more. Returns who did. */
  #leave(): Taker | undefined {
    const taker = this.#taker
    this.#taker = undefined
    this.#receiver = undefined
    return taker
  }

  readonly #onEnd = (): void => this.#endWith(NO_ERROR)

  readonly #onError = (cause: unknown): void => this.#endWith({ cause })

  #endWith(end: SocketEnd): void {
    this.#end ??= end
    this.#leave()?.fail(this.#failure(this.#end))
  }

  #pause(): void {
    this.#flows = false
    this.#socket.pause()
  }
}

function onData(this: ReadSocket, chunk: Buffer): void {
  this[READER]!.take(chunk)
}

/** What `Receiver.touch` gave, so that compilers do not leave it out. */
let touched = 0

/** A receiver that throws is a defect of its connection. */
const takeSafely = <E>(receiver: Receiver<Uint8Array, E>, chunk: Uint8Array): Rest<E> => {
  try {
    return receiver.take(chunk)
  } catch (defect) {
    return Effect.die(defect)
  }
}

const NO_ERROR: SocketEnd = { cause: undefined }
