/** What a pool says of how it pays, and what the service of payouts gives it. */
import type { PayoutOptions, ValidateUser } from "@sluice/mining-server"
import { Duration, type Effect } from "effect"
import type { BlockRecorder } from "./block-recorder.ts"
import type { BlockPolicy, Policy } from "./scheme/policy.ts"
import type { Computed } from "./settle.ts"
import type { WindowTracker } from "./window-tracker.ts"

export interface LedgerPayoutsOptions {
  readonly policy: Policy
  /** The pool's own outputs. They get the fee, and amounts that are too small to be paid; with PPS and FPPS all. */
  readonly pool: Pick<PayoutOptions, "coinbaseAddress" | "coinbaseOutputs" | "chain">
  /** The least amount that a coinbase pays to a user, in satoshis. Default 10,000. */
  readonly minimum?: bigint
  /** Bytes that the whole coinbase may have, without its witness. Default 750, as old firmware takes them. */
  readonly maxCoinbaseBytes?: number
  /** PPS and FPPS: the satoshis that the pool has to pay users of when it is unlucky. Required with them. */
  readonly reserve?: bigint
  /** PPS and FPPS: how often shares are bought. Default 10 minutes. */
  readonly purchaseInterval?: Duration.Input
  /** PPS and FPPS: blocks after which the subsidy halves. Default 210,000, as on all chains but regtest (150). */
  readonly halvingInterval?: number
}

export const ledgerPayoutsDefaults = {
  minimum: 10_000n,
  maxCoinbaseBytes: 750,
  purchaseInterval: Duration.minutes(10),
  halvingInterval: 210_000
} as const

export interface LedgerPayoutsCalls extends BlockRecorder {
  /** Refuses users whose name is no address of the chain, if the coinbase pays users. */
  readonly validateUser: ValidateUser
  /** Follows the network's difficulty, and the height of the next block. */
  readonly follow: (target: Uint8Array, height: number) => Effect.Effect<void>
  /** Whom a block with this reward would pay if it were found now; undefined if blocks do not divide their rewards among users. */
  readonly plan: (reward: bigint) => Plan | undefined
  /** The window of the next block. */
  readonly window: Pick<WindowTracker, "weights" | "work" | "last" | "limits">
}

export interface Plan extends Omit<Computed, "first"> {
  readonly policy: BlockPolicy
  /** The work that the window has room for; undefined for windows without such a limit. */
  readonly windowSize: bigint | undefined
  readonly minimum: bigint
}
