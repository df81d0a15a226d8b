/** A `Connection` over a `FrameDuplex` after the setup: decodes all frames of a read, and encodes all messages of a write. */
import { Common, DecodeError, type Direction, EncodeError, type Frame } from "@sluice/protocol"
import { Clock, Duration, Effect, Metric, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { TokenBucket } from "../limits/token-bucket.ts"
import type { Receiver, Rest } from "../bytes/duplex.ts"
import type { Connection } from "./connection.ts"
import type { ConnectionError } from "../error.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { discardedMessages } from "../metrics.ts"
import { RepeatedSetup, SetupError } from "../setup/setup-error.ts"
import { Idle, TransportError } from "../bytes/transport-error.ts"

/** Limits for a peer after SetupConnection. */
export interface MessageLimits {
  /** The longest payload in bytes. By default that of the longest message of the protocol. */
  readonly maxPayload?: number
  /**
   * How long a peer may send no message. Default for ever: a client sends nothing until it finds a share, and a proxy nothing
   * until it has miners. The transport detects by itself that a peer has vanished.
   */
  readonly idleTimeout?: Duration.Input
}

/** The directions of the protocol, with the negotiated extensions. */
export interface Speech<In, Out> {
  readonly incoming: Direction<In>
  readonly outgoing: Direction<Out>
  readonly extensions: ReadonlyArray<number>
}

/**
 * Messages of unknown type per second, with each KB of payload as one more. Above it, the peer is read from more slowly: the
 * role's limits do not see these messages, and each costs its decryption.
 */
const DISCARDED_PER_SECOND = 1_000

/** Bytes that a payload may have behind the declared fields: TLVs of extensions (section 3.4.3). */
const TLV_ROOM = 1024

/**
 * Makes a `Connection` over `frames`. `early` are frames that came behind the last one of the setup. On a server, `answer`
 * encodes the answer to a request for extensions; it is called for each frame until it gives `undefined` for one. After each
 * answer, `speak` gives the protocol to use from then on.
 */
export const overFrames = <In, Out>(options: {
  readonly frames: FrameDuplex
  readonly speak: () => Speech<In, Out>
  readonly answer?: (frame: Frame) => Uint8Array | undefined
  readonly setup: Omit<Connection<In, Out>["setup"], "extensions">
  readonly early: ReadonlyArray<Frame>
  readonly limits: MessageLimits
  /** Runs when the peer is read from more slowly because of its unknown messages. */
  readonly onSlowDown?: Effect.Effect<void>
}): Connection<In, Out> => {
  const { frames, limits, onSlowDown = Effect.void, setup, speak } = options
  let { answer } = options
  let { extensions, incoming, outgoing } = speak()
  /** The limit that the role has set. */
  let roleLimit = Infinity
  const limitPayload = () =>
    frames.limitPayload(Math.min(incoming.maxPayload + TLV_ROOM, limits.maxPayload ?? Infinity, roleLimit))
  const listen = () => {
    ;({ extensions, incoming, outgoing } = speak())
    limitPayload()
  }
  listen()

  let unknown: TokenBucket | undefined
  const discard = (count: number, cost: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const waitMs = (unknown ??= new TokenBucket(DISCARDED_PER_SECOND, now)).take(cost, now)
      const counted = Metric.update(discardedMessages, count)
      return waitMs === 0 ? counted : Effect.all([counted, onSlowDown, Effect.sleep(waitMs)], { discard: true })
    })

  // Bytes that do not decode end the connection after the messages before them were delivered.
  let broken: ConnectionError | undefined
  /** Decodes frames. `before` is what has to be done before the messages are used. */
  const decode = (batch: ReadonlyArray<Frame>): Decoded<In> => {
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
    let before: Decoded<In>["before"] = discarded > 0 ? discard(discarded, cost) : undefined
    if (isReadonlyArrayNonEmpty(answers)) {
      const answered = frames.write(answers)
      before = before === undefined ? answered : Effect.andThen(answered, before)
    }
    return { messages, before }
  }

  const deliver = (batch: ReadonlyArray<Frame>): Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> => {
    const { before, messages } = decode(batch)
    const result = isReadonlyArrayNonEmpty(messages) ? Effect.succeed(messages) : pull
    return before === undefined ? result : Effect.andThen(before, result)
  }

  const next = Effect.flatMap(withinIdle(frames, limits.idleTimeout), deliver)
  let early = options.early
  const pull: Effect.Effect<NonEmptyReadonlyArray<In>, ConnectionError> = Effect.suspend(() => {
    if (broken !== undefined) return Effect.fail(broken)
    if (early.length === 0) return next
    const batch = early
    early = []
    return deliver(batch)
  })

  // A time limit for each read is a fiber's.
  const eachRead = limits.idleTimeout === undefined ? frames.each : undefined
  const { writeNow } = frames
  const each: Connection<In, Out>["each"] =
    eachRead &&
    (<E>(receiver: Receiver<NonEmptyReadonlyArray<In>, E>) => {
      const onFrames = (batch: ReadonlyArray<Frame>): Rest<E | ConnectionError> => {
        const { before, messages } = decode(batch)
        if (before === undefined && broken === undefined) {
          return isReadonlyArrayNonEmpty(messages) ? receiver.take(messages) : undefined
        }
        const taken = Effect.suspend(
          () => (isReadonlyArrayNonEmpty(messages) && receiver.take(messages)) || Effect.void
        )
        const delivered = before === undefined ? taken : Effect.andThen(before, taken)
        return broken === undefined ? delivered : Effect.andThen(delivered, Effect.fail(broken))
      }
      const begin = Effect.suspend((): Effect.Effect<void, E | ConnectionError> => {
        const batch = early
        early = []
        return onFrames(batch) ?? Effect.void
      })
      // Without answers to requests for extensions, the direction stays as it is.
      const direction = () => (answer === undefined ? incoming : undefined)
      return Effect.andThen(begin, eachRead(new MessageReceiver(receiver, direction, onFrames)))
    })

  return {
    receive: Stream.fromPull(Effect.succeed(pull)),
    ...(each && { each }),
    ...(writeNow && { sendNow: (messages) => sendNow(writeNow, outgoing, messages) }),
    send: (messages) => Effect.suspend(() => writeMessages(frames, outgoing, messages)),
    setup: {
      ...setup,
      get extensions() {
        return extensions
      }
    },
    remote: frames.remote,
    limitPayload: (maxPayload) => {
      roleLimit = maxPayload + TLV_ROOM
      limitPayload()
    },
    standing: frames.standing
  }
}

/** Decodes frames. One that comes alone and is a message takes the short way. */
class MessageReceiver<In, E> implements Receiver<NonEmptyReadonlyArray<Frame>, E | ConnectionError> {
  /** Undefined until it is final. */
  #direction: Direction<In> | undefined
  readonly above: Receiver<NonEmptyReadonlyArray<In>, E>
  readonly #final: () => Direction<In> | undefined
  readonly #takeAll: (batch: ReadonlyArray<Frame>) => Rest<E | ConnectionError>

  constructor(
    above: Receiver<NonEmptyReadonlyArray<In>, E>,
    final: () => Direction<In> | undefined,
    takeAll: (batch: ReadonlyArray<Frame>) => Rest<E | ConnectionError>
  ) {
    this.above = above
    this.#final = final
    this.#takeAll = takeAll
  }

  take(batch: NonEmptyReadonlyArray<Frame>): Rest<E | ConnectionError> {
    const message =
      batch.length === 1 && this.#direction !== undefined ? messageOf(this.#direction, batch[0]) : undefined
    if (message !== undefined) return this.above.take([message])
    const rest = this.#takeAll(batch)
    this.#direction = this.#final()
    return rest
  }

  touch(): number {
    return this.#direction === undefined ? 0 : 1
  }
}

/** The message of a frame; undefined if it is none of the protocol, or does not decode. */
const messageOf = <M>(direction: Direction<M>, frame: Frame): M | undefined => {
  try {
    return direction.decode(frame)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

interface Decoded<In> {
  readonly messages: ReadonlyArray<In>
  readonly before: Effect.Effect<void, ConnectionError> | undefined
}

const sendNow = <M>(
  writeNow: NonNullable<FrameDuplex["writeNow"]>,
  direction: Direction<M>,
  messages: ReadonlyArray<M>
): boolean => {
  try {
    const encoded = messages.map((message) => direction.encode(message))
    return !isReadonlyArrayNonEmpty(encoded) || writeNow(encoded)
  } catch (error) {
    if (error instanceof EncodeError) return false
    throw error
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
