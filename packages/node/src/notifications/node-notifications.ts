/**
 * The announcements of a node as a service: new blocks and changes of its mempool (Bitcoin Core's ZMQ topics `hashblock` and
 * `sequence`). `NodeNotificationsZmq.layer` listens to a node; the development node provides the service in memory; `layerNone` is
 * for a node without ZMQ, where long polling must be enough. Hashes are 32 bytes in internal order.
 */
import { Context, Layer, Stream } from "effect"

/** The members of `NodeNotifications`. */
export interface NodeNotificationsStream {
  /**
   * The announcements from the moment of subscription on, for any number of subscribers. The stream never ends and never fails: a
   * lost connection is an element, and so is a gap; after these the subscriber asks the node itself.
   */
  readonly events: Stream.Stream<NodeNotification>
  /** The ZMQ endpoints that the announcements come from; absent without ZMQ. */
  readonly endpoints?: ReadonlyArray<string>
  /** Whether a publisher at this endpoint is connected. */
  readonly isConnected?: (endpoint: string) => boolean
}

export class NodeNotifications extends Context.Service<NodeNotifications, NodeNotificationsStream>()(
  "sluice/node/NodeNotifications"
) {
  /** For a node without ZMQ: announces nothing, so callers rely on long polling. */
  static readonly layerNone: Layer.Layer<NodeNotifications> = Layer.succeed(this, { events: Stream.never })
}

export type NodeNotification =
  /** A new tip (topics `hashblock` and `rawblock`, one notification each); only `rawblock` has the 80 bytes of the header. */
  | { readonly _tag: "NewBlock"; readonly hash: Uint8Array; readonly header?: Uint8Array }
  /** Topic `sequence`, labels C and D. */
  | { readonly _tag: "BlockConnected"; readonly hash: Uint8Array }
  | { readonly _tag: "BlockDisconnected"; readonly hash: Uint8Array }
  /** Topic `sequence`, labels A and R, with the mempool's own sequence number. */
  | { readonly _tag: "TransactionAdded"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  | { readonly _tag: "TransactionRemoved"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  /** Messages of a topic were lost, here or on the way; `count` is the gap in the sequence numbers. */
  | { readonly _tag: "Missed"; readonly topic: string; readonly count: number }
  /** The connection to the node's publisher changed; messages published without a connection are lost. */
  | { readonly _tag: "Connected" }
  | { readonly _tag: "Disconnected" }
