/**
 * The jobs and the previous hash that all channels of a server mine on (specification, sections 5.1.3 and 5.3.15 to
 * 5.3.17). A source of work feeds it: templates, an upstream server or declared jobs. A job has one id on every channel, so
 * its message is the same bytes for every connection, and a share is matched to its job by the id alone.
 */
import { type Mining, TemplateDistribution } from "@sluice/protocol"
import { extendedJobMessage, type Job } from "./job.ts"

/**
 * The id of every connection's first group; channels get the ids after it. So group messages are the same bytes on all
 * connections (5.2.3: the ids of groups and channels must differ on a connection).
 */
export const GROUP_CHANNEL_ID = 1

/** The header fields that do not come from the job. Hashes in internal byte order. */
export interface PrevHash {
  readonly hash: Uint8Array
  /** In seconds: miners begin here. */
  readonly ntime: number
  /** Milliseconds. */
  readonly receivedAt: number
  readonly nbits: number
  /** The network's: a header at or below it is a block; 32 bytes, little-endian. */
  readonly target: Uint8Array
}

/** A job that shares may be submitted for. */
export interface ActiveJob {
  readonly job: Job
  /** Counts jobs in the order in which they became active; a target holds for those after it (5.3.21). */
  readonly activation: number
  /** Whether it is a variant of another job, for the channels that needed one. */
  readonly isRepeat: boolean
  /** The source wants shares at or below it; 32 bytes, little-endian. `undefined` if it wants blocks only. */
  readonly submitTarget: Uint8Array | undefined
}

/** A job and the previous hash of its headers. */
export interface PlacedJob {
  readonly job: Job
  readonly prevHash: PrevHash
}

/** A change that the connections announce to their clients. `message` is addressed to the group. */
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
      /** The same for a channel or another group. Cached by id and shared by all connections. */
      readonly messageFor: (channelId: number) => Mining.SetNewPrevHash
    }

/** A name that the source gives to a future job, to activate it by. */
export type JobKey = bigint | number

export interface JobsOptions {
  /**
   * The first job id. Ids count up from it, so a number that grows faster than jobs come, such as tenths of a second
   * since 1970, keeps a restarted server from repeating an id that a miner still has.
   */
  readonly firstJobId: number
  /** Whether jobs let miners roll version bits. If not, clients that require it get no channel (5.3.1). */
  readonly versionRollingAllowed: boolean
  /**
   * Makes another job of one of the source's, with this id and a coinbase of its own. A source that cannot change the
   * coinbase leaves it out; a much harder target then waits for the next job.
   */
  readonly variant?: (job: Job, id: number) => Job
}

/** Active jobs that are kept within one previous hash; the oldest then turn stale before the next one. */
const MAX_ACTIVE_JOBS = 256
/** Future jobs that are kept: as many as a template provider may send. */
const MAX_FUTURE_JOBS = TemplateDistribution.MAX_FUTURE_TEMPLATES
/** Earlier previous hashes whose jobs are kept: a block on one of them may still be on its way. */
const MAX_PAST = 2
/** How often one job is repeated at most for a channel. */
const MAX_REPEATS = 16

export class Jobs {
  readonly versionRollingAllowed: boolean
  /** Grows whenever the previous hash itself changes: shares before it can be forgotten then. */
  epoch = 0
  readonly #variant: JobsOptions["variant"]
  #activations = 0
  #nextId: number
  #prevHash: PrevHash | undefined
  #current: ActiveJob | undefined
  /** Variants of the current job. */
  #repeats: Array<ActiveJob> = []
  #active = new Map<number, ActiveJob>()
  /** Earlier previous hashes, newest first, with the jobs that were active when each ended. */
  #past: ReadonlyArray<{ readonly prevHash: PrevHash; readonly jobs: ReadonlyMap<number, ActiveJob> }> = []
  readonly #future = new Map<JobKey, Job>()

  constructor({ firstJobId, variant, versionRollingAllowed }: JobsOptions) {
    this.versionRollingAllowed = versionRollingAllowed
    this.#variant = variant
    this.#nextId = firstJobId >>> 0
  }

  /** The previous hash in force; `undefined` until the first `setPrevHash`. */
  get prevHash(): PrevHash | undefined {
    return this.#prevHash
  }

  /** The newest active job: a new channel begins with it. */
  get current(): Job | undefined {
    return this.#current?.job
  }

  get currentActive(): ActiveJob | undefined {
    return this.#current
  }

  /** How many jobs became active so far. */
  get activations(): number {
    return this.#activations
  }

  /** The id that the next job must have. */
  get nextId(): number {
    return this.#nextId
  }

  /** Future jobs, oldest first: a new channel needs them too, for the next previous hash names one of them. */
  futureJobs(): Iterable<Job> {
    return this.#future.values()
  }

  active(jobId: number): ActiveJob | undefined {
    return this.#active.get(jobId)
  }

  /** A job that is active, or was for one of the last previous hashes: its shares may be blocks. */
  placed(jobId: number): PlacedJob | undefined {
    const active = this.#active.get(jobId)
    if (active !== undefined) return { job: active.job, prevHash: this.#prevHash! }
    for (const { jobs, prevHash } of this.#past) {
      const past = jobs.get(jobId)
      if (past !== undefined) return { job: past.job, prevHash }
    }
    return undefined
  }

  /** The id of the oldest job that a share may come for, now or after the next previous hash. */
  oldestId(): number {
    let oldest = this.#nextId
    for (const id of this.#active.keys()) if (((id - oldest) | 0) < 0) oldest = id
    for (const { id } of this.#future.values()) if (((id - oldest) | 0) < 0) oldest = id
    return oldest
  }

  /**
   * A variant of the current job, for a channel that already got `count` of them. All channels that need one share them, so
   * that no client uses up ids. `undefined` if the source makes none, or there were enough.
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

  /** Where miners should begin now, in seconds: the previous hash's time plus the time since it came (5.3.11). */
  ntimeNow(now: number): number {
    const prevHash = this.#prevHash
    return prevHash === undefined ? 0 : prevHash.ntime + Math.max(0, Math.floor((now - prevHash.receivedAt) / 1000))
  }

  /** Keeps a job, whose id is `nextId`, until `setPrevHash` names its key. Of too many the oldest is forgotten. */
  addFutureJob(key: JobKey, job: Job): Announcement {
    this.#takeIdOf(job)
    this.#future.delete(key)
    this.#future.set(key, job)
    dropOldest(this.#future, MAX_FUTURE_JOBS)
    return { _tag: "FutureJob", job, message: extendedJobMessage(job, GROUP_CHANNEL_ID, undefined) }
  }

  /**
   * Makes a job, whose id is `nextId`, the current one; those before stay good. There must be a previous hash. Pass the same
   * `submitTarget` object for as long as its bytes are the same: channels review their targets when it changes.
   */
  activateJob(job: Job, now: number, submitTarget?: Uint8Array): Announcement {
    this.#takeIdOf(job)
    this.#activate(job, submitTarget)
    const minNtime = this.ntimeNow(now)
    return { _tag: "NewJob", job, minNtime, message: extendedJobMessage(job, GROUP_CHANNEL_ID, minNtime) }
  }

  /**
   * Activates a future job on a new previous hash; all other jobs turn stale. If the hash is the one in force already, as
   * after a reconnection to the source, the jobs in force stay good: their shares are work for the same block. With other
   * nbits, as on a test network whose difficulty falls with time, they turn stale: their headers have the old nbits.
   * `undefined`, and nothing changes, if there is no future job of this key.
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
    this.#prevHash = {
      hash: hash.slice(),
      // Jobs that stay good keep the range of ntime that their miners know.
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

  /** SetNewPrevHash for a group or a channel, naming a job that was sent to it as future. */
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

  /** Channels tell by its id whether a job was sent to them, so ids come in order. */
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

/** Most devices have one channel, with the same id on every connection: its message is encoded once for all of them. */
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
