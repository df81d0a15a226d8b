/**
 * The negotiation of extensions, both ends (extension 0x0001): right after SetupConnection.Success the client requests
 * extensions, and the server answers which of them it supports.
 *
 * The client waits for the answer for a limited time, because a server that does not know extension 0x0001 does not answer. The
 * server does not wait, because it cannot know whether a client will send a request: it answers requests at the start of the
 * first messages. Only a server that requires extensions waits.
 */
import {
  DecodeError,
  type Extension,
  ExtensionsNegotiation,
  Frame,
  Protocol,
  type Protocol as ProtocolOf
} from "@sluice/protocol"
import { Clock, Duration, Effect, Fiber, Option, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Endpoint } from "../endpoint.ts"
import type { ConnectionError } from "../error.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { MissingExtensions, SetupError, TooManySetupMessages } from "./setup-error.ts"

/** The most requests on one connection. The specification has one, and one more try. */
const MAX_REQUESTS = 8

/** The most other messages that a client stores while it waits for the answer. */
const MAX_EARLY = 64

/**
 * Gives the protocol with the negotiated extensions, made once for each set of them. Two extensions with one id can differ, so
 * the cache compares objects. An entry lives as long as its extensions.
 */
export const makeSpoken = <ToServer, ToClient>(protocol: ProtocolOf<ToServer, ToClient>) => {
  const none: Spoken<ToServer, ToClient> = { protocol: undefined, and: new WeakMap() }
  return (extensions: ReadonlyArray<Extension>): ProtocolOf<ToServer, ToClient> => {
    let spoken = none
    for (const extension of extensions.toSorted((a, b) => a.id - b.id)) {
      const found = spoken.and.get(extension) ?? { protocol: undefined, and: new WeakMap() }
      spoken.and.set(extension, found)
      spoken = found
    }
    return (spoken.protocol ??= Protocol.negotiated(protocol, extensions))
  }
}

interface Spoken<ToServer, ToClient> {
  protocol: ProtocolOf<ToServer, ToClient> | undefined
  /** The protocols with one more extension, which has a higher id. */
  readonly and: WeakMap<Extension, Spoken<ToServer, ToClient>>
}

export const idsOf = (extensions: ReadonlyArray<Extension>): ReadonlyArray<number> => extensions.map(({ id }) => id)

/** The server's part of the negotiation on one connection. */
export class ServerNegotiation {
  /** The extensions that both ends support, after the last request. */
  extensions: ReadonlyArray<Extension> = []
  private requests = 0
  private readonly supported: ReadonlyArray<Extension>
  private readonly required: ReadonlyArray<number>
  private readonly remote: Endpoint

  constructor(supported: ReadonlyArray<Extension>, required: ReadonlyArray<number>, remote: Endpoint) {
    this.supported = supported
    this.required = required
    this.remote = remote
  }

  /** The required extensions that the client has not requested. */
  get missing(): ReadonlyArray<number> {
    const agreed = idsOf(this.extensions)
    return this.required.filter((id) => !agreed.includes(id))
  }

  /**
   * Gives the encoded answer to a request, and `undefined` for any other frame. Throws `DecodeError`, and `SetupError` after too
   * many requests.
   */
  answer(frame: Frame): Uint8Array | undefined {
    const { RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
    if (!isOf(frame, RequestExtensions.type)) return undefined
    if (++this.requests > MAX_REQUESTS) {
      throw new SetupError({ remote: this.remote, reason: new TooManySetupMessages({ limit: MAX_REQUESTS }) })
    }
    const { requestId, requestedExtensions } = RequestExtensions.codec.decode(frame.payload)
    const requested = new Set(requestedExtensions)
    const agreed = this.supported.filter(({ id }) => requested.has(id))
    const requiredExtensions = this.required.filter((id) => !requested.has(id))
    if (requiredExtensions.length === 0 && (agreed.length > 0 || requested.size === 0)) {
      this.extensions = agreed
      return RequestExtensionsSuccess.codec.encode(
        RequestExtensionsSuccess.make({ requestId, supportedExtensions: idsOf(agreed) })
      )
    }
    this.extensions = []
    for (const { id } of this.supported) requested.delete(id)
    return RequestExtensionsError.codec.encode(
      RequestExtensionsError.make({ requestId, unsupportedExtensions: [...requested], requiredExtensions })
    )
  }
}

export const missingExtensions = ({ missing }: ServerNegotiation, remote: Endpoint): SetupError =>
  new SetupError({ remote, reason: new MissingExtensions({ requiredBy: "server", extensions: missing }) })

/**
 * Answers requests until the client has requested all extensions that the server requires. Gives the frames that came behind.
 * Fails on any other message.
 */
export const awaitRequired = Effect.fnUntraced(function* (
  frames: FrameDuplex,
  negotiation: ServerNegotiation,
  early: ReadonlyArray<Frame>
): Effect.fn.Return<ReadonlyArray<Frame>, ConnectionError> {
  let batch = early
  while (true) {
    for (const [index, frame] of batch.entries()) {
      const answer = yield* caught(() => negotiation.answer(frame))
      if (answer === undefined) return yield* missingExtensions(negotiation, frames.remote)
      yield* frames.write([answer])
      if (negotiation.missing.length === 0) return batch.slice(index + 1)
    }
    batch = yield* frames.pull
  }
})

/** The result of a client's request. */
export interface Asked {
  readonly extensions: ReadonlyArray<Extension>
  /** Frames that came before or behind the answer. */
  readonly early: ReadonlyArray<Frame>
  /** A read that had not completed at the timeout. It is the connection's next read. */
  readonly pending: FrameDuplex["pull"] | undefined
}

/**
 * Requests the extensions and waits for the answer. Without an answer in time, the connection continues without extensions. The
 * specification's example connects again and repeats the request; we do not, because TCP does not lose requests.
 */
export const ask = Effect.fnUntraced(function* (options: {
  readonly frames: FrameDuplex
  readonly extensions: ReadonlyArray<Extension>
  readonly requiredExtensions: ReadonlyArray<number>
  readonly early: ReadonlyArray<Frame>
  readonly timeout: Duration.Duration
}): Effect.fn.Return<Asked, ConnectionError, Scope.Scope> {
  const { extensions, frames, requiredExtensions, timeout } = options
  const { remote } = frames
  const fail = (reason: SetupError["reason"]) => Effect.fail(new SetupError({ remote, reason }))
  const { RequestExtensions } = ExtensionsNegotiation
  yield* frames.write([
    RequestExtensions.codec.encode(
      RequestExtensions.make({ requestId: REQUEST_ID, requestedExtensions: idsOf(extensions) })
    )
  ])
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  const early: Array<Frame> = []
  let batch = options.early
  while (true) {
    let answer: Answer | undefined
    for (const frame of batch) {
      // Frames behind the answer belong to the connection.
      if (answer === undefined) answer = yield* caught(() => readAnswer(frame))
      else early.push(frame)
      if (answer !== undefined) continue
      early.push(frame)
      if (early.length > MAX_EARLY) return yield* fail(new TooManySetupMessages({ limit: MAX_EARLY }))
    }
    if (answer !== undefined) {
      const { required, supported } = answer
      if (required.length > 0) return yield* fail(new MissingExtensions({ requiredBy: "server", extensions: required }))
      const agreed = extensions.filter(({ id }) => supported.includes(id))
      return yield* checked({ extensions: agreed, early, pending: undefined })
    }
    // Reads in a fiber of its own, so that a timeout does not lose what it reads.
    const reading = yield* Effect.forkScoped(frames.pull)
    const left = until - (yield* Clock.currentTimeMillis)
    const read = left > 0 ? yield* Effect.timeoutOption(Fiber.join(reading), left) : Option.none()
    if (Option.isNone(read)) return yield* checked({ extensions: [], early, pending: Fiber.join(reading) })
    batch = read.value
  }

  function checked(asked: Asked): Effect.Effect<Asked, SetupError> {
    const missing = requiredExtensions.filter((required) => !asked.extensions.some(({ id }) => id === required))
    return missing.length === 0
      ? Effect.succeed(asked)
      : fail(new MissingExtensions({ requiredBy: "client", extensions: missing }))
  }
})

/** A client sends one request on a connection. */
const REQUEST_ID = 1

interface Answer {
  readonly supported: ReadonlyArray<number>
  readonly required: ReadonlyArray<number>
}

const readAnswer = (frame: Frame): Answer | undefined => {
  const { RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
  if (isOf(frame, RequestExtensionsSuccess.type)) {
    const { requestId, supportedExtensions } = RequestExtensionsSuccess.codec.decode(frame.payload)
    return requestId === REQUEST_ID ? { supported: supportedExtensions, required: [] } : undefined
  }
  if (isOf(frame, RequestExtensionsError.type)) {
    const { requestId, requiredExtensions } = RequestExtensionsError.codec.decode(frame.payload)
    return requestId === REQUEST_ID ? { supported: [], required: requiredExtensions } : undefined
  }
  return undefined
}

const isOf = (frame: Frame, type: number): boolean =>
  frame.messageType === type && Frame.extension(frame) === ExtensionsNegotiation.EXTENSION

const caught = <A>(read: () => A): Effect.Effect<A, DecodeError | SetupError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read())
    } catch (error) {
      if (error instanceof DecodeError || error instanceof SetupError) return Effect.fail(error)
      throw error
    }
  })

/** A pull that first completes a pending read. */
export const pullAfter = (pending: FrameDuplex["pull"] | undefined, frames: FrameDuplex): FrameDuplex["pull"] => {
  if (pending === undefined) return frames.pull
  let first: FrameDuplex["pull"] | undefined = pending
  return Effect.suspend((): Effect.Effect<NonEmptyReadonlyArray<Frame>, Effect.Error<FrameDuplex["pull"]>> => {
    if (first === undefined) return frames.pull
    return Effect.tap(first, () => Effect.sync(() => (first = undefined)))
  })
}
