/**
 * Reads a socket chunk by chunk, for one fiber that pulls.
 *
 * While the fiber is back at its pull before the event of a chunk ends, as it is if it answers at once, the socket flows: Node
 * hands over each chunk without queueing it. Otherwise the socket is paused, and Node's own buffer is all that is read ahead.
 */
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Net from "node:net"
import type { TransportError } from "./transport-error.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** How the socket ended: with an error, or without one. */
export interface SocketEnd {
  readonly cause: unknown
}

export class SocketReader {
  readonly #socket: Net.Socket
  readonly #failure: (end: SocketEnd | undefined) => TransportError
  #resume: ((effect: Effect.Effect<Chunks, TransportError>) => void) | undefined
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
    if (this.#end !== undefined) return resume(Effect.fail(this.#failure(this.#end)))
    this.#resume = resume
    // It calls `#onData` with what Node has.
    if (!this.#flows && this.#socket.read() === null) {
      this.#flows = true
      this.#socket.resume()
    }
    return this.#resume === resume ? this.#cancel : undefined
  })

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

  readonly #cancel: Effect.Effect<void> = Effect.sync(() => (this.#resume = undefined))

  readonly #onData = (chunk: Buffer): void => {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const resume = this.#resume
    if (resume === undefined) {
      if (this.#early === undefined) this.#early = [bytes]
      else this.#early.push(bytes)
    } else {
      this.#resume = undefined
      resume(Effect.succeed([bytes]))
    }
    if (this.#resume === undefined) this.#pause()
  }

  readonly #onEnd = (): void => this.#endWith(NO_ERROR)

  readonly #onError = (cause: unknown): void => this.#endWith({ cause })

  #endWith(end: SocketEnd): void {
    this.#end ??= end
    this.#fail(this.#end)
  }

  /** Fails the pull that waits. */
  #fail(end: SocketEnd | undefined): void {
    const resume = this.#resume
    if (resume === undefined) return
    this.#resume = undefined
    resume(Effect.fail(this.#failure(end)))
  }

  #pause(): void {
    this.#flows = false
    this.#socket.pause()
  }
}

const NO_ERROR: SocketEnd = { cause: undefined }
