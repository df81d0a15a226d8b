/**
 * Reads a socket chunk by chunk, for one fiber.
 *
 * While somebody takes the next chunk before the event of the last one ends, as a reader does that answers at once, the socket flows:
 * Node hands over each chunk without queueing it. Otherwise the socket is paused, and Node's own buffer is all that is read ahead.
 */
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Net from "node:net"
import type { Duplex, Rest } from "./duplex.ts"
import type { TransportError } from "./transport-error.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** How the socket ended: with an error, or without one. */
export interface SocketEnd {
  readonly cause: unknown
}

/** Who waits for a chunk. */
interface Taker {
  /** Stays the taker unless it says so. */
  readonly take: (chunk: Uint8Array) => void
  readonly fail: (error: TransportError) => void
}

export class SocketReader {
  readonly #socket: Net.Socket
  readonly #failure: (end: SocketEnd | undefined) => TransportError
  #taker: Taker | undefined
  #flows = false
  /** What came while nobody waited, as after an interrupted pull. */
  #early: [Uint8Array, ...Array<Uint8Array>] | undefined
  #end: SocketEnd | undefined

  /** `failure` makes the error of a pull; its argument is undefined where the reader was closed. */
  constructor(socket: Net.Socket, failure: (end: SocketEnd | undefined) => TransportError) {
    this.#socket = socket
    this.#failure = failure
    socket.pause()
    socket.on("data", this.#onData)
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
    return this.#wait({
      take: (chunk) => {
        this.#taker = undefined
        resume(Effect.succeed([chunk]))
      },
      fail: (error) => resume(Effect.fail(error))
    })
  })

  /** As `Duplex.each`. */
  readonly each: NonNullable<Duplex["each"]> = <E>(step: (chunk: Uint8Array) => Rest<E>) => {
    const loop: Effect.Effect<never, E | TransportError> = Effect.callback((resume) => {
      const early = this.#early
      if (early !== undefined) {
        this.#early = undefined
        const steps = Effect.forEach(early, (chunk) => step(chunk) ?? Effect.void, { discard: true })
        return resume(Effect.andThen(steps, loop))
      }
      return this.#wait({
        take: (chunk) => {
          const rest = stepSafely(step, chunk)
          if (rest === undefined) return
          this.#taker = undefined
          resume(Effect.andThen(rest, loop))
        },
        fail: (error) => resume(Effect.fail(error))
      })
    })
    return loop
  }

  /** Stops listening; a pull that waits fails. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    const socket = this.#socket
    socket.off("data", this.#onData)
    socket.off("end", this.#onEnd)
    socket.off("error", this.#onError)
    socket.off("close", this.#onEnd)
    this.#pause()
    this.#fail(undefined)
  })

  readonly #cancel: Effect.Effect<void> = Effect.sync(() => (this.#taker = undefined))

  #wait(taker: Taker): Effect.Effect<void> | undefined {
    if (this.#end !== undefined) {
      taker.fail(this.#failure(this.#end))
      return undefined
    }
    this.#taker = taker
    if (this.#flows) return this.#cancel
    // It calls `#onData` with what Node has.
    while (this.#taker === taker && this.#socket.read() !== null);
    if (this.#taker === taker) {
      this.#flows = true
      this.#socket.resume()
    }
    return this.#taker === taker ? this.#cancel : undefined
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#taker !== undefined) this.#taker.take(bytes)
    else if (this.#early === undefined) this.#early = [bytes]
    else this.#early.push(bytes)
    if (this.#taker === undefined) this.#pause()
  }

  readonly #onEnd = (): void => this.#endWith(NO_ERROR)

  readonly #onError = (cause: unknown): void => this.#endWith({ cause })

  #endWith(end: SocketEnd): void {
    this.#end ??= end
    this.#fail(this.#end)
  }

  /** Fails the reader that waits. */
  #fail(end: SocketEnd | undefined): void {
    const taker = this.#taker
    if (taker === undefined) return
    this.#taker = undefined
    taker.fail(this.#failure(end))
  }

  #pause(): void {
    this.#flows = false
    this.#socket.pause()
  }
}

/** A step that throws is a defect of its connection. */
const stepSafely = <E>(step: (chunk: Uint8Array) => Rest<E>, chunk: Uint8Array): Rest<E> => {
  try {
    return step(chunk)
  } catch (defect) {
    return Effect.die(defect)
  }
}

const NO_ERROR: SocketEnd = { cause: undefined }
