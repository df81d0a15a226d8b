/** A `FrameDuplex` after its setup as a `Connection`: frames to messages and back, a whole read or write at a time. */
import { DecodeError, type Direction, EncodeError, type Frame } from "@sluice/protocol"
import { Effect, Metric, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { Connection } from "./connection.ts"
import type { ConnectionError } from "./error.ts"
import type { FrameDuplex } from "./frame-duplex.ts"

/** Messages that were dropped because their type is not known here (specification, section 3.4.1). */
export const discardedMessages = Metric.counter("sluice_transport_discarded_messages", {
  description: "Messages of unknown type that were dropped",
  incremental: true
})

/** What a payload may have behind the fields that are declared: TLVs of extensions (section 3.4.3), in bytes. */
const TLV_ROOM = 1024

/** Messages over `frames`. `early` are frames that came behind the last one of the setup. */
export const overFrames = <In, Out>(options: {
  readonly frames: FrameDuplex
  readonly incoming: Direction<In>
  readonly outgoing: Direction<Out>
  readonly setup: Connection<In, Out>["setup"]
  readonly early: ReadonlyArray<Frame>
}): Connection<In, Out> => {
  const { frames, incoming, outgoing, setup } = options
  frames.limitPayload(incoming.maxPayload + TLV_ROOM)

  // Bytes that do not decode end the connection, after the messages before them.
  let broken: DecodeError | undefined
  const decode = (batch: ReadonlyArray<Frame>): Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> => {
    const messages: Array<In> = []
    let discarded = 0
    try {
      for (const frame of batch) {
        const message = incoming.decode(frame)
        if (message === undefined) discarded++
        else messages.push(message)
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      broken = error
    }
    const result = isReadonlyArrayNonEmpty(messages) ? Effect.succeed(messages) : pull
    return discarded === 0 ? result : Effect.andThen(Metric.update(discardedMessages, discarded), result)
  }
  const next = Effect.flatMap(frames.pull, decode)
  let early = options.early
  const pull: Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> = Effect.suspend(() => {
    if (broken !== undefined) return Effect.fail(broken)
    if (early.length === 0) return next
    const batch = early
    early = []
    return decode(batch)
  })

  const sendFrames: Connection<In, Out>["sendFrames"] = (encoded) =>
    isReadonlyArrayNonEmpty(encoded) ? frames.write(encoded) : Effect.void
  return {
    receive: Stream.fromPull(Effect.succeed(pull)),
    send: (messages) =>
      Effect.suspend(() => {
        try {
          return sendFrames(messages.map((message) => outgoing.encode(message)))
        } catch (error) {
          if (error instanceof EncodeError) return Effect.fail(error)
          throw error
        }
      }),
    sendFrames,
    setup,
    remote: frames.remote
  }
}
