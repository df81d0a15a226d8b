/**
 * The JSON-RPC calls of Bitcoin Core that mining needs, as a service. `NodeRpcHttp.layer` talks to a node,
 * `NodeRpcGroup.layer` to several, and the development node provides the service in memory. Hashes are hex in display
 * order, as Core has them.
 */
import { Context, type Effect, type Result } from "effect"
import type { BlockTemplate } from "../template/block-template.ts"
import type {
  BlockchainInfo,
  BlockHeaderInfo,
  BlockInfo,
  MiningInfo,
  NetworkInfo,
  ZmqNotifications
} from "./node-answers.ts"
import type { NodeRpcError } from "./node-rpc-error.ts"

/** The calls of `NodeRpc`. */
export interface NodeRpcCalls {
  /**
   * `getblocktemplate` with the segwit and signet rules. With `longPollId` (from an earlier answer) the node answers
   * only when its tip has changed or, after a minute, its mempool.
   */
  readonly getBlockTemplate: (request?: {
    readonly longPollId?: string | undefined
  }) => Effect.Effect<BlockTemplate, NodeRpcError>
  /** Submits a whole block as bytes or hex. `null` means accepted; a string is BIP22's reason, for example `"high-hash"`. */
  readonly submitBlock: (block: Uint8Array | string) => Effect.Effect<string | null, NodeRpcError>
  /**
   * `getblocktemplate` in proposal mode (BIP23): the verdict of `submitBlock` on a block on the tip, as if its hash met the target.
   * A node without this mode fails with `NodeRefused` or `NodeMethodUnknown`.
   */
  readonly proposeBlock: (block: Uint8Array | string) => Effect.Effect<string | null, NodeRpcError>
  readonly getBlockchainInfo: Effect.Effect<BlockchainInfo, NodeRpcError>
  readonly getBestBlockHash: Effect.Effect<string, NodeRpcError>
  readonly getBlockHeader: (hash: string) => Effect.Effect<BlockHeaderInfo, NodeRpcError>
  /**
   * The last `count` blocks up to this one, which must be on the best chain, oldest first; fewer if the chain has fewer. Takes one
   * call and two batches.
   */
  readonly getBlockHeaders: (hash: string, count: number) => Effect.Effect<ReadonlyArray<BlockHeaderInfo>, NodeRpcError>
  /** The block with the txids of its transactions (verbosity 1). */
  readonly getBlock: (hash: string) => Effect.Effect<BlockInfo, NodeRpcError>
  /** The txids in the mempool, display order. */
  readonly getRawMempool: Effect.Effect<ReadonlyArray<string>, NodeRpcError>
  /**
   * Transactions of the mempool with their witness, by txid in display order, in one batch. `undefined` for a transaction that the
   * node does not know, or not any more.
   */
  readonly getRawTransactions: (
    txids: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Uint8Array | undefined>, NodeRpcError>
  readonly getMiningInfo: Effect.Effect<MiningInfo, NodeRpcError>
  readonly getNetworkInfo: Effect.Effect<NetworkInfo, NodeRpcError>
  /** A node that was built without ZMQ does not know the method. */
  readonly getZmqNotifications: Effect.Effect<ZmqNotifications, NodeRpcError>
  /** Reads the state of a node at the start, in one batch. Calls that not every node answers give their error instead. */
  readonly getNodeStatus: Effect.Effect<NodeStatus, NodeRpcError>
  /** The nodes behind this service, by name, if there are several: a block goes to all of them. */
  readonly nodes?: ReadonlyArray<NamedNode>
}

export interface NodeStatus {
  readonly blockchain: BlockchainInfo
  readonly network: Result.Result<NetworkInfo, NodeRpcError>
  readonly zmq: Result.Result<ZmqNotifications, NodeRpcError>
}

export interface NamedNode {
  /** The node's name for operators, without credentials. */
  readonly name: string
  readonly rpc: NodeRpcCalls
}

export class NodeRpc extends Context.Service<NodeRpc, NodeRpcCalls>()("sluice/node/NodeRpc") {}
