/**
 * The negotiation of extensions at both ends (extension 0x0001): right after SetupConnection.Success the client asks for
 * extensions, and the server says which of them it supports.
 *
 * The client waits for the answer, for a while: a server that does not know extension 0x0001 stays silent. The server does
 * not wait: it can not know whether a client will ask, so it answers when the first messages come, before any other is
 * looked at. It waits only where it requires extensions.
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

/** More requests than this on one connection are no negotiation: the specification knows of one, and one more try. */
const MAX_REQUESTS = 8

/** Other messages than the answer that a client puts aside while it waits. */
const MAX_EARLY = 64

/**
 * Gives the protocol that two ends speak with these extensions, made once for each set of them. Two extensions of one id can
 * differ, so the cache is by object; an entry lives as long as its extensions.
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
  /** The same with one more extension, whose id is higher. */
  readonly and: WeakMap<Extension, Spoken<ToServer, ToClient>>
}

export const idsOf = (extensions: ReadonlyArray<Extension>): ReadonlyArray<number> => extensions.map(({ id }) => id)

/** The server's part, for one connection. */
export class ServerNegotiation {
  /** What both ends support, after the last request. */
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

  /** Which required extensions are missing still. */
  get missing(): ReadonlyArray<number> {
    const agreed = idsOf(this.extensions)
    return this.required.filter((id) => !agreed.includes(id))
  }

  /**
   * The encoded answer, if the frame is a request; `undefined` for any other. Throws `DecodeError`, and `SetupError` where
   * a client never stops asking.
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
 * Waits until the client has asked for the extensions that the server requires, and answers; gives the frames that came
 * behind. Any other message ends the connection.
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

/** What a client knows when it has asked. */
export interface Asked {
  readonly extensions: ReadonlyArray<Extension>
  /** Frames that came in the meantime. */
  readonly early: ReadonlyArray<Frame>
  /** A read that was under way when the time was over: the connection's next. */
  readonly pending: FrameDuplex["pull"] | undefined
}

/**
 * The client's part: asks for the extensions and waits for the answer. Without one in time the connection goes on without
 * extensions; unlike the specification's example we do not connect anew to ask again, as TCP does not lose requests.
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
      // What comes behind the answer, in the same read or not, is the connection's.
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
    // In a fiber of its own: what it reads is not lost where the wait ends first.
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

/** One request is made on a connection. */
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

/** A pull that begins with what another has read already. */
export const pullAfter = (pending: FrameDuplex["pull"] | undefined, frames: FrameDuplex): FrameDuplex["pull"] => {
  if (pending === undefined) return frames.pull
  let first: FrameDuplex["pull"] | undefined = pending
  return Effect.suspend((): Effect.Effect<NonEmptyReadonlyArray<Frame>, Effect.Error<FrameDuplex["pull"]>> => {
    if (first === undefined) return frames.pull
    return Effect.tap(first, () => Effect.sync(() => (first = undefined)))
  })
}
