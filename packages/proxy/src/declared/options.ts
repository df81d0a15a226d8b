/** The options of a proxy whose miners choose the transactions of their blocks. */
import type { Chain } from "@sluice/bitcoin"
import { type JobDeclaration } from "@sluice/protocol"
import type { PayoutShare } from "@sluice/mining-server"
import type { ConnectionDialer, ServerAddress } from "@sluice/transport"
import type { Duration } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { UpstreamOptions, UpstreamServer } from "../upstream/options.ts"

export type DeclarationConnectionDialer = ConnectionDialer<JobDeclaration.ToClient, JobDeclaration.ToServer>

/** A pool; with its declarator, the proxy mines jobs of its own there. Without one it mines the pool's jobs. */
export interface DeclaredServer extends UpstreamServer {
  readonly declarator?: ServerAddress
  /** Connects to the declarator; by default the layer's `DeclarationDialer` does. */
  readonly declarationDialer?: DeclarationConnectionDialer
}

export interface DeclaredOptions extends Omit<UpstreamOptions, "mode" | "upstreams"> {
  /** The pools, the preferred one first. The proxy is connected to all of them, and mines for one. */
  readonly upstreams: NonEmptyReadonlyArray<DeclaredServer>
  /** The address or descriptor that blocks pay while no pool can be used. By default miners wait for a pool then. */
  readonly soloAddress?: string
  /** Refuses addresses of other networks. By default accepts addresses of all networks. */
  readonly chain?: Chain
  /** Whether declarators learn the transactions of the jobs (6.3.2). Default true. */
  readonly declareTransactions?: boolean
  /** Outputs of the miner's own in the jobs that are declared, with percentages of the reward; the pool gets the rest. */
  readonly ownOutputs?: ReadonlyArray<PayoutShare>
  /** The miner's name in the coinbase: the tag is `Sv2//NAME/`. Default "Sluice". */
  readonly tag?: string
  /** The least satoshis by which the fees of another template on the same block must be higher to be declared. Default 10,000. */
  readonly minFeeDelta?: bigint
  /** The least time between two declarations on the same block. Default 10 seconds. */
  readonly declareInterval?: Duration.Input
  /** How long a declarator may take to allocate a token. Default 10 seconds. */
  readonly tokenTimeout?: Duration.Input
  /** How long miners stay with their jobs while no template provider is connected. Default 10 seconds. */
  readonly templateTimeout?: Duration.Input
}

/** The defaults of options, beside those of `Upstream`. */
export const defaultDeclaredOptions = {
  declareTransactions: true,
  tag: "Sluice",
  minFeeDelta: 10_000n,
  declareInterval: "10 seconds",
  tokenTimeout: "10 seconds",
  templateTimeout: "10 seconds"
} as const
