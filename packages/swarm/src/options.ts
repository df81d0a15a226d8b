/** How a swarm is to behave. */
import { Mining } from "@sluice/protocol"
import type { ClientSetup, ReconnectingOptions, ServerAddress } from "@sluice/transport"
import { Effect, Schema } from "effect"
import { HONEST, type Misbehaviour } from "./misbehaviour.ts"

/** A good share that the server said it accepted. */
export interface AcknowledgedShare {
  readonly userIdentity: string
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  /** Of the header, 64 hex digits in display order: what makes two shares the same. */
  readonly hash: string
}

export interface SwarmOptions {
  readonly server: ServerAddress
  readonly connections: number
  /** On each connection. Default 1. */
  readonly channels?: number
  /** Default "standard". */
  readonly kind?: "standard" | "extended"
  /** Connection N, from 1 on, is the user `USER.N`. Default "swarm". */
  readonly user?: string
  /**
   * Shares a minute that each channel submits on average, at random times as mining has them, at the target that it gets
   * first. It then keeps the hash rate that this takes: a server that makes the target harder gets fewer shares. 0 for
   * none. Default 6.
   */
  readonly sharesPerMinute?: number
  /** Hashes a second that each channel announces. The fewer, the easier the target, and the less there is to mine. Default 1. */
  readonly nominalHashRate?: number
  /** Handshakes that may be under way at once; it bounds how long each of them takes. Default 128. */
  readonly concurrency?: number
  /** Connections begun a second at most. By default as many as the server can take. */
  readonly connectRate?: number
  readonly misbehaviour?: Partial<Misbehaviour>
  /** The waits between a lost connection and the next try. Default from 1 second on, up to 10. */
  readonly reconnecting?: ReconnectingOptions
  /** Called for each good share that the server accepted. It costs a hash a share, and must not block. */
  readonly onAcknowledged?: (share: AcknowledgedShare) => void
}

/** An option that cannot be. */
export class SwarmOptionError extends Schema.TaggedError<SwarmOptionError>("sluice/swarm/SwarmOptionError")(
  "SwarmOptionError",
  { option: Schema.String, message: Schema.String }
) {}

/** All options with their defaults. */
export type SwarmPlan = Required<Omit<SwarmOptions, "connectRate" | "misbehaviour" | "onAcknowledged">> &
  Pick<SwarmOptions, "connectRate" | "onAcknowledged"> & { readonly misbehaviour: Misbehaviour }

export const planOf = (options: SwarmOptions): SwarmPlan => ({
  channels: 1,
  kind: "standard",
  user: "swarm",
  sharesPerMinute: 6,
  nominalHashRate: 1,
  concurrency: 128,
  reconnecting: { firstDelay: "1 second", maxDelay: "10 seconds" },
  ...options,
  misbehaviour: { ...HONEST, ...options.misbehaviour }
})

/**
 * A connection with one standard channel acts as a device, which requires standard jobs. A connection with more channels acts
 * as a proxy: the jobs of its standard channels come to their group.
 */
export const setupOf = (plan: SwarmPlan): ClientSetup => ({
  flags: requiresStandardJobs(plan) ? Mining.REQUIRES_STANDARD_JOBS : 0
})

export const requiresStandardJobs = ({ channels, kind }: SwarmPlan): boolean => kind === "standard" && channels === 1

export const checkPlan = (plan: SwarmPlan): Effect.Effect<void, SwarmOptionError> => {
  for (const option of ["connections", "channels", "concurrency"] as const) {
    if (!(Number.isInteger(plan[option]) && plan[option] >= 1)) {
      return refuse(option, "a whole number from 1 on", plan[option])
    }
  }
  for (const option of ["sharesPerMinute", "nominalHashRate"] as const) {
    if (!(plan[option] >= 0 && Number.isFinite(plan[option]))) return refuse(option, "a number from 0 on", plan[option])
  }
  if (plan.connectRate !== undefined && !(plan.connectRate > 0)) {
    return refuse("connectRate", "a number above 0", plan.connectRate)
  }
  const { duplicate, garbage, lowDifficulty, slow, stale } = plan.misbehaviour
  for (const [option, percent] of Object.entries(plan.misbehaviour)) {
    if (!(percent >= 0 && percent <= 100)) return refuse(option, "a percentage from 0 to 100", percent)
  }
  const bad = duplicate + garbage + lowDifficulty + stale
  if (bad > 100) return refuse("misbehaviour", "at most 100 percent of the shares in all", bad)
  return slow > 100 ? refuse("slow", "a percentage from 0 to 100", slow) : Effect.void
}

const refuse = (option: string, expected: string, got: number): Effect.Effect<never, SwarmOptionError> =>
  Effect.fail(new SwarmOptionError({ option, message: `the swarm's ${option} is ${expected}; got ${got}` }))
