/** What the coinbase of the present job pays. Amounts in satoshis. */
import { Schema } from "effect"

export const CoinbaseOutput = Schema.Struct({
  satoshis: Schema.Finite,
  /** The scriptPubKey in hex. */
  script: Schema.String,
  /** Null for a script without an address, and where the chain is not known. */
  address: Schema.NullOr(Schema.String),
  /** A user by the ledger's plan, another output that gets money, or a commitment without value. */
  kind: Schema.Literals(["user", "output", "commitment"]),
  /** The user's name, by the ledger's plan. */
  user: Schema.NullOr(Schema.String),
  /** Of the whole reward, from 0 to 1. */
  part: Schema.Finite
})
export type CoinbaseOutput = typeof CoinbaseOutput.Type

export const Coinbase = Schema.Struct({
  jobId: Schema.Finite,
  height: Schema.Finite,
  /** All that the coinbase pays. */
  reward: Schema.Finite,
  /** What the block creates, and what its transactions pay. Null if the coinbase pays less than the block creates. */
  subsidy: Schema.NullOr(Schema.Finite),
  fees: Schema.NullOr(Schema.Finite),
  /** The fees of the last template before the present previous hash, for the block before. Null before there was one. */
  feesBefore: Schema.NullOr(Schema.Finite),
  /** How many different coinbases miners have: more than 1 in solo mining, and this is then the one of one miner. */
  coinbases: Schema.Finite,
  outputs: Schema.Array(CoinbaseOutput)
})
export type Coinbase = typeof Coinbase.Type

/** The coinbase; null before the first job, and where each miner has a channel of its own at the upstream. */
export const PresentCoinbase = Schema.Struct({ coinbase: Schema.NullOr(Coinbase) })
