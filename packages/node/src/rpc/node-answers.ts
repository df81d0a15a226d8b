/** Schemas of a node's answers, with the fields that mining needs. Hashes are hex in display order, as in Core's JSON. */
import { Schema } from "effect"

export const BlockchainInfo = Schema.Struct({
  /** `main`, `test`, `testnet4`, `signet` or `regtest`. */
  chain: Schema.String,
  blocks: Schema.Int,
  headers: Schema.Int,
  bestblockhash: Schema.String,
  difficulty: Schema.Finite,
  mediantime: Schema.Int,
  /** Bitcoin Core answers the following fields; btcd does not. */
  verificationprogress: Schema.optionalKey(Schema.Finite),
  initialblockdownload: Schema.optionalKey(Schema.Boolean),
  chainwork: Schema.optionalKey(Schema.String)
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
  chain: Schema.optionalKey(Schema.String)
})
export type MiningInfo = typeof MiningInfo.Type

export const NetworkInfo = Schema.Struct({
  /** Bitcoin Core's number: 290000 for 29.0. */
  version: Schema.Int,
  /** For example `/Satoshi:29.0.0/`. */
  subversion: Schema.String,
  connections: Schema.Int
})
export type NetworkInfo = typeof NetworkInfo.Type

/** Topics that the node publishes over ZMQ. */
export const ZmqNotifications = Schema.Array(
  Schema.Struct({
    /** For example `pubhashblock`. */
    type: Schema.String,
    address: Schema.String
  })
)
export type ZmqNotifications = typeof ZmqNotifications.Type
