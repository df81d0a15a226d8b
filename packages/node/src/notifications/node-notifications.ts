/**
 * What a node announces by itself, as a service: new blocks and changes of its mempool (Bitcoin Core's ZMQ topics
 * `hashblock` and `sequence`). `NodeNotificationsZmq.layer` listens to a node; the development node provides one in
 * memory; `layerNone` is for a node without ZMQ, where long polling has to do. Hashes are 32 bytes in internal order.
 */
import { Context, Layer, Stream } from "effect"

/** What `NodeNotifications` offers. */
export interface NodeNotificationsStream {
  /**
   * What the node announces from the moment of subscription on, to any number of subscribers. It never ends and
   * never fails: a lost connection is an element, and so is a gap, after which the subscriber asks the node itself.
   */
  readonly events: Stream.Stream<NodeNotification>
  /** Where they come from over ZMQ; absent where there is no ZMQ. */
  readonly endpoints?: ReadonlyArray<string>
  /** Whether a publisher has answered there and is still connected. */
  readonly isConnected?: (endpoint: string) => boolean
}

export class NodeNotifications extends Context.Service<NodeNotifications, NodeNotificationsStream>()(
  "sluice/node/NodeNotifications"
) {
  /** For a node without ZMQ: it announces nothing, and long polling has to do. */
  static readonly layerNone: Layer.Layer<NodeNotifications> = Layer.succeed(this, { events: Stream.never })
}

export type NodeNotification =
  /** A new tip (topics `hashblock` and `rawblock`, one notification each); the latter knows the 80 bytes of its header. */
  | { readonly _tag: "NewBlock"; readonly hash: Uint8Array; readonly header?: Uint8Array }
  /** Topic `sequence`, labels C and D. */
  | { readonly _tag: "BlockConnected"; readonly hash: Uint8Array }
  | { readonly _tag: "BlockDisconnected"; readonly hash: Uint8Array }
  /** Topic `sequence`, labels A and R, with the mempool's own sequence number. */
  | { readonly _tag: "TransactionAdded"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  | { readonly _tag: "TransactionRemoved"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  /** Messages of a topic were lost, here or on the way: how many its sequence numbers leave out. */
  | { readonly _tag: "Missed"; readonly topic: string; readonly count: number }
  /** The connection to the node's publisher; whatever was published while there was none is lost. */
  | { readonly _tag: "Connected" }
  | { readonly _tag: "Disconnected" }
