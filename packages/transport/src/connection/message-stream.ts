/** A `FrameDuplex` after its setup as a `Connection`: frames to messages and back, a whole read or write at a time. */
import { Common, DecodeError, type Direction, EncodeError, type Frame } from "@sluice/protocol"
import { Clock, Duration, Effect, Metric, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { Allowance } from "../limits/allowance.ts"
import type { Connection } from "./connection.ts"
import type { ConnectionError } from "../error.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { discardedMessages } from "../metrics.ts"
import { RepeatedSetup, SetupError } from "../setup/setup-error.ts"
import { Idle, TransportError } from "../bytes/transport-error.ts"

/** What a peer may do after SetupConnection. */
export interface MessageLimits {
  /** The longest payload in bytes, where it is to be less than the longest of the protocol's messages. */
  readonly maxPayload?: number
  /**
   * How long a peer may send no message; for ever. A client is silent for as long as it finds no share, and a proxy for as
   * long as it has no miners; one that has vanished is noticed without this, by the transport.
   */
  readonly idleTimeout?: Duration.Input
}

/** The protocol as the ends have agreed to speak it. */
export interface Speech<In, Out> {
  readonly incoming: Direction<In>
  readonly outgoing: Direction<Out>
  readonly extensions: ReadonlyArray<number>
}

/**
 * Messages of unknown type a second, each KB of payload counted as one more, above which a peer is read from more slowly:
 * they are none of its role's, whose own limits do not see them, and each costs its decryption.
 */
const DISCARDED_PER_SECOND = 1_000

/** What a payload may have behind the fields that are declared: TLVs of extensions (section 3.4.3), in bytes. */
const TLV_ROOM = 1024

/**
 * Messages over `frames`. `early` are frames that came behind the last one of the setup. `answer`, on a server's side, gives
 * the answer to a request for extensions and `undefined` for other frames; it is asked until one of those comes. After each
 * answer, `speak` says how to go on.
 */
export const overFrames = <In, Out>(options: {
  readonly frames: FrameDuplex
  readonly speak: () => Speech<In, Out>
  readonly answer?: (frame: Frame) => Uint8Array | undefined
  readonly setup: Omit<Connection<In, Out>["setup"], "extensions">
  readonly early: ReadonlyArray<Frame>
  readonly limits: MessageLimits
  /** Run when the peer is read from more slowly, for what it sends is unknown here. */
  readonly onSlowDown?: Effect.Effect<void>
}): Connection<In, Out> => {
  const { frames, limits, onSlowDown = Effect.void, setup, speak } = options
  let { answer } = options
  let { extensions, incoming, outgoing } = speak()
  const listen = () => {
    ;({ extensions, incoming, outgoing } = speak())
    frames.limitPayload(Math.min(incoming.maxPayload + TLV_ROOM, limits.maxPayload ?? Infinity))
  }
  listen()

  let unknown: Allowance | undefined
  const discard = (count: number, cost: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const waitMs = (unknown ??= new Allowance(DISCARDED_PER_SECOND, now)).take(cost, now)
      const counted = Metric.update(discardedMessages, count)
      return waitMs === 0 ? counted : Effect.all([counted, onSlowDown, Effect.sleep(waitMs)], { discard: true })
    })

  // Bytes that do not decode end the connection, after the messages before them.
  let broken: ConnectionError | undefined
  const decode = (batch: ReadonlyArray<Frame>): Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> => {
    const messages: Array<In> = []
    const answers: Array<Uint8Array> = []
    let discarded = 0
    let cost = 0
    try {
      for (const frame of batch) {
        if (answer !== undefined) {
          const answered = answer(frame)
          if (answered !== undefined) {
            answers.push(answered)
            listen()
            continue
          }
          answer = undefined
        }
        const message = incoming.decode(frame)
        if (message === undefined) {
          if (isOfSetup(frame)) {
            throw new SetupError({
              remote: frames.remote,
              reason: new RepeatedSetup({ messageType: frame.messageType })
            })
          }
          discarded++
          cost += 1 + frame.payload.length / 1024
        } else messages.push(message)
      }
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SetupError)) throw error
      broken = error
    }
    let result = isReadonlyArrayNonEmpty(messages) ? Effect.succeed(messages) : pull
    if (discarded > 0) result = Effect.andThen(discard(discarded, cost), result)
    return isReadonlyArrayNonEmpty(answers) ? Effect.andThen(frames.write(answers), result) : result
  }

  const next = Effect.flatMap(withinIdle(frames, limits.idleTimeout), decode)
  let early = options.early
  const pull: Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> = Effect.suspend(() => {
    if (broken !== undefined) return Effect.fail(broken)
    if (early.length === 0) return next
    const batch = early
    early = []
    return decode(batch)
  })

  return {
    receive: Stream.fromPull(Effect.succeed(pull)),
    send: (messages) => Effect.suspend(() => writeMessages(frames, outgoing, messages)),
    setup: {
      ...setup,
      get extensions() {
        return extensions
      }
    },
    remote: frames.remote,
    standing: frames.standing
  }
}

/** Encodes the messages and sends them in one write. */
export const writeMessages = <M>(
  frames: FrameDuplex,
  direction: Direction<M>,
  messages: ReadonlyArray<M>
): Effect.Effect<void, EncodeError | TransportError> => {
  try {
    const encoded = messages.map((message) => direction.encode(message))
    return isReadonlyArrayNonEmpty(encoded) ? frames.write(encoded) : Effect.void
  } catch (error) {
    if (error instanceof EncodeError) return Effect.fail(error)
    throw error
  }
}

const isOfSetup = ({ extensionType, messageType }: Frame): boolean =>
  (Common.setup.toServer.find(extensionType, messageType) ?? Common.setup.toClient.find(extensionType, messageType)) !==
  undefined

const withinIdle = (frames: FrameDuplex, idleTimeout: Duration.Input | undefined): FrameDuplex["pull"] => {
  if (idleTimeout === undefined) return frames.pull
  const duration = Duration.fromInputUnsafe(idleTimeout)
  const { remote } = frames
  const idle = Effect.suspend(() =>
    Effect.fail(new TransportError({ remote, reason: new Idle({ seconds: Duration.toSeconds(duration) }) }))
  )
  return Effect.timeoutOrElse(frames.pull, { duration, orElse: () => idle })
}
