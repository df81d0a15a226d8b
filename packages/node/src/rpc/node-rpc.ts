/**
 * The JSON-RPC calls of Bitcoin Core that mining needs, as a service. `NodeRpc.layerHttp` talks to a node; the
 * development node provides one in memory. Hashes are hex in display order, as Core has them.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { type Array as Arr, Context, Effect, Layer, type Result } from "effect"
import type { BlockTemplate } from "../template/block-template.ts"
import type {
  BlockchainInfo,
  BlockHeaderInfo,
  BlockInfo,
  MiningInfo,
  NetworkInfo,
  ZmqNotifications
} from "./node-answers.ts"
import { makeNodeGroup } from "./node-group.ts"
import type { NodeRpcError } from "./node-rpc-error.ts"
import { makeHttp, type NodeRpcHttpOptions } from "./node-rpc-http.ts"

/** What `NodeRpc` offers. */
export interface NodeRpcCalls {
  /**
   * `getblocktemplate` with the segwit and signet rules. With `longPollId` (from an earlier answer) the node answers
   * only when its tip has changed or, after a minute, its mempool.
   */
  readonly getBlockTemplate: (request?: {
    readonly longPollId?: string | undefined
  }) => Effect.Effect<BlockTemplate, NodeRpcError>
  /** Submits a whole block, bytes or hex. `null` is acceptance; a string is BIP22's reason, for instance `"high-hash"`. */
  readonly submitBlock: (block: Uint8Array | string) => Effect.Effect<string | null, NodeRpcError>
  readonly getBlockchainInfo: Effect.Effect<BlockchainInfo, NodeRpcError>
  readonly getBestBlockHash: Effect.Effect<string, NodeRpcError>
  readonly getBlockHeader: (hash: string) => Effect.Effect<BlockHeaderInfo, NodeRpcError>
  /**
   * The last `count` blocks up to this one, which is on the best chain, the oldest first; fewer where the chain has no
   * more. Two batches behind the first call.
   */
  readonly getBlockHeaders: (hash: string, count: number) => Effect.Effect<ReadonlyArray<BlockHeaderInfo>, NodeRpcError>
  /** The block with the txids of its transactions (verbosity 1). */
  readonly getBlock: (hash: string) => Effect.Effect<BlockInfo, NodeRpcError>
  /** The txids in the mempool, display order. */
  readonly getRawMempool: Effect.Effect<ReadonlyArray<string>, NodeRpcError>
  readonly getMiningInfo: Effect.Effect<MiningInfo, NodeRpcError>
  readonly getNetworkInfo: Effect.Effect<NetworkInfo, NodeRpcError>
  /** A node that was built without ZMQ does not know the method. */
  readonly getZmqNotifications: Effect.Effect<ZmqNotifications, NodeRpcError>
  /** What there is to know of a node at the start, in one batch; of what not every node answers, why it does not. */
  readonly getNodeStatus: Effect.Effect<NodeStatus, NodeRpcError>
  /** Where several nodes stand behind this, each of them by name: a block goes to all. */
  readonly nodes?: ReadonlyArray<NamedNode>
}

export interface NodeStatus {
  readonly blockchain: BlockchainInfo
  readonly network: Result.Result<NetworkInfo, NodeRpcError>
  readonly zmq: Result.Result<ZmqNotifications, NodeRpcError>
}

export interface NamedNode {
  /** What an operator knows it by, without credentials. */
  readonly name: string
  readonly rpc: NodeRpcCalls
}

export class NodeRpc extends Context.Service<NodeRpc, NodeRpcCalls>()("sluice/node/NodeRpc") {
  /** A node's JSON-RPC over HTTP or HTTPS. Building the layer does not contact the node; each call does. */
  static readonly layerHttp = (options: NodeRpcHttpOptions): Layer.Layer<NodeRpc> =>
    Layer.effect(this, makeHttp(options)).pipe(Layer.provide(overHttp()))

  /**
   * Several nodes as one, the preferred one first: calls go to the first that is there and not behind the others, blocks
   * to all. Building the layer does not contact them.
   */
  static readonly layerNodes = (nodes: Arr.NonEmptyReadonlyArray<NodeRpcHttpOptions>): Layer.Layer<NodeRpc> =>
    Layer.effect(
      this,
      Effect.flatMap(
        Effect.forEach(nodes, (options) =>
          Effect.map(makeHttp(options), (rpc): NamedNode => ({ name: options.url, rpc }))
        ),
        makeNodeGroup
      )
    ).pipe(Layer.provide(overHttp()))
}

const overHttp = () =>
  Layer.mergeAll(
    NodeFileSystem.layer,
    NodeHttpClient.layerUndiciOptions({
      // Shorter than the 30 s after which Core closes an idle connection, so that none breaks under a request.
      keepAliveTimeout: 20_000,
      connections: 8,
      maxResponseSize: MAX_RESPONSE_SIZE
    })
  )

/** A full block in hex is 8 MB, and a template repeats each transaction's ids; nothing a node answers comes near this. */
const MAX_RESPONSE_SIZE = 64 * 1024 * 1024
