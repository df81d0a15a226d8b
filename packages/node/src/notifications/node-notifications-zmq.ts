/**
 * `NodeNotifications` from Bitcoin Core's ZMQ publishers. libzmq reconnects by itself for as long as the socket is open;
 * what was published meanwhile is lost, which the sequence numbers show.
 */
import { Effect, Layer, PubSub, Schema, Stream } from "effect"
import type { Subscriber } from "zeromq"
import { type NodeNotification, NodeNotifications, type NodeNotificationsStream } from "./node-notifications.ts"
import { readNotification, readSequence, SequenceGaps, ZMQ_TOPICS } from "./zmq-message.ts"

/** An endpoint that libzmq does not take. */
export class ZmqEndpointError extends Schema.TaggedError<ZmqEndpointError>("sluice/node/ZmqEndpointError")(
  "ZmqEndpointError",
  { endpoint: Schema.String, cause: Schema.String }
) {
  override get message(): string {
    return (
      `the ZMQ endpoint "${this.endpoint}" cannot be used (${this.cause}); expected what zmqpubhashblock and ` +
      `zmqpubsequence say in bitcoin.conf, for instance tcp://127.0.0.1:28332`
    )
  }
}

/** Bitcoin Core's ZMQ publishers, at one endpoint or several. The node may start later. */
export const layer = (endpoints: string | ReadonlyArray<string>): Layer.Layer<NodeNotifications, ZmqEndpointError> =>
  Layer.effect(NodeNotifications, make(endpoints))

/**
 * Subscribes to one or several endpoints (the topics may be published on different ones) until the Scope closes. A
 * subscriber of the stream that does not keep up holds everything back; then libzmq drops messages at its high-water
 * mark, and `Missed` tells of it.
 */
const make = Effect.fnUntraced(function* (endpoints: string | ReadonlyArray<string>) {
  // Native code, and seconds on a cold start: loaded by the first program that needs it.
  const zeromq = yield* Effect.promise(() => import("zeromq"))
  const notifications = yield* Effect.acquireRelease(PubSub.bounded<NodeNotification>(BUFFER), PubSub.shutdown)
  const all = typeof endpoints === "string" ? [endpoints] : endpoints
  const connected = new Set<string>()
  yield* Effect.forEach(all, (endpoint) =>
    listen(zeromq.Subscriber, endpoint, notifications, (isConnected) => {
      if (isConnected) connected.add(endpoint)
      else connected.delete(endpoint)
      PubSub.publishUnsafe(notifications, { _tag: isConnected ? "Connected" : "Disconnected" })
    })
  )
  const service: NodeNotificationsStream = {
    events: Stream.fromPubSub(notifications),
    endpoints: all,
    isConnected: (endpoint) => connected.has(endpoint)
  }
  return service
})

const listen = Effect.fnUntraced(function* (
  Socket: typeof Subscriber,
  endpoint: string,
  notifications: PubSub.PubSub<NodeNotification>,
  onConnection: (isConnected: boolean) => void
) {
  const socket = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Socket({
          receiveHighWaterMark: HIGH_WATER_MARK,
          linger: 0,
          reconnectInterval: 100,
          reconnectMaxInterval: 5_000,
          // A node that vanishes without closing its connection is noticed by its missing pongs.
          heartbeatInterval: 10_000,
          heartbeatTimeout: 20_000
        })
    ),
    (socket) => Effect.sync(() => socket.close())
  )
  socket.events.on("handshake", () => onConnection(true))
  socket.events.on("disconnect", () => onConnection(false))
  yield* Effect.try({
    try: () => {
      socket.connect(endpoint)
      socket.subscribe(...ZMQ_TOPICS)
    },
    catch: (cause) => new ZmqEndpointError({ endpoint, cause: cause instanceof Error ? cause.message : String(cause) })
  })

  const gaps = new SequenceGaps()
  const receive = Effect.tryPromise(() => socket.receive()).pipe(
    Effect.flatMap(([topicFrame, body, sequenceFrame]) => {
      const topic = topicFrame?.toString("latin1")
      const sequence = sequenceFrame && readSequence(sequenceFrame)
      const notification = topic !== undefined && body !== undefined ? readNotification(topic, body) : undefined
      if (topic === undefined || sequence === undefined || notification === undefined) {
        return Effect.logDebug("a ZMQ message in a form that Bitcoin Core does not send is passed over", {
          endpoint,
          topic
        })
      }
      const count = gaps.missedBefore(topic, sequence)
      const batch: ReadonlyArray<NodeNotification> =
        count > 0 ? [{ _tag: "Missed", topic, count }, notification] : [notification]
      return PubSub.publishAll(notifications, batch)
    })
  )
  // The Scope interrupts this before it closes the socket, so a failure is one.
  yield* receive.pipe(
    Effect.forever,
    Effect.catch(({ cause }) =>
      Effect.andThen(
        Effect.logError(
          `Announcements from ${endpoint} end: ${cause instanceof Error ? cause.message : String(cause)}`
        ),
        Effect.sync(() => onConnection(false))
      )
    ),
    Effect.forkScoped
  )
})

/** Messages that libzmq keeps for us; Core's own default for sending is as many. */
const HIGH_WATER_MARK = 1000
/** Notifications between the socket and the slowest subscriber. */
const BUFFER = 1024
