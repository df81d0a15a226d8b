/**
 * Jobs of V1, made of V2 messages. All miners with the same coinbase parts share one job, so that its line is encoded once. The
 * messages of one job may be other objects for each miner (those for a new channel are), so jobs are found by what they say.
 */
import { stripWitness } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import { Server } from "@sluice/stratum-v1"
import { Result } from "effect"

/** A job of V2 as the translator needs it again for its shares. */
export class JobOrigin {
  readonly message: Mining.NewExtendedMiningJob
  readonly prevHash: Mining.SetNewPrevHash
  #path: Uint8Array | undefined
  #networkTarget: Uint8Array | undefined

  constructor(message: Mining.NewExtendedMiningJob, prevHash: Mining.SetNewPrevHash) {
    this.message = message
    this.prevHash = prevHash
  }

  /** The merkle path in one array. */
  get path(): Uint8Array {
    return (this.#path ??= new Uint8Array(Buffer.concat(this.message.merklePath)))
  }

  /** A hash at or below it is a block. */
  get networkTarget(): Uint8Array {
    if (this.#networkTarget === undefined) {
      this.#networkTarget = new Uint8Array(32)
      Target.nBitsToTarget(this.prevHash.nbits, this.#networkTarget, 0)
    }
    return this.#networkTarget
  }
}

export type SharedJob = Server.Job<JobOrigin>

/** Miners join at any time, each with a first job of its own second: so many jobs are looked through. */
const REMEMBERED = 16

export class SharedJobs {
  #recent: ReadonlyArray<SharedJob> = []
  #nextId: number

  /**
   * `now` in milliseconds since 1970. Ids go on from it, faster than jobs come, because cpuminer ignores a job whose id it knows
   * from the connection before.
   */
  constructor(now: number) {
    this.#nextId = Math.max(0, Math.floor(now)) * 16
  }

  /** The job of these messages; with `clean`, one that makes all earlier ones stale. Undefined if the coinbase is broken. */
  get(message: Mining.NewExtendedMiningJob, prevHash: Mining.SetNewPrevHash, clean: boolean): SharedJob | undefined {
    const known = this.#recent.find(
      ({ notify, work }) =>
        notify.clean === clean && isSameWork(work.message, message) && isSamePlace(work.prevHash, prevHash)
    )
    return known ?? this.make(message, prevHash, clean)
  }

  /** A job with an id of its own. */
  make(message: Mining.NewExtendedMiningJob, prevHash: Mining.SetNewPrevHash, clean: boolean): SharedJob | undefined {
    const stripped = stripWitness(message.coinbaseTxPrefix, message.coinbaseTxSuffix)
    if (Result.isFailure(stripped)) return undefined
    const { prefix, suffix } = stripped.success
    const job = new Server.Job(
      {
        jobId: (this.#nextId++).toString(16),
        prevHash: prevHash.prevHash,
        coinbasePrefix: prefix,
        coinbaseSuffix: suffix,
        merklePath: message.merklePath,
        version: message.version,
        nbits: prevHash.nbits,
        ntime: Math.max(message.minNtime ?? 0, prevHash.minNtime),
        clean
      },
      new JobOrigin(message, prevHash)
    )
    this.#recent = [job, ...this.#recent.slice(0, REMEMBERED - 1)]
    return job
  }
}

const isSameWork = (a: Mining.NewExtendedMiningJob, b: Mining.NewExtendedMiningJob): boolean =>
  a === b ||
  (a.jobId === b.jobId &&
    a.minNtime === b.minNtime &&
    a.version === b.version &&
    a.versionRollingAllowed === b.versionRollingAllowed &&
    isSame(a.coinbaseTxPrefix, b.coinbaseTxPrefix) &&
    isSame(a.coinbaseTxSuffix, b.coinbaseTxSuffix) &&
    (a.merklePath === b.merklePath ||
      (a.merklePath.length === b.merklePath.length &&
        a.merklePath.every((node, index) => isSame(node, b.merklePath[index]!)))))

const isSamePlace = (a: Mining.SetNewPrevHash, b: Mining.SetNewPrevHash): boolean =>
  a === b || (a.minNtime === b.minNtime && a.nbits === b.nbits && isSame(a.prevHash, b.prevHash))

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a === b || Buffer.compare(a, b) === 0
