/**
 * A sniffer sits between a role and its server, on the floor of frames: it takes the place of the role's dialer. It sees every
 * message, lets a rule drop or replace messages, and can send messages of its own to either side.
 *
 *     Setup.client(MiningDialer).pipe(
 *       Layer.provideMerge(Sniffer.layer({ protocol: Mining.protocol, rule })),
 *       Layer.provide(Security.dialer())
 *     )
 *
 * `relay` is a sniffer between two other programs: it listens for clients, and dials the server through a sniffer.
 */
import { type Common, EncodeError, Frame, type Message, type Protocol } from "@sluice/protocol"
import {
  Closed as TransportClosed,
  type DialError,
  type Endpoint,
  FrameDialer,
  type FrameDuplex,
  type HandshakeError,
  type ServerAddress,
  TransportError
} from "@sluice/transport"
import { Clock, Context, Effect, Exit, Layer, Queue, Schema, type Scope } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { endOf } from "./end-of.ts"
import type { Closed, MessageFound, MessageSeen, Side, SnifferEvent } from "./event.ts"
import { frameBytes } from "./frame-bytes.ts"
import { History, type Which } from "./history.ts"
import type { AnyMessage } from "./message.ts"
import type { Rule } from "./verdict.ts"
import { type Judged, Wire } from "./wire.ts"

export interface SnifferOptions<ToServer = AnyMessage, ToClient = AnyMessage> {
  /**
   * The protocol of the connections, with the extensions to decode; it gives `rule` its types. Messages of other protocols
   * pass without a call of `rule`. By default, the protocol that SetupConnection asks for.
   */
  readonly protocol?: Protocol<ToServer, ToClient>
  /** Decides for each message whether it passes. By default all pass. */
  readonly rule?: Rule<Common.SetupMessage | ToServer | ToClient>
  /**
   * Called with events before the sniffer forwards their messages. The connection waits for it, so events do not pile up,
   * and a cause is always reported before its effect.
   */
  readonly observe?: (events: NonEmptyReadonlyArray<SnifferEvent>) => Effect.Effect<void>
  /** Bytes of messages to keep for `waitFor` and `seen`. With 0, `waitFor` finds only later messages. Default 16 MiB. */
  readonly historyBytes?: number
}

/** No connection with this number is open. */
export class NoConnection extends Schema.TaggedError<NoConnection>("sluice/sniffer/NoConnection")("NoConnection", {
  connectionId: Schema.Int
}) {
  override get message(): string {
    return `the sniffer has no open connection ${this.connectionId}; the first one is 1`
  }
}

export class Sniffer extends Context.Service<
  Sniffer,
  {
    /** Connects to a server and watches the connection. Events name `client` as the other end. */
    readonly dial: (
      server: ServerAddress,
      client?: Endpoint
    ) => Effect.Effect<FrameDuplex, DialError | HandshakeError, Scope.Scope>
    /**
     * Waits for the first message of the kind that no earlier `waitFor` has got; it may have come already. Returns after the
     * message was forwarded or dropped. Skips messages that were `added`.
     *
     *     const { connectionId, message } = yield* sniffer.waitFor(Mining.SetNewPrevHash)
     */
    readonly waitFor: <M extends Message>(
      declaration: M,
      which?: Which<M["Type"]>
    ) => Effect.Effect<MessageFound<M["Type"]>>
    /**
     * Sends a message to the side that such messages go to. The other end does not see it, and the rule is not called.
     *
     *     yield* sniffer.inject(connectionId, Common.Reconnect, { newHost: "", newPort: 0 })
     */
    readonly inject: <M extends Message>(
      connectionId: number,
      declaration: M,
      fields: Omit<M["Type"], "_tag">,
      ...to: M["to"] extends "both" ? [to: Side] : [to?: Side]
    ) => Effect.Effect<void, NoConnection | TransportError | EncodeError>
    /** The kept messages, oldest first. */
    readonly seen: Effect.Effect<ReadonlyArray<MessageSeen<AnyMessage>>>
  }
>()("sluice/sniffer/Sniffer") {
  /** Wraps the dialer that it gets and takes its place. */
  static readonly layer = <ToServer = AnyMessage, ToClient = AnyMessage>(
    options: SnifferOptions<ToServer, ToClient> = {}
  ): Layer.Layer<Sniffer | FrameDialer, never, FrameDialer> =>
    Layer.effectContext(
      Effect.gen(function* () {
        const dialer = yield* FrameDialer
        const sniffer = make(dialer, yield* Clock.Clock, options as SnifferOptions<unknown, unknown>)
        const { dial } = sniffer
        return Context.make(Sniffer, sniffer).pipe(Context.add(FrameDialer, { dial: (server) => dial(server) }))
      })
    )
}

/** An open connection, for `inject`. */
interface Open {
  readonly wire: Wire
  readonly send: Readonly<Record<Side, (judged: Judged) => Effect.Effect<void, TransportError>>>
}

const HISTORY_BYTES = 16 * 1024 * 1024

const make = (
  dialer: FrameDialer["Service"],
  clock: Clock.Clock,
  options: SnifferOptions<unknown, unknown>
): Sniffer["Service"] => {
  const { historyBytes = HISTORY_BYTES, observe = () => Effect.void, protocol, rule } = options
  const now = () => clock.currentTimeMillisUnsafe()
  const history = new History(historyBytes)
  const connections = new Map<number, Open>()
  let lastConnectionId = 0
  let lastIndex = 0
  const wireOptions = { protocol, rule, decodes: historyBytes > 0, nextIndex: () => ++lastIndex }

  /** Reports the judged messages, forwards those that pass, and then offers them to `waitFor`. */
  const carryOut = (
    { forward, seen }: Judged,
    write: (frames: NonEmptyReadonlyArray<Uint8Array>) => Effect.Effect<unknown, TransportError>
  ) => {
    for (const one of seen) history.add(one)
    const reported = isReadonlyArrayNonEmpty(seen) ? observe(seen) : Effect.void
    const written = isReadonlyArrayNonEmpty(forward) ? write(forward) : Effect.void
    return Effect.andThen(
      Effect.andThen(reported, written),
      Effect.sync(() => {
        for (const one of seen) history.offer(one)
      })
    )
  }

  const dial: Sniffer["Service"]["dial"] = Effect.fnUntraced(function* (server, client) {
    const connectionId = ++lastConnectionId
    const { host, port } = server
    yield* observe([
      { _tag: "Opened", connectionId, at: now(), ...(client === undefined ? {} : { client }), server: { host, port } }
    ])
    let isClosed = false
    const close = (by: Closed["by"], reason: string) =>
      Effect.suspend(() => {
        if (isClosed) return Effect.void
        isClosed = true
        connections.delete(connectionId)
        return observe([{ _tag: "Closed", connectionId, at: now(), by, reason }])
      })
    const upstream = yield* Effect.onError(dialer.dial(server), (cause) => close(...endOf(cause, "server")))
    // Runs first when the Scope closes: the sniffer reports the end before the server can notice it.
    yield* Effect.addFinalizer((exit) =>
      Exit.isSuccess(exit) ? close("here", "it was closed") : close(...endOf(exit.cause, "client"))
    )

    const wire = new Wire(connectionId, wireOptions)
    const toClient = yield* Queue.bounded<NonEmptyReadonlyArray<Frame>, TransportError>(READ_AHEAD)
    const closed = new TransportError({ remote: upstream.remote, reason: new TransportClosed({ pendingBytes: 0 }) })
    yield* Effect.addFinalizer(() => Queue.fail(toClient, closed))
    const send: Open["send"] = {
      server: (judged) => carryOut(judged, upstream.write),
      client: (judged) => carryOut(judged, (frames) => Queue.offer(toClient, framesOf(frames)))
    }
    connections.set(connectionId, { wire, send })
    yield* upstream.pull.pipe(
      Effect.flatMap((frames) => send.client(wire.judge("client", frames.map(frameBytes), now()))),
      Effect.forever,
      Effect.catch((error) => Effect.andThen(close("server", error.message), Queue.fail(toClient, error))),
      Effect.catchCause((cause) => Queue.failCause(toClient, cause)),
      Effect.forkScoped
    )
    return {
      pull: Queue.take(toClient),
      write: (frames) => Effect.suspend(() => send.server(wire.judge("server", frames, now()))),
      limitPayload: upstream.limitPayload,
      remote: upstream.remote
    }
  })

  const inject = Effect.fnUntraced(function* (
    connectionId: number,
    declaration: Message,
    fields: object,
    to: Side = declaration.to === "client" ? "client" : "server"
  ) {
    const open = connections.get(connectionId)
    if (open === undefined) return yield* new NoConnection({ connectionId })
    const message = { ...fields, _tag: declaration.name }
    const judged = yield* caught(() => open.wire.add(to, declaration, message, now()))
    yield* open.send[to](judged)
  })

  return Sniffer.of({
    dial,
    waitFor: (declaration, which = {}) => history.waitFor(declaration, which),
    inject: inject as Sniffer["Service"]["inject"],
    seen: Effect.sync(() => history.all as ReadonlyArray<MessageSeen<AnyMessage>>)
  })
}

/** How many reads of the server may wait for the client. */
const READ_AHEAD = 1

const framesOf = (frames: NonEmptyReadonlyArray<Uint8Array>) =>
  frames.map((bytes) => Frame.read(bytes)!) as unknown as NonEmptyReadonlyArray<Frame>

const caught = <A>(encode: () => A): Effect.Effect<A, EncodeError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(encode())
    } catch (error) {
      if (error instanceof EncodeError) return Effect.fail(error)
      throw error
    }
  })
