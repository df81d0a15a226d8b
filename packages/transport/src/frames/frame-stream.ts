/** Makes a `FrameDuplex` of a `Duplex` of bytes: the common part of `Noise` and `Plain`. */
import type { CipherState } from "@sluice/core"
import type { Frame } from "@sluice/protocol"
import { Clock, Duration, Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Duplex, Receiver, Rest } from "../bytes/duplex.ts"
import type { FrameDuplex } from "./frame-duplex.ts"
import type { FrameReader } from "./frame-reader.ts"
import { Closed, FrameTimeout, TransportError } from "../bytes/transport-error.ts"

/**
 * The longest payload before the setup is complete, in bytes. SetupConnection has at most 1,291; the rest is for fields that a
 * later version may add.
 */
export const MAX_SETUP_PAYLOAD = 4096

/** Limits for the frames of a peer. */
export interface FrameLimits {
  /** The longest payload before the setup is complete, in bytes. Default 4,096. */
  readonly maxSetupPayload?: number
  /** How long a frame may take from its first byte to its last. Default 2 minutes, enough for 16 MB at 1.2 Mbit/s. */
  readonly frameTimeout?: Duration.Input
}

/**
 * Makes a `FrameDuplex` over `duplex`. `early` are bytes that came behind the handshake and belong to the first frames. `seal`
 * makes the bytes of one write of plain frames.
 */
export const overDuplex = (options: {
  readonly duplex: Duplex
  readonly reader: FrameReader
  readonly early: ReadonlyArray<Uint8Array>
  readonly seal: (frames: NonEmptyReadonlyArray<Uint8Array>) => Uint8Array
  readonly limits: FrameLimits
}): FrameDuplex => {
  const { duplex, reader, seal } = options
  const { remote } = duplex
  const frameTimeout = Duration.fromInputUnsafe(options.limits.frameTimeout ?? "2 minutes")

  /** Gives the frames of a read. A failure of the reader comes after the frames before it. */
  const read = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<NonEmptyReadonlyArray<Frame>, TransportError> => {
    const frames: Array<Frame> = []
    for (const chunk of chunks) reader.push(chunk, frames)
    if (frames.length > 0) begunAt = undefined
    if (isNonEmpty(frames)) return Effect.succeed(frames)
    return reader.failure === undefined ? next : fail(reader.failure)
  }
  const fail = (reason: TransportError["reason"]) => Effect.fail(new TransportError({ remote, reason }))
  const chunks = Effect.mapError(duplex.pull, (error) =>
    error.reason._tag === "Closed" && reader.pendingBytes > 0
      ? new TransportError({ remote, reason: new Closed({ pendingBytes: reader.pendingBytes }) })
      : error
  )
  /** Since when the rest of the incomplete frame is awaited: the timeout is for the whole frame, not for each part. */
  let begunAt: number | undefined
  let late: TransportError | undefined
  const rest = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    begunAt ??= now
    return Effect.timeoutOrElse(chunks, {
      duration: begunAt + Duration.toMillis(frameTimeout) - now,
      orElse: () => {
        const { pendingBytes } = reader
        const reason = new FrameTimeout({ seconds: Duration.toSeconds(frameTimeout), pendingBytes })
        return Effect.fail((late = new TransportError({ remote, reason })))
      }
    })
  })
  // Sets a timer only if a frame is incomplete, which is rare.
  const next: FrameDuplex["pull"] = Effect.flatMap(
    Effect.suspend(() => (reader.pendingBytes === 0 ? chunks : rest)),
    read
  )

  let early = options.early
  const pull: FrameDuplex["pull"] = Effect.suspend(() => {
    if (reader.failure !== undefined) return fail(reader.failure)
    if (late !== undefined) return Effect.fail(late)
    if (early.length === 0) return next
    const chunks = early
    early = []
    return read(chunks)
  })

  const { each: eachChunk, writeNow } = duplex
  const each: FrameDuplex["each"] =
    eachChunk &&
    (<E>(receiver: Receiver<Frames, E>) => {
      /** Whether a fiber has to go on: with frames of the setup, a failure, or a frame that is incomplete and has a time limit. */
      const isUnfinished = () =>
        early.length > 0 || reader.failure !== undefined || late !== undefined || reader.pendingBytes > 0
      const finish: Effect.Effect<void, E | TransportError> = Effect.suspend(() =>
        isUnfinished()
          ? Effect.flatMap(pull, (frames) => Effect.andThen(receiver.take(frames) ?? Effect.void, finish))
          : Effect.void
      )
      return Effect.andThen(finish, eachChunk(new FrameReceiver(reader, receiver, finish)))
    })

  return {
    pull,
    ...(each && { each }),
    ...(writeNow && { writeNow: (frames) => writeNow(() => seal(frames)) }),
    write: (frames) => duplex.write(() => seal(frames), sizeOf(frames)),
    limitPayload: (maxPayload) => reader.limitPayload(maxPayload),
    remote,
    standing: duplex.standing
  }
}

type Frames = NonEmptyReadonlyArray<Frame>

/** Reads frames from chunks. */
class FrameReceiver<E> implements Receiver<Uint8Array, E | TransportError> {
  readonly #reader: FrameReader
  readonly #cipher: CipherState | undefined
  readonly above: Receiver<Frames, E>
  /** Goes on with what is unfinished. */
  readonly #finish: Effect.Effect<void, E | TransportError>

  constructor(reader: FrameReader, above: Receiver<Frames, E>, finish: Effect.Effect<void, E | TransportError>) {
    this.#reader = reader
    this.#cipher = reader.cipher
    this.above = above
    this.#finish = finish
  }

  take(chunk: Uint8Array): Rest<E | TransportError> {
    const reader = this.#reader
    const frames: Array<Frame> = []
    reader.push(chunk, frames)
    const rest = isNonEmpty(frames) ? this.above.take(frames) : undefined
    if (reader.failure === undefined && reader.pendingBytes === 0) return rest
    return rest === undefined ? this.#finish : Effect.andThen(rest, this.#finish)
  }

  touch(): number {
    return this.#reader.touch() ^ (this.#cipher?.isReady() === true ? 1 : 0)
  }
}

const sizeOf = (frames: ReadonlyArray<Uint8Array>): number => {
  let size = 0
  for (const frame of frames) size += frame.length
  return size
}

const isNonEmpty = <A>(array: ReadonlyArray<A>): array is readonly [A, ...Array<A>] => array.length > 0
