/**
 * The jobs and the previous hash that all channels of a server mine on (specification, sections 5.1.3 and 5.3.15 to
 * 5.3.17). A source of work feeds it: templates, an upstream server or declared jobs. A job has the same id on every channel, so
 * all connections get the same bytes, and the id alone tells the job of a share.
 */
import { type Mining, TemplateDistribution } from "@sluice/protocol"
import { extendedJobMessage, type Job } from "./job.ts"

/**
 * The id of every connection's first group. Channels get the ids after it, because the ids of groups and channels must differ
 * on a connection (5.2.3). With the same group id, a group message is the same bytes on all connections.
 */
export const GROUP_CHANNEL_ID = 1

/** The header fields that do not come from the job. Hashes in internal byte order. */
export interface PrevHash {
  readonly hash: Uint8Array
  /** The least nTime of headers on this hash, in seconds. */
  readonly ntime: number
  /** When the hash came, in milliseconds. */
  readonly receivedAt: number
  readonly nbits: number
  /** The network's target, 32 bytes, little-endian. A header at or below it is a block. */
  readonly target: Uint8Array
}

/** A job that shares may be submitted for. */
export interface ActiveJob {
  readonly job: Job
  /** The number of the job in the order of activation. A target holds for the jobs activated after it (5.3.21). */
  readonly activation: number
  /** Whether it is a variant of another job, made for channels that needed one. */
  readonly isRepeat: boolean
  /** The source takes shares at or below this target: 32 bytes, little-endian. `undefined` if it takes only blocks. */
  readonly submitTarget: Uint8Array | undefined
  /** The least nTime of shares, in seconds, if the job has its own: a custom job. */
  readonly minNtime?: number
}

/** A job and the previous hash of its headers. */
export interface PlacedJob {
  readonly job: Job
  readonly prevHash: PrevHash
}

/** A change that the connections announce to their clients. `message` is addressed to `GROUP_CHANNEL_ID`. */
export type Announcement =
  | { readonly _tag: "FutureJob"; readonly job: Job; readonly message: Mining.NewExtendedMiningJob }
  | {
      readonly _tag: "NewJob"
      readonly job: Job
      readonly minNtime: number
      readonly message: Mining.NewExtendedMiningJob
    }
  | {
      readonly _tag: "NewPrevHash"
      readonly job: Job
      readonly message: Mining.SetNewPrevHash
      /** The same message for a channel or another group. Cached by id and shared by all connections. */
      readonly messageFor: (channelId: number) => Mining.SetNewPrevHash
    }

/** The source's own name for a future job. `setPrevHash` activates the job by it. */
export type JobKey = bigint | number

export interface JobsOptions {
  /**
   * The first job id. Ids count up from it. A number that grows faster than jobs come, such as tenths of a second since 1970,
   * keeps a restarted server from repeating an id that a miner still has.
   */
  readonly firstJobId: number
  /** Whether jobs let miners roll version bits. If not, clients that require it get no channel (5.3.1). */
  readonly versionRollingAllowed: boolean
  /**
   * Makes a variant of one of the source's jobs, with this id and a coinbase of its own. A source that cannot change the
   * coinbase omits `variant`. A much harder target then waits for the next job.
   */
  readonly variant?: (job: Job, id: number) => Job
}

/** The most active jobs of one previous hash. Beyond it, the oldest becomes stale. */
const MAX_ACTIVE_JOBS = 256
/** The most future jobs: as many as a template provider may send. */
const MAX_FUTURE_JOBS = TemplateDistribution.MAX_FUTURE_TEMPLATES
/** How many earlier previous hashes keep their jobs, because a block on one of them may still be on its way. */
export const MAX_PAST = 2
/** The most variants of one job for a channel. */
const MAX_REPEATS = 16

/** The jobs of a channel: those of the server, of the channel at the source behind it, or those that its client sets. */
export type ChannelJobs = Pick<
  Jobs,
  | "firstId"
  | "nextId"
  | "epoch"
  | "prevHash"
  | "restarts"
  | "activations"
  | "current"
  | "currentActive"
  | "active"
  | "placed"
  | "oldestId"
  | "oldestActivation"
  | "ntimeNow"
  | "futureJobs"
  | "repeat"
>

export class Jobs {
  readonly firstId: number
  /** Grows when the previous hash changes. Channels forget the shares of an earlier epoch. */
  epoch = 0
  readonly #variant: JobsOptions["variant"]
  readonly #versionRollingAllowed: boolean
  #activations = 0
  #nextId: number
  #prevHash: PrevHash | undefined
  /** The ntime at which miners began at a moment, and that moment in milliseconds. */
  #began = { ntime: 0, at: 0 }
  /** How often `setPrevHash` set the previous hash that was in force already, and the least ntime that it gave then. */
  #restarts = { count: 0, ntime: Infinity }
  #current: ActiveJob | undefined
  /** Variants of the current job. */
  #repeats: Array<ActiveJob> = []
  #active = new Map<number, ActiveJob>()
  /** Earlier previous hashes, newest first, with the jobs that were active when each ended. */
  #past: ReadonlyArray<{ readonly prevHash: PrevHash; readonly jobs: ReadonlyMap<number, ActiveJob> }> = []
  readonly #future = new Map<JobKey, Job>()

  constructor({ firstJobId, variant, versionRollingAllowed }: JobsOptions) {
    this.#versionRollingAllowed = versionRollingAllowed
    this.#variant = variant
    this.firstId = firstJobId >>> 0
    this.#nextId = this.firstId
  }

  /** Whether the present job lets miners roll version bits; before the first job, whether jobs will. */
  get versionRollingAllowed(): boolean {
    return this.#current?.job.versionRollingAllowed ?? this.#versionRollingAllowed
  }

  /** The previous hash in force; `undefined` until the first `setPrevHash`. */
  get prevHash(): PrevHash | undefined {
    return this.#prevHash
  }

  /** The newest active job, with which a new channel begins. */
  get current(): Job | undefined {
    return this.#current?.job
  }

  get currentActive(): ActiveJob | undefined {
    return this.#current
  }

  /** How many jobs have become active so far. */
  get activations(): number {
    return this.#activations
  }

  /** The id that the next job must have. */
  get nextId(): number {
    return this.#nextId
  }

  /**
   * How often the previous hash in force was set again, as after a reconnection to the source, and the least min_ntime that
   * channels got then.
   */
  get restarts(): { readonly count: number; readonly ntime: number } {
    return this.#restarts
  }

  /** Future jobs, oldest first. A new channel needs them, because the next previous hash names one of them. */
  futureJobs(): Iterable<Job> {
    return this.#future.values()
  }

  active(jobId: number): ActiveJob | undefined {
    return this.#active.get(jobId)
  }

  /** The job with this id if it is active, or was on one of the last previous hashes: its shares may be blocks. */
  placed(jobId: number): PlacedJob | undefined {
    const active = this.#active.get(jobId)
    if (active !== undefined) return { job: active.job, prevHash: this.#prevHash! }
    for (const { jobs, prevHash } of this.#past) {
      const past = jobs.get(jobId)
      if (past !== undefined) return { job: past.job, prevHash }
    }
    return undefined
  }

  /** Whether this was the previous hash before the present one, or before that. */
  hasPast(hash: Uint8Array): boolean {
    return this.#past.some(({ prevHash }) => Buffer.compare(prevHash.hash, hash) === 0)
  }

  /** The id of the oldest job that may get a share, now or after the next previous hash. */
  oldestId(): number {
    let oldest = this.#nextId
    for (const id of this.#active.keys()) if (((id - oldest) | 0) < 0) oldest = id
    for (const { id } of this.#future.values()) if (((id - oldest) | 0) < 0) oldest = id
    return oldest
  }

  /**
   * Takes a variant of the current job, for a channel that already got `count` of them. All channels share the variants, so
   * that no client uses up ids. `undefined` if the source makes no variants or the channel got the most it may.
   */
  repeat(count: number): ActiveJob | undefined {
    const variant = this.#variant
    if (variant === undefined || this.#current === undefined || count >= MAX_REPEATS) return undefined
    while (this.#repeats.length <= count) {
      const { activation, job, submitTarget } = this.#current
      const active = { job: variant(job, this.#takeId()), activation, isRepeat: true, submitTarget }
      this.#active.set(active.job.id, active)
      this.#repeats.push(active)
    }
    return this.#repeats[count]
  }

  /** The activation of the oldest active job. */
  oldestActivation(): number {
    for (const { activation } of this.#active.values()) return activation
    return this.#activations
  }

  /**
   * The ntime at which miners should begin now, in seconds: that of the last `setPrevHash` plus the time since it came (5.3.11),
   * or more if a later job began later.
   */
  ntimeNow(now: number): number {
    const { at, ntime } = this.#began
    return this.#prevHash === undefined ? 0 : ntime + Math.max(0, Math.floor((now - at) / 1000))
  }

  /** Keeps a job with the id `nextId` until `setPrevHash` names its key. Forgets the oldest if there are too many. */
  addFutureJob(key: JobKey, job: Job): Announcement {
    this.#takeIdOf(job)
    this.#future.delete(key)
    this.#future.set(key, job)
    dropOldest(this.#future, MAX_FUTURE_JOBS)
    return { _tag: "FutureJob", job, message: extendedJobMessage(job, GROUP_CHANNEL_ID, undefined) }
  }

  /**
   * Makes a job with the id `nextId` the current one. Earlier jobs stay valid. There must be a previous hash. Pass the same
   * `submitTarget` object as long as its bytes are the same: channels review their targets when the object changes. Miners begin
   * at `leastNtime` or later.
   */
  activateJob(job: Job, now: number, submitTarget?: Uint8Array, leastNtime = 0): Announcement {
    this.#takeIdOf(job)
    this.#activate(job, submitTarget)
    if (leastNtime > this.ntimeNow(now)) this.#began = { ntime: leastNtime, at: now }
    const minNtime = this.ntimeNow(now)
    return { _tag: "NewJob", job, minNtime, message: extendedJobMessage(job, GROUP_CHANNEL_ID, minNtime) }
  }

  /**
   * Activates a future job on a new previous hash. All other jobs become stale. If the hash is already in force, as after a
   * reconnection to the source, the active jobs stay valid: their shares are work for the same block. If only its nbits differ,
   * as on a test network whose difficulty falls with time, they become stale: their headers have the old nbits. Miners begin at
   * the `ntime` that the source sent last, because another source may have another clock.
   * Returns `undefined` and changes nothing if no future job has this key.
   */
  setPrevHash(
    key: JobKey,
    { hash, nbits, ntime, target }: Omit<PrevHash, "receivedAt">,
    now: number,
    submitTarget?: Uint8Array
  ): Announcement | undefined {
    const job = this.#future.get(key)
    if (job === undefined) return undefined
    const old = this.#prevHash
    const isSame = old?.nbits === nbits && Buffer.compare(old.hash, hash) === 0
    this.#began = { ntime: isSame ? Math.max(old.ntime, ntime) : ntime, at: now }
    const { count, ntime: least } = this.#restarts
    this.#restarts = isSame
      ? { count: count + 1, ntime: Math.min(least, this.#began.ntime) }
      : { count: 0, ntime: Infinity }
    this.#prevHash = {
      hash: hash.slice(),
      // Jobs that stay valid keep the range of ntime that their miners know.
      ntime: isSame ? old.ntime : ntime,
      receivedAt: isSame ? old.receivedAt : now,
      nbits,
      target: target.slice()
    }
    this.#future.clear()
    if (!isSame) {
      if (old !== undefined) {
        this.#past = [{ prevHash: old, jobs: this.#active }, ...this.#past].slice(0, MAX_PAST)
        this.#active = new Map()
      }
      this.epoch++
    }
    this.#activate(job, submitTarget)
    const toGroup = this.prevHashMessage(GROUP_CHANNEL_ID, job, now)
    return { _tag: "NewPrevHash", job, message: toGroup, messageFor: addressed(toGroup) }
  }

  /** Makes SetNewPrevHash for a group or a channel that got this job as a future job. */
  prevHashMessage(channelId: number, job: Job, now: number): Mining.SetNewPrevHash {
    const { hash, nbits } = this.#prevHash!
    return { _tag: "SetNewPrevHash", channelId, jobId: job.id, prevHash: hash, minNtime: this.ntimeNow(now), nbits }
  }

  #activate(job: Job, submitTarget: Uint8Array | undefined): void {
    this.#current = { job, activation: ++this.#activations, isRepeat: false, submitTarget }
    this.#active.set(job.id, this.#current)
    this.#repeats = []
    dropOldest(this.#active, MAX_ACTIVE_JOBS)
  }

  /** Checks that ids come in order: channels compare ids to know whether a job was sent to them. */
  #takeIdOf({ id }: Job): void {
    if (id !== this.#nextId) throw new RangeError(`the next job must have the id ${this.#nextId}; got ${id}`)
    this.#takeId()
  }

  #takeId(): number {
    const id = this.#nextId
    this.#nextId = (id + 1) >>> 0
    return id
  }
}

/** Caches messages by channel id. Most devices have one channel, with the same id on every connection. */
const addressed = (message: Mining.SetNewPrevHash): ((channelId: number) => Mining.SetNewPrevHash) => {
  const messages = new Map([[message.channelId, message]])
  return (channelId) => {
    let known = messages.get(channelId)
    if (known === undefined) messages.set(channelId, (known = { ...message, channelId }))
    return known
  }
}

const dropOldest = <K>(map: Map<K, unknown>, limit: number): void => {
  for (const key of map.keys()) {
    if (map.size <= limit) return
    map.delete(key)
  }
}
