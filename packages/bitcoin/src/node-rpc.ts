/**
 * The JSON-RPC calls of Bitcoin Core that mining needs, as a service. `NodeRpc.layerHttp` talks to a node; the
 * development node provides one in memory. Hashes are hex in display order, as Core has them.
 */
import { Context, type Effect, Schema } from "effect"
import type { BlockTemplate } from "./block-template.ts"
import type { NodeRpcError } from "./node-rpc-error.ts"

export class NodeRpc extends Context.Service<
  NodeRpc,
  {
    /**
     * `getblocktemplate` with the segwit and signet rules. With `longPollId` (from an earlier answer) the node answers
     * only when its tip has changed or, after a minute, its mempool: there is no time limit on that.
     */
    readonly getBlockTemplate: (request?: {
      readonly longPollId?: string | undefined
    }) => Effect.Effect<BlockTemplate, NodeRpcError>
    /** Submits a whole block, bytes or hex. `null` is acceptance; a string is BIP22's reason, for instance `"high-hash"`. */
    readonly submitBlock: (block: Uint8Array | string) => Effect.Effect<string | null, NodeRpcError>
    readonly getBlockchainInfo: Effect.Effect<BlockchainInfo, NodeRpcError>
    readonly getBestBlockHash: Effect.Effect<string, NodeRpcError>
    readonly getBlockHeader: (hash: string) => Effect.Effect<BlockHeaderInfo, NodeRpcError>
    /** The block with the txids of its transactions (verbosity 1). */
    readonly getBlock: (hash: string) => Effect.Effect<BlockInfo, NodeRpcError>
    /** The txids in the mempool, display order. */
    readonly getRawMempool: Effect.Effect<ReadonlyArray<string>, NodeRpcError>
    readonly getMiningInfo: Effect.Effect<MiningInfo, NodeRpcError>
  }
>()("sluice/bitcoin/NodeRpc") {}

export const BlockchainInfo = Schema.Struct({
  /** `main`, `test`, `testnet4`, `signet` or `regtest`. */
  chain: Schema.String,
  blocks: Schema.Int,
  headers: Schema.Int,
  bestblockhash: Schema.String,
  difficulty: Schema.Finite,
  mediantime: Schema.Int,
  verificationprogress: Schema.Finite,
  initialblockdownload: Schema.Boolean,
  chainwork: Schema.String
})
export type BlockchainInfo = typeof BlockchainInfo.Type

const headerFields = {
  hash: Schema.String,
  /** Minus one for a block that is not on the best chain. */
  confirmations: Schema.Int,
  height: Schema.Int,
  version: Schema.Int,
  merkleroot: Schema.String,
  time: Schema.Int,
  mediantime: Schema.Int,
  nonce: Schema.Int,
  bits: Schema.String,
  difficulty: Schema.Finite,
  chainwork: Schema.String,
  nTx: Schema.Int,
  /** Absent for the first block of the chain. */
  previousblockhash: Schema.optionalKey(Schema.String),
  /** Absent for the tip. */
  nextblockhash: Schema.optionalKey(Schema.String)
}

export const BlockHeaderInfo = Schema.Struct(headerFields)
export type BlockHeaderInfo = typeof BlockHeaderInfo.Type

export const BlockInfo = Schema.Struct({
  ...headerFields,
  strippedsize: Schema.Int,
  size: Schema.Int,
  weight: Schema.Int,
  /** Txids, the coinbase first. */
  tx: Schema.Array(Schema.String)
})
export type BlockInfo = typeof BlockInfo.Type

export const MiningInfo = Schema.Struct({
  blocks: Schema.Int,
  difficulty: Schema.Finite,
  networkhashps: Schema.Finite,
  pooledtx: Schema.Int,
  chain: Schema.String
})
export type MiningInfo = typeof MiningInfo.Type
