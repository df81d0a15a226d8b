/**
 * A development node's announcements over ZMQ, as Bitcoin Core publishes them (its doc/zmq.md): three frames, the topic, a
 * body and the topic's message count as four bytes little-endian. Hashes in bodies are in display order.
 */
import { Context, Effect, Layer, Schema, Stream } from "effect"
import type { DevNodeCalls } from "./dev-node-calls.ts"
import { DevNode } from "./dev-node.ts"
import type { DevNodeEvent } from "./chain/development-chain.ts"

/** The published topics: all of Core's but `rawtx`. */
export const ZMQ_PUBLISHED_TOPICS = ["hashblock", "hashtx", "rawblock", "sequence"] as const

/** The publisher cannot start. The message gives the reason. */
export class ZmqPublisherError extends Schema.TaggedError<ZmqPublisherError>("sluice/dev-node/ZmqPublisherError")(
  "ZmqPublisherError",
  { endpoint: Schema.String, cause: Schema.String }
) {
  override get message(): string {
    return (
      `cannot publish at the ZMQ endpoint "${this.endpoint}" (${this.cause}); expected an address of this machine and ` +
      `a free port, for instance tcp://127.0.0.1:28332`
    )
  }
}

/** The publisher of a development node's announcements. */
export class ZmqPublisher extends Context.Service<ZmqPublisher, { readonly endpoint: string }>()(
  "sluice/dev-node/ZmqPublisher"
) {
  /** `tcp://127.0.0.1:28332`; a `*` for the port takes any free one. */
  static readonly layer = (endpoint: string): Layer.Layer<ZmqPublisher, ZmqPublisherError, DevNode> =>
    Layer.effect(this, make(endpoint))
}

const make = Effect.fnUntraced(function* (endpoint: string) {
  const node = yield* DevNode
  // Native code, so it is loaded only when a publisher starts.
  const { Publisher } = yield* Effect.promise(() => import("zeromq"))
  const socket = yield* Effect.acquireRelease(
    // Does not wait at the end for subscribers that have not read everything.
    Effect.sync(() => new Publisher({ sendHighWaterMark: HIGH_WATER_MARK, linger: 0 })),
    (socket) => Effect.sync(() => socket.close())
  )
  yield* Effect.tryPromise({
    try: () => socket.bind(endpoint),
    catch: (cause) => new ZmqPublisherError({ endpoint, cause: cause instanceof Error ? cause.message : String(cause) })
  })
  const address = socket.lastEndpoint ?? endpoint
  yield* node.advertise(ZMQ_PUBLISHED_TOPICS.map((topic) => ({ type: `pub${topic}`, address, hwm: HIGH_WATER_MARK })))
  const counts = new Map<string, number>()
  const send = (topic: string, body: Uint8Array): Effect.Effect<void> =>
    Effect.promise(() => {
      const count = counts.get(topic) ?? 0
      counts.set(topic, (count + 1) >>> 0)
      const counter = new Uint8Array(4)
      new DataView(counter.buffer).setUint32(0, count, true)
      // A publisher never waits. A subscriber over its high-water mark loses the message and notices the gap in the count.
      return socket.send([topic, body, counter])
    })
  const subscription = yield* node.subscribe
  yield* Stream.fromSubscription(subscription).pipe(
    Stream.runForEach((event) =>
      Effect.forEach(messagesOf(node, event), ([topic, body]) => send(topic, body), { discard: true })
    ),
    Effect.forkScoped
  )
  return ZmqPublisher.of({ endpoint: address })
})

/** Core's default, in messages for each subscriber. */
const HIGH_WATER_MARK = 1_000

const messagesOf = (
  { state }: DevNodeCalls,
  event: DevNodeEvent
): ReadonlyArray<readonly [topic: string, body: Uint8Array]> => {
  switch (event._tag) {
    case "TipChanged": {
      // Omitted, as Core does: there are too many of them.
      if (state.condition.isDownloading) return []
      const block = state.chain.get(event.hash)?.block
      const hash: readonly [string, Uint8Array] = ["hashblock", fromHex(event.hash)]
      return block === undefined ? [hash] : [hash, ["rawblock", block.bytes]]
    }
    case "BlockConnected":
    case "BlockDisconnected": {
      const transactions = state.chain.get(event.hash)?.block?.transactions ?? []
      return [
        ...transactions.map(({ txid }): readonly [string, Uint8Array] => ["hashtx", txid.toReversed()]),
        ["sequence", labelled(event.hash, event._tag === "BlockConnected" ? "C" : "D")]
      ]
    }
    case "TransactionAdded":
      return [
        ["hashtx", fromHex(event.txid)],
        ["sequence", labelled(event.txid, "A", event.mempoolSequence)]
      ]
    case "TransactionRemoved":
      return [["sequence", labelled(event.txid, "R", event.mempoolSequence)]]
    default:
      return []
  }
}

/** The body of topic `sequence`: hash, label, and for transactions the mempool's sequence number. */
const labelled = (hash: string, label: string, mempoolSequence?: bigint): Uint8Array => {
  const body = new Uint8Array(mempoolSequence === undefined ? 33 : 41)
  body.set(fromHex(hash))
  body[32] = label.charCodeAt(0)
  if (mempoolSequence !== undefined) new DataView(body.buffer).setBigUint64(33, mempoolSequence, true)
  return body
}

/** Ids are hex in display order, which is also the order on the wire. */
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
