/** Options of a miner. */
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { ClientSetup, Device, ReconnectingOptions, ServerAddress } from "@sluice/transport"
import { type Duration, Effect, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { SessionOptions } from "./session.ts"

export interface MinerOptions {
  /** The servers to try, in order. When a connection is lost, the miner tries the next server of the list. */
  readonly servers: NonEmptyReadonlyArray<ServerAddress>
  /** `user_identity`, by which the pool identifies the miner. At most 255 bytes. */
  readonly user: string
  /**
   * The worker's name, sent with each share if the pool supports extension 0x0002, so that it can distinguish the workers of a
   * channel. At most 32 bytes. Only for an extended channel: shares of standard channels cannot carry it.
   */
  readonly worker?: string
  /** The kind of channel. Default "standard"; on an extended channel the miner rolls the extranonce itself. */
  readonly channel?: "standard" | "extended"
  /** The hash rate to announce, in hashes a second. By default the workers measure it for a fraction of a second. */
  readonly nominalHashRate?: number
  /** The easiest target that the miner accepts, 32 bytes little-endian. By default any. */
  readonly maxTarget?: Uint8Array
  /** Bytes of extranonce to request for an extended channel, 0 to 32. Default 2: Stratum V1 servers give little. */
  readonly minExtranonceSize?: number
  /** The miner stops after this many accepted shares. By default it never stops. */
  readonly shares?: number
  /**
   * REQUIRES_STANDARD_JOBS (5.3.1). Default true for a standard channel. If false, the server may send extended jobs of a
   * group, and the miner computes the merkle root itself.
   */
  readonly requiresStandardJobs?: boolean
  /** REQUIRES_VERSION_ROLLING (5.3.1). Default false: the miner rolls the version if it may, and can do without. */
  readonly requiresVersionRolling?: boolean
  /** The device description to send (3.6.1). */
  readonly device?: Partial<Device>
  /** The time limit from the connection to the first job that can be mined. Default 30 seconds. */
  readonly workTimeout?: Duration.Input
  /** The delays before the next try after a lost connection. By default from 1 second up to 10 seconds. */
  readonly reconnecting?: ReconnectingOptions
  /** The time between two `HashRate` events. Default 5 seconds. */
  readonly hashRateInterval?: Duration.Input
}

/** An option is out of range. */
export class MinerOptionError extends Schema.TaggedError<MinerOptionError>("sluice/miner/MinerOptionError")(
  "MinerOptionError",
  { option: Schema.String, message: Schema.String }
) {}

/** The setup with which the miner connects: its flags, its extensions and its device. */
export const setupOf = (options: MinerOptions): ClientSetup => ({
  flags:
    (needsStandardJobs(options) ? Mining.REQUIRES_STANDARD_JOBS : 0) |
    (options.requiresVersionRolling === true ? Mining.REQUIRES_VERSION_ROLLING : 0),
  ...(options.worker === undefined ? {} : { extensions: [WorkerIdentity.extension] }),
  ...(options.device === undefined ? {} : { device: options.device })
})

/** The options of each session. `nominalHashRate` was measured if it was not given. */
export const sessionOptions = (options: MinerOptions, nominalHashRate: number): SessionOptions => ({
  user: options.user,
  worker: options.worker,
  channel: options.channel ?? "standard",
  nominalHashRate,
  maxTarget: options.maxTarget ?? new Uint8Array(32).fill(0xff),
  minExtranonceSize: options.minExtranonceSize ?? MIN_EXTRANONCE_SIZE,
  requiresStandardJobs: needsStandardJobs(options),
  requiresVersionRolling: options.requiresVersionRolling ?? false
})

/** Checks the options before the first connection. */
export const checkOptions = (options: MinerOptions): Effect.Effect<void, MinerOptionError> => {
  const {
    channel,
    maxTarget,
    minExtranonceSize = MIN_EXTRANONCE_SIZE,
    nominalHashRate = 0,
    requiresStandardJobs,
    shares = 1,
    user,
    worker
  } = options
  const userBytes = sizeOf(user)
  if (userBytes > 255) return refuse("user", `has at most 255 bytes; got ${userBytes}`)
  if (worker !== undefined) {
    const workerBytes = sizeOf(worker)
    if (workerBytes > MAX_WORKER_BYTES) {
      return refuse("worker", `has at most ${MAX_WORKER_BYTES} bytes; got ${workerBytes}`)
    }
    if (channel !== "extended") return refuse("worker", "is for an extended channel: other shares carry no name")
  }
  if (!Number.isInteger(shares) || shares < 1) return refuse("shares", `is a whole number from 1 on; got ${shares}`)
  if (!Number.isFinite(nominalHashRate) || nominalHashRate < 0) {
    return refuse("nominalHashRate", `is a number of hashes a second from 0 on; got ${nominalHashRate}`)
  }
  if (maxTarget !== undefined && maxTarget.length !== 32) {
    return refuse("maxTarget", `has 32 bytes, little-endian; got ${maxTarget.length}`)
  }
  if (!Number.isInteger(minExtranonceSize) || minExtranonceSize < 0 || minExtranonceSize > Mining.MAX_EXTRANONCE_SIZE) {
    return refuse(
      "minExtranonceSize",
      `is a number of bytes from 0 to ${Mining.MAX_EXTRANONCE_SIZE}; got ${minExtranonceSize}`
    )
  }
  if (channel === "extended" && requiresStandardJobs === true) {
    return refuse("requiresStandardJobs", "is not for an extended channel, which gets extended jobs only")
  }
  return Effect.void
}

/** For each value the miner has 2 ** 48 headers, with the nonce and version bits. */
const MIN_EXTRANONCE_SIZE = 2
const MAX_WORKER_BYTES = WorkerIdentity.UserIdentity.maxSize

const sizeOf = (text: string): number => new TextEncoder().encode(text).length

const needsStandardJobs = (options: MinerOptions): boolean =>
  options.requiresStandardJobs ?? options.channel !== "extended"

const refuse = (option: string, rule: string): Effect.Effect<never, MinerOptionError> =>
  Effect.fail(new MinerOptionError({ option, message: `the miner's ${option} ${rule}` }))
