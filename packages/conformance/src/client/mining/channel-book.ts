/** The kit's record of one channel that it opened for a client, by which it judges shares (5.3). */
import { ShareCheck } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import type { Breach } from "../ledger.ts"

export interface PrevHash {
  /** Counts the previous hashes of the channel, from 1 on. */
  readonly number: number
  readonly bytes: Uint8Array
  readonly minNtime: number
  readonly nbits: number
  /** Milliseconds. */
  readonly sentAt: number
}

/**
 * A job of one channel. "future": no SetNewPrevHash has named it. "active": it may be mined. "stale": another previous hash
 * has replaced its own. "dropped": it was a future job when SetNewPrevHash named another.
 */
export interface ChannelJob {
  readonly jobId: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  /** The merkle root with this extranonce and the prefix that was set when the job was sent (5.3.10). */
  readonly rootWith: (extranonce: Uint8Array) => Uint8Array
  readonly wasFuture: boolean
  state: "future" | "active" | "stale" | "dropped"
  prevHash: PrevHash | undefined
  minNtime: number
  startedAt: number
  /** The target that its shares must meet. */
  target: Uint8Array
  /** The first breach that a share of it showed. */
  breach: Breach | undefined
}

export class ChannelBook {
  readonly id: number
  readonly kind: "standard" | "extended"
  /** Bytes that the client rolls; 0 on a standard channel. */
  readonly extranonceSize: number
  groupId: number
  prefix: Uint8Array
  /** The target of jobs that are sent from now on (5.3.21). */
  target: Uint8Array
  readonly jobs = new Map<number, ChannelJob>()
  prevHash: PrevHash | undefined = undefined
  /** The number of the latest previous hash that the client has submitted a share for. */
  shownPrevHash = 0
  lastSequenceNumber: number | undefined = undefined
  /** Hashes of the shares that were submitted. */
  readonly submitted = new Set<string>()
  closed: "by-us" | "by-client" | undefined = undefined

  constructor(
    { channelId, extranoncePrefix, groupChannelId, target }: Opened,
    kind: ChannelBook["kind"],
    extranonceSize: number
  ) {
    this.id = channelId
    this.kind = kind
    this.groupId = groupChannelId
    this.prefix = extranoncePrefix
    this.target = target
    this.extranonceSize = extranonceSize
  }

  /** Records a job that was sent. A job with `minNtime` is active at once, on the current previous hash. */
  addJob(job: Mining.NewMiningJob | Mining.NewExtendedMiningJob, versionRollingAllowed: boolean, now: number): void {
    const { jobId, minNtime, version } = job
    const { prefix, prevHash, target } = this
    const isFuture = minNtime === undefined
    this.jobs.set(jobId, {
      jobId,
      version,
      versionRollingAllowed,
      rootWith: job._tag === "NewMiningJob" ? () => job.merkleRoot : (extranonce) => rootOf(job, prefix, extranonce),
      wasFuture: isFuture,
      state: isFuture ? "future" : "active",
      prevHash: isFuture ? undefined : prevHash,
      minNtime: minNtime ?? 0,
      startedAt: now,
      target,
      breach: undefined
    })
    for (const [id, { state }] of this.jobs) {
      if (this.jobs.size <= MAX_JOBS) break
      if (state === "stale" || state === "dropped") this.jobs.delete(id)
    }
  }

  /** Records a SetNewPrevHash that was sent: only the job that it names stays active (5.3.17). */
  setPrevHash({ jobId, minNtime, nbits, prevHash }: Mining.SetNewPrevHash, now: number): void {
    const number = (this.prevHash?.number ?? 0) + 1
    this.prevHash = { number, bytes: prevHash, minNtime, nbits, sentAt: now }
    for (const job of this.jobs.values()) {
      if (job.jobId === jobId) {
        Object.assign(job, { state: "active", prevHash: this.prevHash, minNtime, startedAt: now, target: this.target })
      } else if (job.state === "active") job.state = "stale"
      else if (job.state === "future") job.state = "dropped"
    }
  }

  /**
   * Records a SetTarget that was sent. The section does not say which target an active job has that was sent as a future
   * job, so its shares may use the easier of the two.
   */
  setTarget(target: Uint8Array): void {
    const isEasier = Buffer.compare(target.toReversed(), this.target.toReversed()) > 0
    this.target = target
    for (const job of this.jobs.values()) {
      if (isEasier && job.state === "active" && job.wasFuture) job.target = target
    }
  }
}

interface Opened {
  readonly channelId: number
  readonly extranoncePrefix: Uint8Array
  readonly groupChannelId: number
  readonly target: Uint8Array
}

/** The most jobs to remember: more than a run sends to a channel between two previous hashes. */
const MAX_JOBS = 64

const check = new ShareCheck()

/** The merkle root: the coinbase with this extranonce, hashed up the merkle path (5.3.16). */
export const rootOf = (
  { coinbaseTxPrefix, coinbaseTxSuffix, merklePath }: Mining.NewExtendedMiningJob,
  prefix: Uint8Array,
  extranonce: Uint8Array
): Uint8Array => {
  const path = new Uint8Array(Buffer.concat(merklePath))
  check.merkleRoot(coinbaseTxPrefix, prefix, extranonce, coinbaseTxSuffix, path, merklePath.length)
  return check.root.slice()
}
