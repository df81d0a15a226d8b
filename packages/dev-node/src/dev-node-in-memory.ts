/** `NodeRpc` and `NodeNotifications` on a development node in the same process, without sockets. */
import { Effect, Predicate, Result, Stream } from "effect"
import type { TreeBlock } from "./chain/block-tree.ts"
import { blockchainInfo, blockHeaderInfo, blockInfo, miningInfo } from "./rpc/chain-report.ts"
import type { DevNodeCalls } from "./dev-node-calls.ts"
import type { DevNodeEvent } from "./chain/development-chain.ts"
import { hashFromDisplay } from "@sluice/bitcoin"
import { JsonRpcCode, JsonRpcError } from "./rpc/json-rpc-error.ts"
import {
  type BlockHeaderInfo,
  type NodeNotification,
  type NodeNotificationsStream,
  NodeRefused,
  NodeRpcError,
  type NodeRpcCalls
} from "@sluice/node"
import { checkCondition, NETWORK_INFO } from "./rpc/rpc-methods.ts"
import { blockOf, blockWithTransactions, parseBlockHex } from "./rpc/rpc-parameters.ts"

/** The calls of `NodeRpc`. They fail with the same codes as the node's JSON-RPC server. */
export const makeNodeRpc = (node: DevNodeCalls): NodeRpcCalls => {
  const { state } = node
  const refusedBy =
    (method: string) =>
    <A>(effect: Effect.Effect<A, JsonRpcError>): Effect.Effect<A, NodeRpcError> =>
      Effect.mapError(
        effect,
        ({ code, message }) =>
          new NodeRpcError({ node: NODE_NAME, method, reason: new NodeRefused({ code, detail: message }) })
      )
  return {
    getBlockTemplate: (request) =>
      checkCondition(state).pipe(Effect.andThen(node.getBlockTemplate(request)), refusedBy("getblocktemplate")),
    submitBlock: Effect.fnUntraced(
      function* (block) {
        const bytes = typeof block === "string" ? yield* parseBlockHex(block) : block
        return yield* Effect.mapError(node.submitBlock(bytes), () => BLOCK_DECODE_FAILED)
      },
      (effect) => refusedBy("submitblock")(effect)
    ),
    proposeBlock: Effect.fnUntraced(
      function* (block) {
        const bytes = typeof block === "string" ? yield* parseBlockHex(block) : block
        return yield* Effect.mapError(node.proposeBlock(bytes), () => BLOCK_DECODE_FAILED)
      },
      (effect) => refusedBy("getblocktemplate")(effect)
    ),
    getBlockchainInfo: Effect.sync(() => blockchainInfo(state)),
    getBestBlockHash: Effect.sync(() => state.chain.tip.id),
    getBlockHeader: (hash) =>
      blockOf(state, hash).pipe(
        Effect.map((block) => blockHeaderInfo(state, block)),
        refusedBy("getblockheader")
      ),
    getBlockHeaders: (hash, count) =>
      blockOf(state, hash).pipe(
        Effect.map((last) => {
          const headers: Array<BlockHeaderInfo> = []
          for (let at: TreeBlock | undefined = last; at !== undefined && headers.length < count; at = at.parent) {
            headers.unshift(blockHeaderInfo(state, at))
          }
          return headers
        }),
        refusedBy("getblockheader")
      ),
    getBlock: (hash) =>
      blockWithTransactions(state, hash).pipe(
        Effect.map(({ block, entry }) => blockInfo(state, entry, block)),
        refusedBy("getblock")
      ),
    getRawMempool: Effect.sync(() => [...state.mempool.entries()].map(({ txid }) => txid)),
    getRawTransactions: (txids) =>
      Effect.sync(() => txids.map((txid) => state.mempool.get(txid.toLowerCase())?.transaction.bytes)),
    getMiningInfo: Effect.sync(() => miningInfo(state)),
    getNetworkInfo: Effect.succeed(NETWORK_INFO),
    getZmqNotifications: node.advertised,
    getNodeStatus: Effect.map(node.advertised, (zmq) => ({
      blockchain: blockchainInfo(state),
      network: Result.succeed(NETWORK_INFO),
      zmq: Result.succeed(zmq)
    }))
  }
}

/** The announcements that ZMQ would make. The stream is connected from the start and never loses the connection. */
export const makeNodeNotifications = (node: DevNodeCalls): NodeNotificationsStream => ({
  // Subscribes before it emits the first element, so that no event is lost in between.
  events: Stream.unwrap(
    Effect.map(node.subscribe, (subscription) =>
      Stream.concat(
        Stream.succeed<NodeNotification>({ _tag: "Connected" }),
        Stream.fromSubscription(subscription).pipe(
          Stream.map((event) => notificationOf(node, event)),
          Stream.filter(Predicate.isNotUndefined)
        )
      )
    )
  )
})

const NODE_NAME = "the development node in this process"

const BLOCK_DECODE_FAILED = new JsonRpcError({ code: JsonRpcCode.deserialization, message: "Block decode failed" })

const notificationOf = ({ state }: DevNodeCalls, event: DevNodeEvent): NodeNotification | undefined => {
  switch (event._tag) {
    case "TipChanged":
      return state.condition.isDownloading ? undefined : { _tag: "NewBlock", hash: hashFromDisplay(event.hash) }
    case "BlockConnected":
    case "BlockDisconnected":
      return { _tag: event._tag, hash: hashFromDisplay(event.hash) }
    case "TransactionAdded":
    case "TransactionRemoved":
      return { _tag: event._tag, txid: hashFromDisplay(event.txid), mempoolSequence: event.mempoolSequence }
    default:
      return undefined
  }
}
