/**
 * What a node announces by itself, as a service: new blocks and changes of its mempool (Bitcoin Core's ZMQ topics
 * `hashblock` and `sequence`). `NodeNotifications.layerZmq` listens to a node; the development node provides one in
 * memory; `layerNone` is for a node without ZMQ, where long polling has to do. Hashes are 32 bytes in internal order.
 */
import { Context, type Stream } from "effect"

export class NodeNotifications extends Context.Service<
  NodeNotifications,
  {
    /**
     * What the node announces from the moment of subscription on, to any number of subscribers. It never ends and
     * never fails: a lost connection is an element, and so is a gap, after which the subscriber asks the node itself.
     */
    readonly events: Stream.Stream<NodeNotification>
  }
>()("sluice/bitcoin/NodeNotifications") {}

export type NodeNotification =
  /** A new tip (topic `hashblock`). */
  | { readonly _tag: "NewBlock"; readonly hash: Uint8Array }
  /** Topic `sequence`, labels C and D. */
  | { readonly _tag: "BlockConnected"; readonly hash: Uint8Array }
  | { readonly _tag: "BlockDisconnected"; readonly hash: Uint8Array }
  /** Topic `sequence`, labels A and R, with the mempool's own sequence number. */
  | { readonly _tag: "TransactionAdded"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  | { readonly _tag: "TransactionRemoved"; readonly txid: Uint8Array; readonly mempoolSequence: bigint }
  /** Messages of a topic were lost, here or on the way: how many its sequence numbers leave out. */
  | { readonly _tag: "Missed"; readonly topic: string; readonly count: number }
  | { readonly _tag: "Connected" }
  | { readonly _tag: "Disconnected" }
