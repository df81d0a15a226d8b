/**
 * Checks shares (specification, sections 5.3.11, 5.3.12 and 5.3.14) and computes the difficulty of each. Applies the cheapest
 * rules first. One validator serves all channels of a server. It holds its results in fields until the next share, so that a
 * share allocates nothing.
 */
import { ShareCheck, Target, Version } from "@sluice/core"
import { ErrorCode, type Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import type { Job } from "../jobs/job.ts"
import type { Channel, CheckedJob } from "../server/channel.ts"
import type { ActiveJob, ChannelJobs, Jobs, PlacedJob, PrevHash } from "../jobs/jobs.ts"
import type { ChannelPolicy } from "../server/policy.ts"
import { merkleRootsOf } from "./merkle-roots.ts"
import { type HashedShare, ShareHashes } from "./share-hashes.ts"
import { SHARE_DUPLICATE, SHARE_SET_FULL } from "./share-set.ts"

/** Not in the specification: the channel submitted more shares for this previous hash than the server can remember. */
export const TOO_MANY_SHARES = "too-many-shares"

/** Not in the specification: the connection submits more shares a second than the policy allows. */
export const TOO_MANY_SHARES_PER_SECOND = "too-many-shares-per-second"

/** Consensus lets a block's time be two hours ahead of the clock. */
const MAX_FUTURE_SECONDS = 7200

/** The least shares to hash together. Fewer are faster one by one. */
const MIN_TOGETHER = 3

const codes = ErrorCode.submitShares
const NO_EXTRANONCE = new Uint8Array(0)
/** Where the target is in the bytes of a `CheckedJob`. */
const TARGET_AT = 32

/** The fields that shares of both kinds have. */
export interface SubmittedShare {
  readonly nonce: number
  readonly ntime: number
  readonly version: number
}

export class ShareValidator {
  /** Whether the share was hashed. The fields below are valid only then. */
  isHashed = false
  /** The difficulty that the share is credited with. */
  difficulty = 0
  /** The difficulty of an accepted share's hash. */
  hashDifficulty = 0
  /** Whether the share is a block. */
  isBlock = false
  /** Whether the share meets the target at which the source of its job wants shares. */
  isForSource = false
  readonly #check = new ShareCheck()
  readonly #hashes = new ShareHashes()
  readonly #policy: ChannelPolicy

  constructor(policy: ChannelPolicy) {
    this.#policy = policy
  }

  /** The hash of the share's header: 32 bytes, internal order. */
  get hash(): Uint8Array {
    return this.#check.digest
  }

  /**
   * Hashes the shares among a connection's messages together, so that `standard` and `extended` find the hashes. Applies no
   * rule. Call `forgetHashes` after the messages: the hashes belong to the jobs of this moment.
   */
  hashTogether(messages: ReadonlyArray<Mining.ToServer>, channels: ReadonlyMap<number, Channel>, jobs: Jobs): void {
    if (messages.length < MIN_TOGETHER || jobs.prevHash === undefined) return
    const shares: Array<HashedShare> = []
    for (const share of messages) {
      if (share._tag !== "SubmitSharesStandard" && share._tag !== "SubmitSharesExtended") continue
      const channel = channels.get(share.channelId)
      const active = channel?.jobs.active(share.jobId)
      if (channel === undefined || active === undefined || !channel.has(active, channel.jobs)) continue
      const { job } = active
      const { prefix, rollableSize } = channel.leaseOf(job.id)
      if (share._tag === "SubmitSharesExtended") {
        const { extranonce } = share
        if (channel.kind !== "extended" || extranonce.length !== rollableSize) continue
        shares.push({ share, job, extranoncePrefix: prefix, extranonce, merkleRoot: undefined })
      } else if (channel.kind === "standard") {
        const merkleRoot = this.merkleRoot(channel, job)
        shares.push({ share, job, extranoncePrefix: prefix, extranonce: NO_EXTRANONCE, merkleRoot })
      }
    }
    if (shares.length >= MIN_TOGETHER) this.#hashes.compute(shares, jobs.prevHash)
  }

  forgetHashes(): void {
    this.#hashes.forget()
  }

  /**
   * Checks a share of a standard channel for an active job. Returns an error code, or `undefined` for a valid share. Without
   * room for one more, only a block is valid.
   */
  standard(
    channel: Channel,
    active: ActiveJob,
    jobs: ChannelJobs,
    share: SubmittedShare,
    hasRoom: boolean,
    now: number
  ): string | undefined {
    this.isHashed = false
    const prevHash = jobs.prevHash!
    const broken = this.#brokenRule(active.job, active.minNtime ?? channel.minNtime(jobs), prevHash, share, now)
    if (broken !== undefined) return broken
    const checked = this.#checked(channel, active)
    if (!this.#hashes.take(share, this.#check.digest)) {
      this.#check.hash(share.version, prevHash.hash, checked.bytes, share.ntime, prevHash.nbits, share.nonce)
    }
    return this.#checkHash(channel, checked, jobs, prevHash, hasRoom)
  }

  /** As `standard`, for an extended channel. */
  extended(
    channel: Channel,
    active: ActiveJob,
    jobs: ChannelJobs,
    share: SubmittedShare,
    extranonce: Uint8Array,
    hasRoom: boolean,
    now: number
  ): string | undefined {
    this.isHashed = false
    if (extranonce.length !== channel.lease.rollableSize) return codes.badExtranonceSize
    const prevHash = jobs.prevHash!
    const broken = this.#brokenRule(active.job, active.minNtime ?? channel.minNtime(jobs), prevHash, share, now)
    if (broken !== undefined) return broken
    if (!this.#hashes.take(share, this.#check.digest)) {
      this.#root(channel.leaseOf(active.job.id), active.job, extranonce)
      this.#check.hash(share.version, prevHash.hash, this.#check.root, share.ntime, prevHash.nbits, share.nonce)
    }
    return this.#checkHash(channel, this.#checked(channel, active), jobs, prevHash, hasRoom)
  }

  /** The job of a share, which is mostly the one of the share before. Its target and merkle root stay as they are. */
  #checked(channel: Channel, active: ActiveJob): CheckedJob {
    const last = channel.checked
    if (last?.active === active) return last
    const period = channel.targetOf(active)
    const bytes = new Uint8Array(64)
    if (channel.kind === "standard") bytes.set(this.merkleRoot(channel, active.job))
    bytes.set(period.target, TARGET_AT)
    const { difficulty } = period
    return (channel.checked = { active, epoch: channel.jobs.epoch, period, difficulty, bytes })
  }

  /** Whether a share is a block of this job with this prefix. Applies no other rule. `hash` is then the hash of the block. */
  isBlockOf(
    { job, prevHash }: PlacedJob,
    lease: ExtranonceLease,
    share: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended
  ): boolean {
    const extranonce = share._tag === "SubmitSharesExtended" ? share.extranonce : NO_EXTRANONCE
    if (extranonce.length !== lease.rollableSize) return false
    if (job.merkleRoot === undefined) this.#root(lease, job, extranonce)
    const root = job.merkleRoot ?? this.#check.root
    this.#check.hash(share.version, prevHash.hash, root, share.ntime, prevHash.nbits, share.nonce)
    return this.#check.meets(prevHash.target, 0)
  }

  /** The merkle root of a job on a standard channel: 32 bytes, internal order. */
  merkleRoot(channel: Channel, job: Job): Uint8Array {
    const known = channel.roots.get(job.id) ?? job.merkleRoot
    if (known !== undefined) return known
    this.#root(channel.leaseOf(job.id), job, NO_EXTRANONCE)
    const root = this.#check.root.slice()
    channel.roots.set(job.id, root)
    return root
  }

  /** Computes the merkle roots of a job for many standard channels at once, much cheaper than `merkleRoot` one by one. */
  prepareMerkleRoots(channels: Iterable<Channel>, job: Job): void {
    const missing: Array<Channel> = []
    for (const channel of channels) {
      if (channel.kind === "standard" && channel.roots.get(job.id) === undefined) missing.push(channel)
    }
    if (missing.length < MIN_TOGETHER) return
    const extranonces = missing.map((channel) => {
      return { extranoncePrefix: channel.leaseOf(job.id).prefix, extranonce: NO_EXTRANONCE }
    })
    const roots = merkleRootsOf(job, extranonces)
    if (roots === undefined) return
    missing.forEach((channel, index) => channel.roots.set(job.id, roots.slice(index * 32, index * 32 + 32)))
  }

  #root({ prefix }: ExtranonceLease, job: Job, extranonce: Uint8Array): void {
    this.#check.merkleRoot(
      job.coinbasePrefix,
      prefix,
      extranonce,
      job.coinbaseSuffix,
      job.merklePathBytes,
      job.merklePath.length
    )
  }

  #brokenRule(job: Job, minNtime: number, prevHash: PrevHash, share: SubmittedShare, now: number): string | undefined {
    if (share.version !== job.version) {
      if (!job.versionRollingAllowed) return codes.versionRollingNotAllowed
      if (!Version.isVersionRolledWithin(job.version, share.version, Version.VERSION_MASK))
        return codes.invalidNonRollableVersionBit
    }
    if (share.ntime < minNtime) return codes.invalidShare
    return share.ntime > latestNtime(prevHash, this.#policy, now) ? codes.invalidShare : undefined
  }

  /**
   * A hash that meets the network's target is a block even if the channel's target is harder, as on a test chain. The share is
   * then credited with the network's difficulty, because it proves no more work.
   */
  #checkHash(
    channel: Channel,
    checked: CheckedJob,
    jobs: ChannelJobs,
    prevHash: PrevHash,
    hasRoom: boolean
  ): string | undefined {
    const { active, bytes, difficulty } = checked
    const isBlock = this.#check.meets(prevHash.target, 0)
    const isShare = this.#check.meets(bytes, TARGET_AT)
    this.isHashed = true
    this.isBlock = isBlock
    const { submitTarget } = active
    this.isForSource = submitTarget === undefined ? isBlock : this.#check.meets(submitTarget, 0)
    if (!isBlock && !isShare) return codes.difficultyTooLow
    // Blocks may use twice the memory, because no such limit may refuse a block.
    const limit = isBlock ? this.#policy.maxSharesPerPrevHash * 2 : this.#policy.maxSharesPerPrevHash
    const shares = channel.shares
    const isLate = channel.isReplaced(checked, jobs)
    if (isLate && !isBlock && channel.lateShares >= this.#policy.maxLateShares) return codes.staleShare
    this.difficulty = isShare ? difficulty : Target.targetToDifficulty(prevHash.target, 0)
    if (!hasRoom && !isBlock) return TOO_MANY_SHARES_PER_SECOND
    const verdict = shares.add(this.#check.digest, limit)
    if (verdict === SHARE_DUPLICATE) return codes.duplicateShare
    if (verdict === SHARE_SET_FULL) return TOO_MANY_SHARES
    if (isLate) channel.lateShares++
    this.hashDifficulty = Target.targetToDifficulty(this.#check.digest, 0)
    return undefined
  }
}

/** The latest valid nTime of a share, in seconds (5.3.11). */
export const latestNtime = (
  { ntime, receivedAt }: PrevHash,
  { ntimeDriftSeconds }: Pick<ChannelPolicy, "ntimeDriftSeconds">,
  now: number
): number => {
  const passed = Math.max(0, Math.floor((now - receivedAt) / 1000))
  return Math.min(ntime + passed + ntimeDriftSeconds, Math.max(ntime, Math.floor(now / 1000)) + MAX_FUTURE_SECONDS)
}

/** The error code for a job that is not active: it is stale, unknown, or a future job without a previous hash. */
export const refusalOfJob = (jobId: number, channel: Channel, jobs: ChannelJobs): string => {
  if (!channel.mayHave(jobId, jobs)) return codes.invalidJobId
  for (const job of jobs.futureJobs()) if (job.id === jobId) return codes.invalidJobId
  return codes.staleShare
}
