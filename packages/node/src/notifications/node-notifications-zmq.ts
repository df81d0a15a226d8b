/**
 * `NodeNotifications` from Bitcoin Core's ZMQ publishers. libzmq reconnects by itself until the socket is closed; messages that
 * were published meanwhile are lost, and the sequence numbers show it.
 */
import { Effect, Layer, PubSub, Schema, Stream } from "effect"
import type { Subscriber } from "zeromq"
import { type NodeNotification, NodeNotifications, type NodeNotificationsStream } from "./node-notifications.ts"
import { readNotification, readSequence, SequenceGaps, ZMQ_TOPICS } from "./zmq-message.ts"

/** libzmq does not accept the endpoint. */
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

/** Listens to Bitcoin Core's ZMQ publishers at one or several endpoints. The node may start later. */
export const layer = (endpoints: string | ReadonlyArray<string>): Layer.Layer<NodeNotifications, ZmqEndpointError> =>
  Layer.effect(NodeNotifications, make(endpoints))

/**
 * Subscribes to one or several endpoints (topics may be published on different ones) until the Scope closes. A slow subscriber of
 * the stream delays all others; libzmq then drops messages at its high-water mark, and `Missed` reports it.
 */
const make = Effect.fnUntraced(function* (endpoints: string | ReadonlyArray<string>) {
  // Loaded here because it is native code that takes seconds on a cold start.
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
          // Missing pongs reveal a node that vanishes without closing its connection.
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
        return Effect.logDebug("Ignored a ZMQ message that has another form than Bitcoin Core's", {
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
  // The Scope interrupts this fiber before it closes the socket, so a failure here is a real one.
  yield* receive.pipe(
    Effect.forever,
    Effect.catch(({ cause }) =>
      Effect.andThen(
        Effect.logError(
          `Announcements from ${endpoint} have ended: ${cause instanceof Error ? cause.message : String(cause)}`
        ),
        Effect.sync(() => onConnection(false))
      )
    ),
    Effect.forkScoped
  )
})

/** How many messages libzmq keeps for us; it is also Core's default for sending. */
const HIGH_WATER_MARK = 1000
/** How many notifications may wait for the slowest subscriber. */
const BUFFER = 1024
