/** Options of a swarm. */
import { Mining } from "@sluice/protocol"
import type { ClientSetup, ReconnectingOptions, ServerAddress } from "@sluice/transport"
import { Effect, Schema } from "effect"
import { HONEST, type Misbehaviour } from "./misbehaviour.ts"

/** A valid share that the server has accepted. */
export interface AcknowledgedShare {
  readonly userIdentity: string
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  /** The hash of the header, 64 hex digits in display order. It identifies the share. */
  readonly hash: string
}

export interface SwarmOptions {
  readonly server: ServerAddress
  readonly connections: number
  /** Channels on each connection. Default 1. */
  readonly channels?: number
  /** The kind of channel. Default "standard". */
  readonly kind?: "standard" | "extended"
  /** Connection N, counted from 1, has the user identity `USER.N`. Default "swarm". */
  readonly user?: string
  /**
   * Shares a minute that each channel submits on average, at random times, for its first target. The channel keeps the hash
   * rate that this takes, so a server that makes the target harder gets fewer shares. 0 submits none. Default 6.
   */
  readonly sharesPerMinute?: number
  /** The hash rate that each channel announces, in hashes a second. A lower rate gets an easier target. Default 1. */
  readonly nominalHashRate?: number
  /** The most handshakes at the same time, which limits how long each of them takes. Default 128. */
  readonly concurrency?: number
  /** The most connections to begin in a second. By default without limit. */
  readonly connectRate?: number
  readonly misbehaviour?: Partial<Misbehaviour>
  /** The delays before the next try after a lost connection. By default from 1 second up to 10 seconds. */
  readonly reconnecting?: ReconnectingOptions
  /** Called with each valid share that the server accepted. Costs a hash a share, and must not block. */
  readonly onAcknowledged?: (share: AcknowledgedShare) => void
}

/** An option is out of range. */
export class SwarmOptionError extends Schema.TaggedError<SwarmOptionError>("sluice/swarm/SwarmOptionError")(
  "SwarmOptionError",
  { option: Schema.String, message: Schema.String }
) {}

/** All options with their defaults. */
export type SwarmPlan = Required<Omit<SwarmOptions, "connectRate" | "misbehaviour" | "onAcknowledged">> &
  Pick<SwarmOptions, "connectRate" | "onAcknowledged"> & { readonly misbehaviour: Misbehaviour }

export const swarmDefaults = {
  channels: 1,
  kind: "standard",
  user: "swarm",
  sharesPerMinute: 6,
  nominalHashRate: 1,
  concurrency: 128,
  reconnecting: { firstDelay: "1 second", maxDelay: "10 seconds" }
} as const satisfies Partial<SwarmOptions>

export const planOf = (options: SwarmOptions): SwarmPlan => ({
  ...swarmDefaults,
  ...options,
  misbehaviour: { ...HONEST, ...options.misbehaviour }
})

/**
 * The setup of a connection. One with one standard channel acts as a device and sets REQUIRES_STANDARD_JOBS. With more channels
 * it acts as a proxy, and gets jobs for the group of its standard channels.
 */
export const setupOf = (plan: SwarmPlan): ClientSetup => ({
  flags: requiresStandardJobs(plan) ? Mining.REQUIRES_STANDARD_JOBS : 0
})

export const requiresStandardJobs = ({ channels, kind }: SwarmPlan): boolean => kind === "standard" && channels === 1

export const checkPlan = (plan: SwarmPlan): Effect.Effect<void, SwarmOptionError> => {
  for (const option of ["connections", "channels", "concurrency"] as const) {
    if (!(Number.isInteger(plan[option]) && plan[option] >= 1)) {
      return refuse(option, "a whole number of at least 1", plan[option])
    }
  }
  for (const option of ["sharesPerMinute", "nominalHashRate"] as const) {
    if (!(plan[option] >= 0 && Number.isFinite(plan[option])))
      return refuse(option, "a number of at least 0", plan[option])
  }
  if (plan.connectRate !== undefined && !(plan.connectRate > 0)) {
    return refuse("connectRate", "a number above 0", plan.connectRate)
  }
  const { duplicate, garbage, lowDifficulty, slow, stale } = plan.misbehaviour
  for (const [option, percent] of Object.entries(plan.misbehaviour)) {
    if (!(percent >= 0 && percent <= 100)) return refuse(option, "a percentage from 0 to 100", percent)
  }
  if (garbage > 0 && plan.server.security._tag === "v1") {
    return refuse("garbage", "0 for a server of Stratum V1: it is frames of Stratum V2", garbage)
  }
  const bad = duplicate + garbage + lowDifficulty + stale
  if (bad > 100) return refuse("misbehaviour", "at most 100 percent of the shares in all", bad)
  return slow > 100 ? refuse("slow", "a percentage from 0 to 100", slow) : Effect.void
}

const refuse = (option: string, expected: string, got: number): Effect.Effect<never, SwarmOptionError> =>
  Effect.fail(new SwarmOptionError({ option, message: `the swarm's ${option} is ${expected}; got ${got}` }))
