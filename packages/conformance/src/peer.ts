/**
 * One connection to the endpoint under test, from its first frame on. A script sends any bytes, right or wrong, and waits for
 * messages by their declarations. Frames that a script does not wait for are skipped, and remembered in `seen`.
 */
import { DecodeError, Frame, type Message } from "@sluice/protocol"
import type { ConnectionError, FrameDuplex } from "@sluice/transport"
import { Cause, Clock, Effect, Option, Queue, type Scope } from "effect"
import type { Wire } from "./wire.ts"
import { RuleBroken } from "./verdict.ts"

export interface PeerOptions {
  /** The time limit for an answer. */
  readonly answerMs: number
  /** The time for which to listen for messages that must not come. */
  readonly quietMs: number
  /** The longest payload to accept, in bytes. The most that a frame can hold by default. */
  readonly maxPayload?: number
  /**
   * Called with every frame when it is read, before a script sees it; returns the answers to send. With `onFrame` set,
   * reading does not wait for the script: if too many frames wait, the oldest are dropped.
   */
  readonly onFrame?: (frame: Frame, now: number) => ReadonlyArray<Uint8Array>
}

/** The type of the message that arrives when a script waits for any of these declarations. */
type Awaited<Messages extends ReadonlyArray<Message>> = Messages[number]["Type"]

export class Peer {
  /** The latest frames that the script has taken or skipped, in order. */
  readonly seen: Array<Frame> = []
  /** The bytes of the connection, below the frames. */
  readonly wire: Wire
  readonly #frames: FrameDuplex
  readonly #inbox: Queue.Dequeue<Frame, ConnectionError>
  readonly #options: PeerOptions
  #ended = false

  private constructor(
    frames: FrameDuplex,
    wire: Wire,
    inbox: Queue.Dequeue<Frame, ConnectionError>,
    options: PeerOptions
  ) {
    this.#frames = frames
    this.wire = wire
    this.#inbox = inbox
    this.#options = options
  }

  /** Reads until the Scope closes. */
  static readonly make = Effect.fnUntraced(function* (
    frames: FrameDuplex,
    wire: Wire,
    options: PeerOptions
  ): Effect.fn.Return<Peer, never, Scope.Scope> {
    frames.limitPayload(options.maxPayload ?? Frame.maxPayload)
    const { onFrame } = options
    // Bounded, so that a flood waits in the socket.
    const inbox = yield* onFrame === undefined
      ? Queue.bounded<Frame, ConnectionError>(MAX_WAITING)
      : Queue.sliding<Frame, ConnectionError>(MAX_WAITING)
    const peer = new Peer(frames, wire, inbox, options)
    const read = Effect.gen(function* () {
      const batch = yield* frames.pull
      if (onFrame !== undefined) {
        const now = yield* Clock.currentTimeMillis
        const [first, ...rest] = batch.flatMap((frame) => onFrame(frame, now))
        if (first !== undefined) yield* peer.send(first, ...rest)
      }
      yield* Queue.offerAll(inbox, batch)
    })
    yield* Effect.forever(read).pipe(
      Effect.catchCause((cause) => {
        peer.#ended = true
        return Queue.failCause(inbox, cause)
      }),
      Effect.forkScoped
    )
    return peer
  })

  /** Whether the endpoint has closed the connection. Frames that came before may still be unread. */
  get ended(): boolean {
    return this.#ended
  }

  /** Sends frames in one write. Ignores a closed connection: the next wait reports it. */
  send(...frames: readonly [Uint8Array, ...Array<Uint8Array>]): Effect.Effect<void> {
    return Effect.ignore(this.#frames.write(frames))
  }

  /** Waits for the next message of one of these declarations and skips others. */
  expect<const Messages extends ReadonlyArray<Message>>(
    ...messages: Messages
  ): Effect.Effect<Awaited<Messages>, RuleBroken> {
    return this.expectWithin(this.#options.answerMs, ...messages)
  }

  /** As `expect`, with a time limit of its own. */
  expectWithin<const Messages extends ReadonlyArray<Message>>(
    withinMs: number,
    ...messages: Messages
  ): Effect.Effect<Awaited<Messages>, RuleBroken> {
    const expected = `${messages.map(({ name }) => name).join(" or ")} within ${withinMs / 1000} s`
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + withinMs
      const others: Array<string> = []
      while (true) {
        const next = yield* this.#take(until - (yield* Clock.currentTimeMillis))
        if (next._tag !== "Frame") return yield* new RuleBroken({ expected, came: describe(next, others) })
        const found = messages.find((message) => isOf(next.frame, message))
        if (found !== undefined) return yield* decode(next.frame, found)
        others.push(nameOf(next.frame))
        if (others.length > SHOWN + 1) others.shift()
      }
    })
  }

  /** Listens for the quiet time and fails if one of these messages comes. The connection may end. */
  expectNone(...messages: ReadonlyArray<Message>): Effect.Effect<void, RuleBroken> {
    const names = messages.map(({ name }) => name).join(" nor ")
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + this.#options.quietMs
      while (true) {
        const next = yield* this.#take(until - (yield* Clock.currentTimeMillis))
        if (next._tag !== "Frame") return
        const found = messages.find((message) => isOf(next.frame, message))
        if (found !== undefined) return yield* new RuleBroken({ expected: `no ${names}`, came: found.name })
      }
    })
  }

  /** Fails unless the endpoint closes the connection within the time limit for an answer. */
  get expectEnd(): Effect.Effect<void, RuleBroken> {
    return Effect.flatMap(this.ends, (ends) =>
      ends ? Effect.void : Effect.fail(new RuleBroken({ expected: "the end of the connection", came: "it stays open" }))
    )
  }

  /** Whether the endpoint closes the connection within the time limit for an answer. */
  get ends(): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + this.#options.answerMs
      while (true) {
        const next = yield* this.#take(until - (yield* Clock.currentTimeMillis))
        if (next._tag !== "Frame") return next._tag === "End"
      }
    })
  }

  /** The next of these messages within the quiet time, or `undefined`. For messages that are optional. */
  maybe<const Messages extends ReadonlyArray<Message>>(
    ...messages: Messages
  ): Effect.Effect<Awaited<Messages> | undefined, RuleBroken> {
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + this.#options.quietMs
      while (true) {
        const next = yield* this.#take(until - (yield* Clock.currentTimeMillis))
        if (next._tag !== "Frame") return undefined
        const found = messages.find((message) => isOf(next.frame, message))
        if (found !== undefined) return yield* decode(next.frame, found)
      }
    })
  }

  /** Waits for a frame without taking it. False if the connection ends or the time limit for an answer passes. */
  get speaks(): Effect.Effect<boolean> {
    return Queue.peek(this.#inbox).pipe(
      Effect.timeoutOption(this.#options.answerMs),
      Effect.match({ onSuccess: Option.isSome, onFailure: () => false })
    )
  }

  /** Drops all frames that have come so far. */
  get skip(): Effect.Effect<void> {
    return Effect.ignore(Queue.clear(this.#inbox))
  }

  /** Takes the next frame. Takes none once the time has passed, even if frames wait. */
  #take(ms: number): Effect.Effect<Next> {
    if (ms <= 0) return Effect.succeed<Next>({ _tag: "Silence" })
    return Queue.take(this.#inbox).pipe(
      Effect.timeoutOption(ms),
      Effect.map((next): Next => {
        if (Option.isNone(next)) return { _tag: "Silence" }
        this.seen.push(next.value)
        if (this.seen.length > MAX_WAITING) this.seen.shift()
        return { _tag: "Frame", frame: next.value }
      }),
      Effect.catchCause((cause) =>
        Option.match(Cause.findErrorOption(cause), {
          onNone: () => Effect.failCause(cause as Cause.Cause<never>),
          onSome: ({ message }) => Effect.succeed<Next>({ _tag: "End", why: message })
        })
      )
    )
  }
}

/** The most frames that wait for the script, and the most that `seen` remembers. */
const MAX_WAITING = 1024
/** When an expected message did not come, the verdict lists this many of the last messages that came instead. */
const SHOWN = 5

type Next =
  | { readonly _tag: "Frame"; readonly frame: Frame }
  | { readonly _tag: "End"; readonly why: string }
  | { readonly _tag: "Silence" }

const isOf = (frame: Frame, message: Message): boolean =>
  frame.messageType === message.type && Frame.extension(frame) === message.extension

const decode = <M extends Message>(frame: Frame, message: M): Effect.Effect<M["Type"], RuleBroken> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(message.codec.decode(frame.payload))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return Effect.fail(new RuleBroken({ expected: `${message.name} that can be read`, came: error.message }))
    }
  })

const nameOf = ({ extensionType, messageType }: Frame): string =>
  `message 0x${messageType.toString(16).padStart(2, "0")}${extensionType & ~Frame.channelBit ? ` of extension 0x${extensionType.toString(16)}` : ""}`

const describe = (next: Exclude<Next, { readonly _tag: "Frame" }>, others: ReadonlyArray<string>): string => {
  const end = next._tag === "End" ? `the end of the connection (${next.why})` : "nothing"
  if (others.length === 0) return end
  const shown = others.slice(-SHOWN).join(", ")
  return `${others.length > SHOWN ? "... " : ""}${shown}, then ${end}`
}
