/** The options of the upstream side of a proxy, and the layout of the extranonce below the upstream's prefix. */
import { type ExtranonceLayout, ExtranonceSpace } from "@sluice/channels"
import { OptionError, payoutScript } from "@sluice/mining-server"
import type { ConnectionDialer, ReconnectingOptions, ServerAddress } from "@sluice/transport"
import type { Mining } from "@sluice/protocol"
import { type Duration, Effect, Result } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { sharedIdentity } from "../identity.ts"
import { payoutCheck, type PayoutCheck } from "./payout-check.ts"
import { LEAST_SALT } from "./upstream-job.ts"

/** A server that gives the proxy work. */
export interface UpstreamServer {
  readonly server: ServerAddress
  /** As `UpstreamOptions.userIdentity`, for this upstream. */
  readonly userIdentity?: string
  /** Connects to this upstream; by default the layer's `MiningDialer` does. */
  readonly dialer?: ConnectionDialer<Mining.ToClient, Mining.ToServer>
}

export interface UpstreamOptions {
  /**
   * Whether all miners share one channel at an upstream, or each has a channel of its own there, with the upstream's target and
   * verdicts. Default "aggregated".
   */
  readonly mode?: "aggregated" | "per-miner"
  /** The upstreams, the preferred one first. The proxy is connected to all of them, and mines for one. */
  readonly upstreams: NonEmptyReadonlyArray<UpstreamServer>
  /**
   * The name of a channel upstream. `{user}` and `{worker}` stand for the two parts of a miner's identity; the channel that all miners
   * share has the name without them. Default "sluice" for that one, and the miner's own identity for a channel of its own.
   */
  readonly userIdentity?: string
  /**
   * The bytes of extranonce that each upstream must leave to the proxy: 1 that differs from job to job, 3 for the index of a channel (2
   * of 6 to 8 bytes, 1 of fewer), and the rest for an extended channel to roll. Default 12, at least 3 and at most 32.
   */
  readonly extranonceSize?: number
  /** An address or a descriptor that the coinbase of each job must pay. By default the proxy does not check it. */
  readonly verifyPayout?: string
  /** The least part of the reward that `verifyPayout` must get, in percent. By default any amount. */
  readonly minPayoutPercent?: number
  /** How long an upstream may send no job after another one has announced a new block. Default 90 seconds. */
  readonly silence?: Duration.Input
  /** How long an upstream may send no job at all. Default 10 minutes. */
  readonly idle?: Duration.Input
  /** How long a preferred upstream that had failed must have work before it takes over again. Default 1 minute. */
  readonly returnAfter?: Duration.Input
  /** While there is no new job, miners get the present one again with a later ntime so often. Default 1 minute. */
  readonly repeatAfter?: Duration.Input
  /** Waits between attempts to connect to one of them. By default from half a second to 10 seconds. */
  readonly reconnecting?: ReconnectingOptions
}

/** The defaults of options. */
export const defaultUpstreamOptions = {
  userIdentity: "sluice",
  extranonceSize: 12,
  silence: "90 seconds",
  idle: "10 minutes",
  returnAfter: "1 minute",
  repeatAfter: "1 minute"
} as const

/** The extranonce of the proxy's channels. The upstream's prefix and the salt are not a part of it: see upstream-job.ts. */
export const spaceOf = (extranonceSize: number): Effect.Effect<ExtranonceSpace, OptionError> => {
  const indexSize = extranonceSize <= 5 ? 1 : extranonceSize <= 8 ? 2 : 3
  const fullSize = extranonceSize - LEAST_SALT
  const layout: ExtranonceLayout = {
    upstreamPrefix: new Uint8Array(0),
    serverId: new Uint8Array(0),
    indexSize,
    fullSize,
    rollableSize: Math.min(8, fullSize - indexSize)
  }
  return OptionError.fromResult("extranonceSize", ExtranonceSpace.make(layout))
}

/** The check of payouts; `undefined` without `verifyPayout`. */
export const payoutCheckOf = ({
  minPayoutPercent,
  verifyPayout
}: UpstreamOptions): Effect.Effect<PayoutCheck | undefined, OptionError> =>
  verifyPayout === undefined
    ? Effect.succeed(undefined)
    : OptionError.fromResult(
        "verifyPayout",
        Result.map(payoutScript(verifyPayout), (script) => payoutCheck(script, verifyPayout, minPayoutPercent))
      )

/** The name of the channel that all miners share. */
export const sharedIdentityOf = (template: string): Effect.Effect<string, OptionError> => {
  const identity = sharedIdentity(template)
  return identity === ""
    ? Effect.fail(
        OptionError.of(
          "userIdentity",
          `all miners share one channel upstream, so "${template}" needs a fixed part, such as "account.{worker}"`
        )
      )
    : Effect.succeed(identity)
}
