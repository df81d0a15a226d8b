/**
 * One channel on the client's end (specification, section 5.2): its target, its part of the extranonce, the jobs that wait for
 * a previous hash, and the job that is mined. It only keeps state: the connection's machine checks every message first.
 */
import { ShareCheck } from "@sluice/core"
import { forgetOldest } from "./forget-oldest.ts"
import { PendingShares } from "./pending-shares.ts"
import type { ChannelWork } from "./channel-work.ts"

/** A previous hash in force, from SetNewPrevHash. */
export interface PrevHash {
  readonly prevHash: Uint8Array
  readonly minNtime: number
  readonly nbits: number
  /** Milliseconds of the clock behind `now`. */
  readonly receivedAt: number
}

/** The body of NewMiningJob. */
export interface StandardJob {
  readonly _tag: "StandardJob"
  readonly jobId: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  readonly merkleRoot: Uint8Array
}

/** The body of NewExtendedMiningJob, its coinbase stripped and its merkle path in one array. */
export interface ExtendedJob {
  readonly _tag: "ExtendedJob"
  readonly jobId: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  readonly merklePath: Uint8Array
}

/** A job with the extranonce prefix that the channel had when the job arrived, or with the root made with that prefix. */
type ChannelJob = StandardJob | (ExtendedJob & { readonly extranoncePrefix: Uint8Array })

export interface ChannelSettings {
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly target: Uint8Array
  /** The easiest target that the client requested. */
  readonly maxTarget: Uint8Array
  readonly extranoncePrefix: Uint8Array
  readonly extranonceSize: number
  readonly maxFutureJobs: number
  readonly maxPendingShares: number
}

/** The most job ids of one previous hash that a channel remembers: more than a job a second between two usual blocks. */
const MAX_VALID_JOB_IDS = 1024

/** The most ids of jobs of the client's own that a channel remembers. */
const MAX_CUSTOM_JOB_IDS = 256

export class ClientChannel {
  readonly channelId: number
  readonly kind: "standard" | "extended"
  /** Bytes of extranonce that this end rolls; 0 for a standard channel. */
  readonly extranonceSize: number
  /** The target of the jobs that become active from now on (5.3.21). */
  target: Uint8Array
  /**
   * The easiest target that the client has ever requested on the channel. UpdateChannel has no answer, so the client cannot
   * know when the server has received a harder one.
   */
  maxTarget: Uint8Array
  extranoncePrefix: Uint8Array
  groupChannelId: number | undefined = undefined
  /** The work to mine now. */
  work: ChannelWork | undefined = undefined
  prevHash: PrevHash | undefined = undefined
  readonly pending: PendingShares
  readonly #maxFutureJobs: number
  readonly #futureJobs = new Map<number, ChannelJob>()
  /** Jobs of the present previous hash. The server still accepts their shares. */
  readonly #validJobIds = new Set<number>()
  /** Jobs of the client's own that the server took, by its ids. They outlast the server's previous hashes. */
  readonly #customJobIds = new Set<number>()
  #sequenceNumber = 0

  constructor(settings: ChannelSettings) {
    this.channelId = settings.channelId
    this.kind = settings.kind
    this.target = settings.target
    this.maxTarget = settings.maxTarget
    this.extranoncePrefix = settings.extranoncePrefix
    this.extranonceSize = settings.extranonceSize
    this.pending = new PendingShares(settings.maxPendingShares)
    this.#maxFutureJobs = settings.maxFutureJobs
  }

  /** Size of the full extranonce in bytes. It is the same for all channels of a group (5.2.3). */
  get fullExtranonceSize(): number {
    return this.extranoncePrefix.length + this.extranonceSize
  }

  /** Whether a share for the job can still be accepted. */
  isValidJob(jobId: number): boolean {
    return this.#validJobIds.has(jobId) || this.#customJobIds.has(jobId)
  }

  isFutureJob(jobId: number): boolean {
    return this.#futureJobs.has(jobId)
  }

  /** Whether another job that is valid, or may become valid, has this id (5.3.15). */
  isKnownJob(jobId: number): boolean {
    return this.isValidJob(jobId) || this.#futureJobs.has(jobId)
  }

  /** Keeps a job until a SetNewPrevHash names it. Forgets the oldest if there are too many. */
  addFutureJob(job: StandardJob | ExtendedJob): void {
    this.#futureJobs.set(job.jobId, this.#own(job))
    forgetOldest(this.#futureJobs, this.#maxFutureJobs)
  }

  /** Makes the job the work to mine, on the previous hash in force. */
  startJob(job: StandardJob | ExtendedJob, minNtime: number, prevHash: PrevHash): ChannelWork {
    return this.#start(this.#own(job), minNtime, prevHash)
  }

  /** Makes the future job, or else `groupJob`, the work to mine on a new previous hash. All other jobs become stale. */
  startFutureJob(jobId: number, groupJob: ExtendedJob | undefined, prevHash: PrevHash): ChannelWork | undefined {
    const job = this.#futureJobs.get(jobId) ?? (groupJob === undefined ? undefined : this.#own(groupJob))
    if (job === undefined) return undefined
    this.#futureJobs.clear()
    this.#validJobIds.clear()
    this.prevHash = prevHash
    return this.#start(job, prevHash.minNtime, prevHash)
  }

  /** Notes that the server takes shares of a job of the client's own, which knows when the job becomes stale. */
  addCustomJob(jobId: number): void {
    this.#customJobIds.add(jobId)
    forgetOldest(this.#customJobIds, MAX_CUSTOM_JOB_IDS)
  }

  nextSequenceNumber(): number {
    this.#sequenceNumber = (this.#sequenceNumber + 1) >>> 0
    return this.#sequenceNumber
  }

  /** The prefix at the job's arrival holds for the job (5.3.10), so a standard channel can compute the root now. */
  #own(job: StandardJob | ExtendedJob): ChannelJob {
    if (job._tag === "StandardJob") return job
    const { extranoncePrefix } = this
    if (this.kind === "extended") return { ...job, extranoncePrefix }
    const { coinbasePrefix, coinbaseSuffix, jobId, merklePath, version, versionRollingAllowed } = job
    const nodes = merklePath.length / 32
    check.merkleRoot(coinbasePrefix, extranoncePrefix, NO_EXTRANONCE, coinbaseSuffix, merklePath, nodes)
    return { _tag: "StandardJob", jobId, version, versionRollingAllowed, merkleRoot: check.root.slice() }
  }

  #start(job: ChannelJob, minNtime: number, prevHash: PrevHash): ChannelWork {
    this.#validJobIds.add(job.jobId)
    forgetOldest(this.#validJobIds, MAX_VALID_JOB_IDS)
    const fixed = {
      channelId: this.channelId,
      jobId: job.jobId,
      version: job.version,
      versionRollingAllowed: job.versionRollingAllowed,
      prevHash: prevHash.prevHash,
      nbits: prevHash.nbits,
      minNtime: Math.max(minNtime, prevHash.minNtime),
      prevHashNtime: prevHash.minNtime,
      prevHashReceivedAt: prevHash.receivedAt,
      target: this.target
    }
    this.work =
      job._tag === "StandardJob"
        ? { _tag: "StandardWork", ...fixed, merkleRoot: job.merkleRoot }
        : {
            _tag: "ExtendedWork",
            ...fixed,
            coinbasePrefix: job.coinbasePrefix,
            extranoncePrefix: job.extranoncePrefix,
            extranonceSize: this.extranonceSize,
            coinbaseSuffix: job.coinbaseSuffix,
            merklePath: job.merklePath
          }
    return this.work
  }
}

const NO_EXTRANONCE = new Uint8Array(0)
const check = new ShareCheck()
