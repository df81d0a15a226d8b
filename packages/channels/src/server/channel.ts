/** One open channel on the server's end: its user, the targets and prefixes of its jobs, and its difficulty. */
import { Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import { hashRateToTarget, MAX_TARGET, u256FromBytes, u256ToBytes } from "../difficulty/hash-rate.ts"
import type { ChannelEvent, ChannelInfo, ShareAccepted } from "./event.ts"
import { CustomChannelJobs } from "../jobs/custom-channel-jobs.ts"
import { type ActiveJob, type ChannelJobs, GROUP_CHANNEL_ID } from "../jobs/jobs.ts"
import type { SourceChannel } from "../jobs/source-channel.ts"
import { MerkleRoots } from "../shares/merkle-roots.ts"
import type { ChannelPolicy } from "./policy.ts"
import type { HashRateSum } from "../difficulty/hash-rate-sum.ts"
import { ProvenHashRate } from "../difficulty/proven-hash-rate.ts"
import { ShareSet, ShareSets } from "../shares/share-set.ts"
import { REMEMBERED_MS, type ShownWork } from "../difficulty/shown-rate.ts"
import { WaitingShares } from "./waiting-shares.ts"
import { Vardiff } from "../difficulty/vardiff.ts"

/** A target that holds for the jobs that become active after a number of activations (5.3.21). */
export interface TargetPeriod {
  readonly since: number
  /** 32 bytes, little-endian. */
  readonly target: Uint8Array
  readonly difficulty: number
}

/** An extranonce prefix, and the first job id that it holds for (5.3.10). */
interface PrefixPeriod {
  readonly fromJobId: number
  readonly lease: ExtranonceLease
}

/** What the shares of one job on this channel have in common. */
export interface CheckedJob {
  readonly active: ActiveJob
  readonly epoch: number
  readonly period: TargetPeriod
  /** Of the period. */
  readonly difficulty: number
  /** The merkle root of a standard channel, and the target: 32 bytes each, side by side. */
  readonly bytes: Uint8Array
}

/** The channel's target and prefix when a job was sent to it alone. */
interface OwnJob {
  readonly target: TargetPeriod
  readonly lease: ExtranonceLease
}

export class Channel {
  // What each share touches stands first and side by side, as in `Downstream` of @sluice/mining-server.
  /** Of `info`. */
  readonly id: number
  readonly kind: ChannelInfo["kind"]
  readonly info: ChannelInfo
  /** The channel at the source behind this one, with the shares that wait for its verdict. */
  readonly source: WaitingShares | undefined
  /** Its jobs: the server's, those of the channel at the source, or those that the client sets. */
  readonly jobs: ChannelJobs
  /** The job of the last share, so that the next one finds what it needs in one place. */
  checked: CheckedJob | undefined
  /** The epoch in which the channel was opened, the min_ntime that it got then, and `Jobs.restarts` at that time. */
  readonly #firstEpoch: number
  readonly #firstNtime: number
  readonly #restarts: number
  #epoch: number
  #shares: ShareSet
  /** Accepted shares that are not acknowledged yet. They are counted with their acknowledgement or for a review, many at once. */
  #pending: Array<ShareAccepted> = []
  /** How many of them, from the first on, are counted for the hash rate. */
  #counted = 0
  /** The job of the newest variant sent here, how many variants of it were sent, and the target of the last one. */
  #repeatedId: number | undefined
  #repeats = 0
  #repeatedWith: TargetPeriod | undefined
  /** Accepted shares of this previous hash for jobs that harder ones had replaced. */
  lateShares = 0

  /** The channel's group (5.2.3). */
  groupId = GROUP_CHANNEL_ID
  /** The first job id after the channel was opened. `#firstJobs` are the older jobs that were sent on it. */
  readonly #firstJobId: number
  readonly #firstJobs: Array<number> = []
  /** The easiest target that the client accepts (`max_target`). */
  maxTarget: bigint
  nominalHashRate: number
  readonly vardiff: Vardiff
  /** Only of a channel with custom jobs. */
  readonly #shareSets: ShareSets | undefined
  /** Merkle roots of a standard channel's last jobs. */
  readonly roots = new MerkleRoots()
  readonly #proven: ProvenHashRate
  readonly #openedAt: number
  /** The least hash rate that the channel was assumed to have when it was opened. */
  readonly #leastHashRate: number
  readonly #policy: ChannelPolicy
  /** The network's nbits when the target was chosen last; beside it the source's target of that moment. */
  #nbits: number | undefined
  #submitTarget: Uint8Array | undefined
  /** Oldest first; the last one is the target sent last. */
  readonly #targets: Array<TargetPeriod>
  /** Oldest first; the last one is for later jobs. */
  #prefixes: Array<PrefixPeriod>
  /** The last few prefixes that the channel gave back. Another channel may have them now. */
  #pastLeases: ReadonlyArray<ExtranonceLease> = NONE
  /** The targets and prefixes of jobs that were sent to this channel alone, by job id. Made with the first of them. */
  #own: Map<number, OwnJob> | undefined

  constructor(
    info: ChannelInfo,
    lease: ExtranonceLease,
    client: {
      readonly nominalHashRate: number
      /** The least hash rate to assume, and the work of an earlier channel that this one continues. */
      readonly leastHashRate: number
      readonly work: ShownWork | undefined
      readonly maxTarget: bigint
      readonly source?: SourceChannel | undefined
    },
    jobs: ChannelJobs,
    policy: ChannelPolicy,
    now: number
  ) {
    const { source } = client
    this.id = info.channelId
    this.kind = info.kind
    this.info = info
    this.jobs = jobs
    this.#shareSets = jobs instanceof CustomChannelJobs ? new ShareSets(MAX_SHARE_SETS) : undefined
    this.#shares =
      this.#shareSets === undefined || jobs.prevHash === undefined
        ? new ShareSet()
        : this.#shareSets.of(jobs.prevHash.hash)
    this.source = source === undefined ? undefined : new WaitingShares(source)
    this.#firstJobId = source === undefined ? jobs.nextId : jobs.firstId
    this.maxTarget = client.maxTarget
    this.nominalHashRate = client.nominalHashRate
    this.#proven = client.work?.proven ?? new ProvenHashRate(now)
    this.#leastHashRate = client.leastHashRate
    const worked = Math.min(client.work?.hashRate ?? 0, this.#proven.rate(now))
    const hashRate = Math.max(client.nominalHashRate, client.leastHashRate, worked)
    this.vardiff = new Vardiff(hashRate, policy.minHashRate, now)
    this.#policy = policy
    this.#openedAt = now
    this.#epoch = jobs.epoch
    // The first previous hash of a channel at the source comes with its own min_ntime.
    this.#firstEpoch = source === undefined ? jobs.epoch : -1
    this.#firstNtime = jobs.ntimeNow(now)
    this.#restarts = jobs.restarts.count
    this.#targets = [targetPeriod(-1, source?.target ?? this.#wantedTarget(jobs))]
    this.#prefixes = [{ fromJobId: 0, lease }]
  }

  /**
   * Takes a new statement of the client's hash rate. A statement below the rate that shares have shown lately counts as that
   * rate: if the miner has really become weaker, vardiff finds out.
   */
  restate(nominalHashRate: number, now: number): void {
    this.#count()
    this.nominalHashRate = nominalHashRate
    const shown = this.shownRate(now)
    if (nominalHashRate > shown) this.vardiff.restart(nominalHashRate, now)
    // A restart makes vardiff forget, so only a large difference is a reason for one.
    else if (this.vardiff.hashRate > shown * REPLACING_FACTOR) this.vardiff.restart(shown, now)
  }

  /** The hash rate that shares of this channel, or of earlier ones, have shown lately; 0 if none have. */
  shownRate(now: number): number {
    const least = now - this.#openedAt < REMEMBERED_MS ? this.#leastHashRate : 0
    return Math.min(Math.max(this.#proven.rate(now), least), this.vardiff.shownRate ?? Infinity)
  }

  addTo(sum: HashRateSum, now: number): void {
    sum.add(this.vardiff.hashRate, this.#proven, now)
  }

  /** The work to remember when the channel is closed; `undefined` without a share. */
  shownWork(now: number): ShownWork | undefined {
    if (!this.#proven.hasWork) return undefined
    const { userIdentity } = this.info
    return { userIdentity, proven: this.#proven, hashRate: this.shownRate(now), closedAt: now, isTaken: false }
  }

  /** The target sent last. */
  get current(): TargetPeriod {
    return this.#targets.at(-1)!
  }

  /** The target that a share of this job must meet: the one in force when the job became active here (5.3.21). */
  targetOf({ activation, job }: ActiveJob): TargetPeriod {
    const own = this.#own?.get(job.id)
    if (own !== undefined) return own.target
    let index = this.#targets.length - 1
    while (index > 0 && this.#targets[index]!.since >= activation) index--
    return this.#targets[index]!
  }

  /** The target of the newest job, which an honest miner mines. `undefined` before the first job. */
  newestTarget(jobs: ChannelJobs): TargetPeriod | undefined {
    const { currentActive } = jobs
    if (currentActive === undefined) return undefined
    return this.#repeatedId === currentActive.job.id ? this.#repeatedWith : this.targetOf(currentActive)
  }

  /** The extranonce prefix for later jobs. */
  get lease(): ExtranonceLease {
    return this.#prefixes.at(-1)!.lease
  }

  /** The extranonce prefix that the channel had when this job was sent to it (5.3.10). */
  leaseOf(jobId: number): ExtranonceLease {
    if (this.#prefixes.length === 1) return this.#prefixes[0]!.lease
    const own = this.#own?.get(jobId)
    if (own !== undefined) return own.lease
    let index = this.#prefixes.length - 1
    while (index > 0 && ((jobId - this.#prefixes[index]!.fromJobId) | 0) < 0) index--
    return this.#prefixes[index]!.lease
  }

  /** All prefixes that the channel holds. */
  get leases(): ReadonlyArray<ExtranonceLease> {
    return this.#prefixes.map(({ lease }) => lease)
  }

  /** The prefixes that a late block may use, including prefixes that were given back. */
  get leasesOfBlocks(): ReadonlyArray<ExtranonceLease> {
    return [...this.leases, ...this.#pastLeases]
  }

  /** Uses another prefix from this job on. Earlier jobs keep theirs. */
  changeLease(lease: ExtranonceLease, fromJobId: number): void {
    this.#prefixes.push({ fromJobId, lease })
  }

  /** Tells the client its prefix for later jobs (5.3.10). */
  get prefixMessage(): Mining.SetExtranoncePrefix {
    return { _tag: "SetExtranoncePrefix", channelId: this.id, extranoncePrefix: this.lease.prefix }
  }

  /** Removes and returns the prefixes that no share can use any more. */
  takeUnusedLeases(jobs: ChannelJobs): ReadonlyArray<ExtranonceLease> {
    if (this.#prefixes.length === 1) return NONE
    const oldest = jobs.oldestId()
    const used = this.#prefixes.filter((_, index) => {
      const next = this.#prefixes[index + 1]
      return next === undefined || ((oldest - next.fromJobId) | 0) < 0
    })
    const unused = this.#prefixes.slice(0, this.#prefixes.length - used.length)
    this.#prefixes = used
    const leases = unused.map(({ lease }) => lease)
    if (leases.length > 0) this.#pastLeases = [...leases, ...this.#pastLeases].slice(0, MAX_PAST_LEASES)
    return leases
  }

  /** Whether the job was sent on this channel. Job ids count up and wrap around. */
  has({ isRepeat, job }: ActiveJob, jobs: ChannelJobs): boolean {
    return isRepeat ? this.#own?.has(job.id) === true : this.mayHave(job.id, jobs)
  }

  /** Whether a job with this id was sent on this channel. For a variant: whether it may have been sent. */
  mayHave(jobId: number, jobs: ChannelJobs): boolean {
    const isLater = (jobId - this.#firstJobId) >>> 0 < (jobs.nextId - this.#firstJobId) >>> 0
    return isLater || this.#firstJobs.includes(jobId)
  }

  /** Notes that a job older than the channel is sent on it. */
  addFirstJob(jobId: number): void {
    this.#firstJobs.push(jobId)
  }

  /** Forgets a job of an earlier previous hash: an idle channel would keep its coinbase and its template in memory. */
  forgetOldJob(): void {
    if (this.checked !== undefined && this.checked.epoch !== this.jobs.epoch) this.checked = undefined
  }

  /** Takes a variant of the current job. The target sent last holds for it at once. `undefined` if there are no more. */
  repeatJob(jobs: ChannelJobs): ActiveJob | undefined {
    const { current } = jobs
    if (current === undefined) return undefined
    const repeats = this.#repeatedId === current.id ? this.#repeats : 0
    const active = jobs.repeat(repeats)
    if (active === undefined) return undefined
    const own = (this.#own ??= new Map())
    for (const jobId of own.keys()) if (jobs.active(jobId) === undefined) own.delete(jobId)
    own.set(active.job.id, { target: this.current, lease: this.lease })
    if (!this.mayHave(active.job.id, jobs)) this.addFirstJob(active.job.id)
    this.#repeatedId = current.id
    this.#repeats = repeats + 1
    this.#repeatedWith = this.current
    return active
  }

  /** Whether a much harder job has replaced this one, so that its shares count as late. */
  isReplaced({ active, difficulty, period }: CheckedJob, jobs: ChannelJobs): boolean {
    if (active === jobs.currentActive && active.job.id !== this.#repeatedId) return false
    const newest = this.newestTarget(jobs)
    return newest !== undefined && newest !== period && newest.difficulty >= difficulty * REPLACING_FACTOR
  }

  /** Whether the network's difficulty, or the source's, has changed since the target was chosen. */
  isOutdated({ currentActive, prevHash }: ChannelJobs): boolean {
    return this.#nbits !== prevHash?.nbits || this.#submitTarget !== currentActive?.submitTarget
  }

  /** Adopts the target for the present hash rate. `undefined` if it is in force already. */
  retarget(jobs: ChannelJobs): TargetPeriod | undefined {
    this.#count()
    const target = this.#wantedTarget(jobs)
    if (Buffer.compare(target, this.current.target) === 0) return undefined
    return this.setTarget(target, jobs.activations, jobs)
  }

  /** Adopts a target for the jobs that become active after so many others. */
  setTarget(target: Uint8Array, since: number, jobs: ChannelJobs): TargetPeriod {
    const period = targetPeriod(since, target)
    // No job became active since the last change, so that target never held for one.
    if (this.current.since === since) this.#targets.pop()
    const oldest = jobs.oldestActivation()
    while (this.#targets.length > 1 && this.#targets[1]!.since < oldest) this.#targets.shift()
    this.#targets.push(period)
    return period
  }

  /** The least valid ntime of a share: the least min_ntime of the channel's SetNewPrevHash for this hash (5.3.11, 5.3.17). */
  minNtime(jobs: ChannelJobs): number {
    if (jobs.epoch !== this.#firstEpoch) return jobs.prevHash?.ntime ?? 0
    const { count, ntime } = jobs.restarts
    return count === this.#restarts ? this.#firstNtime : Math.min(this.#firstNtime, ntime)
  }

  /** The shares known for the previous hash of this epoch. */
  get shares(): ShareSet {
    const { epoch, prevHash } = this.jobs
    if (this.#epoch !== epoch) {
      this.#epoch = epoch
      if (this.#shareSets === undefined) this.#shares.clear()
      else if (prevHash !== undefined) this.#shares = this.#shareSets.of(prevHash.hash)
      this.lateShares = 0
    }
    return this.#shares
  }

  /** As `ChannelServer.touch`. */
  touch(): number {
    const { checked } = this
    const looks = this.info.channelId ^ this.#shares.touch() ^ (this.#pending[0] === undefined ? 0 : 1)
    return checked === undefined ? looks : looks ^ checked.bytes[0]! ^ checked.difficulty
  }

  accept(share: ShareAccepted): void {
    this.#pending.push(share)
  }

  /** How many shares were accepted since the last acknowledgement. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /** Counts accepted shares for the hash rate, before the target changes by which they are counted. */
  #count(): void {
    const { current, vardiff } = this
    for (; this.#counted < this.#pending.length; this.#counted++) {
      const { at, difficulty } = this.#pending[this.#counted]!
      this.#proven.add(difficulty, at)
      vardiff.record(difficulty, current.difficulty, at)
    }
  }

  /** Reviews the hash rate. Returns whether it has changed. */
  review(now: number): boolean {
    this.#count()
    return this.vardiff.review(this.current.difficulty, now)
  }

  /**
   * Counts the shares accepted since the last acknowledgement, and adds them to `events`. Returns their acknowledgement (5.3.13): the
   * last sequence number, how many, and the sum of their difficulties, rounded. `undefined` if there are none. Takes those that came
   * before a time, if one is given.
   */
  takeAcknowledgement(events: Array<ChannelEvent>, before = Infinity): Mining.SubmitSharesSuccess | undefined {
    const later = before === Infinity ? -1 : this.#pending.findIndex(({ at }) => at >= before)
    const shares = later < 0 ? this.#pending : this.#pending.slice(0, later)
    if (shares.length === 0) return undefined
    this.#count()
    this.#pending = later < 0 ? [] : this.#pending.slice(later)
    this.#counted -= shares.length
    let sum = 0
    for (const share of shares) {
      sum += share.difficulty
      events.push(share)
    }
    return {
      _tag: "SubmitShares.Success",
      channelId: this.id,
      lastSequenceNumber: shares.at(-1)!.sequenceNumber,
      newSubmitsAcceptedCount: shares.length,
      newSharesSum: BigInt(Math.round(sum))
    }
  }

  /**
   * The target for the hash rate, within the limits of both ends. It is not harder than the target at which the source wants
   * shares (the network's, or an upstream server's), because a miner does not submit a hash that misses its own target. The
   * exception is a channel that would find more than `MAX_SOURCE_SHARES_PER_SECOND` such shares.
   */
  #wantedTarget({ currentActive, prevHash }: ChannelJobs): Uint8Array {
    const { hashRate } = this.vardiff
    const forRate = hashRateToTarget(hashRate, this.#policy.sharesPerMinute)
    const wanted = forRate < MIN_TARGET ? MIN_TARGET : forRate
    const submitTarget = currentActive?.submitTarget
    const network = prevHash === undefined ? 0n : u256FromBytes(prevHash.target)
    const source = submitTarget === undefined ? 0n : u256FromBytes(submitTarget)
    const easiest = source > network ? source : network
    const hashesEach = Number(MAX_TARGET / (easiest + 1n))
    const chosen = easiest > wanted && hashRate / hashesEach <= MAX_SOURCE_SHARES_PER_SECOND ? easiest : wanted
    this.#nbits = prevHash?.nbits
    this.#submitTarget = submitTarget
    return u256ToBytes(chosen > this.maxTarget ? this.maxTarget : chosen)
  }
}

const NONE: ReadonlyArray<ExtranonceLease> = []
const MAX_PAST_LEASES = 4
/**
 * The previous hashes for which a channel with custom jobs remembers shares. The server's own jobs are never the same twice, but a
 * client could set an old one again when the chain returns to an earlier block, and submit its shares again.
 */
const MAX_SHARE_SETS = 4

/** A job at least this many times as hard as the current one replaces it at once. */
export const REPLACING_FACTOR = 2
/** The most shares for the source that a channel's target is lowered for. Blocks of a regtest chain would be a flood. */
const MAX_SOURCE_SHARES_PER_SECOND = 10

/**
 * The hardest target a channel can have: 2^53 times difficulty 1, a hundred times what the network has in 2026. Sums of
 * such difficulties still fit the U64 of an acknowledgement.
 */
export const MIN_TARGET: bigint = 0xffffn << (208n - 53n)

const targetPeriod = (since: number, target: Uint8Array): TargetPeriod => ({
  since,
  target,
  difficulty: Target.targetToDifficulty(target, 0)
})
