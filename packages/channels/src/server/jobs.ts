/**
 * What all channels of a server mine on now: its jobs and the previous hash, fed by a template provider's messages
 * (specification, sections 5.1.3, 5.3.15 to 5.3.17, 7.2 and 7.3). A template is one job with one id on every channel, so
 * that its message is the same bytes for every connection, and a share needs no look-up but by its job id.
 */
import { CoinbaseError, MAX_COINBASE_SIZE, WITNESS_SIZE } from "@sluice/bitcoin"
import { type Mining, TemplateDistribution } from "@sluice/protocol"
import { type CoinbaseRules, extendedJobMessage, type Job, jobFromTemplate, repeatedJob, withJobId } from "../job.ts"

/**
 * The group of every connection has this id; channels get the ids behind it. So group messages are the same bytes on all
 * connections (5.2.3: the ids of groups and channels must differ on a connection).
 */
export const GROUP_CHANNEL_ID = 1

/** What the header needs beside the job. Hashes in internal byte order. */
export interface PrevHash {
  readonly hash: Uint8Array
  /** `header_timestamp` of the template provider, in seconds: where miners begin. */
  readonly ntime: number
  /** Milliseconds. */
  readonly receivedAt: number
  readonly nbits: number
  /** A header at or below it is a block; 32 bytes, little-endian. */
  readonly target: Uint8Array
}

/** A job that shares may be submitted for. */
export interface ActiveJob {
  readonly job: Job
  /** Counts jobs in the order in which they became active; a target holds for those after it (5.3.21). */
  readonly activation: number
  /** Whether it is another job once more, for the channels that needed one (`repeatedJob`). */
  readonly isRepeat: boolean
}

/** A job and the previous hash that its headers have. */
export interface PlacedJob {
  readonly job: Job
  readonly prevHash: PrevHash
}

/** What the connections have to be told. `message` is addressed to the group. */
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
      /** The same for a channel or another group: one object for an id, whose connection ever it is of. */
      readonly messageFor: (channelId: number) => Mining.SetNewPrevHash
    }

/** A message of the template provider that no job can be made of. */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly reason: string
}

export interface JobsOptions {
  readonly coinbase: CoinbaseRules
  /**
   * The first job id. Ids count up from it, so a number that grows faster than jobs come, such as tenths of a second
   * since 1970, keeps a restarted server from repeating an id that a miner still has.
   */
  readonly firstJobId: number
}

/** Active jobs that are kept within one previous hash; the oldest then turn stale before the next one. */
const MAX_ACTIVE_JOBS = 256
/** Previous hashes before the one in force whose jobs are kept: a block of theirs may still be on its way. */
const MAX_PAST = 2
/** How often one job is repeated at most for a channel. */
const MAX_REPEATS = 16

export class Jobs {
  readonly coinbase: CoinbaseRules
  /** Grows whenever the hash itself changes: what was kept of shares can be forgotten then. */
  epoch = 0
  #activations = 0
  #nextId: number
  #prevHash: PrevHash | undefined
  #current: ActiveJob | undefined
  /** The current job once more, and again. */
  #repeats: Array<ActiveJob> = []
  #active = new Map<number, ActiveJob>()
  /** The previous hashes before, the last one in front, with the jobs that were active when each ended. */
  #past: ReadonlyArray<{ readonly prevHash: PrevHash; readonly jobs: ReadonlyMap<number, ActiveJob> }> = []
  readonly #future = new Map<bigint, Job>()

  constructor(options: JobsOptions) {
    this.coinbase = options.coinbase
    this.#nextId = options.firstJobId >>> 0
  }

  /** The previous hash in force; `undefined` until the first SetNewPrevHash. */
  get prevHash(): PrevHash | undefined {
    return this.#prevHash
  }

  /** The newest active job: what a new channel begins with. */
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

  /** A job that is active, or was for one of the last previous hashes: shares of it may be blocks. */
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
   * The current job as another one, for a channel that got so many of them already beside the first. All channels that
   * need one share them, so that no client uses up ids. `undefined` if there are no more.
   */
  repeat(count: number): ActiveJob | undefined {
    if (this.#current === undefined || count >= MAX_REPEATS) return undefined
    while (this.#repeats.length <= count) {
      const { activation, job } = this.#current
      const active = { job: repeatedJob(job, this.#takeId()), activation, isRepeat: true }
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

  /** Where miners should begin now, in seconds: the previous hash's time and what has passed since (5.3.11). */
  ntimeNow(now: number): number {
    const prevHash = this.#prevHash
    return prevHash === undefined ? 0 : prevHash.ntime + Math.max(0, Math.floor((now - prevHash.receivedAt) / 1000))
  }

  /** A template became a job. */
  onTemplate(template: TemplateDistribution.NewTemplate, now: number): Announcement | Ignored {
    if (!template.futureTemplate && this.#prevHash === undefined) {
      return ignored(`template ${template.templateId} is for a previous hash that was never sent`)
    }
    let job: Job
    try {
      job = withJobId(jobFromTemplate(this.#nextId, template, this.coinbase))
    } catch (error) {
      if (!(error instanceof CoinbaseError)) throw error
      return ignored(`template ${template.templateId} makes no coinbase: ${error.message}`)
    }
    const size = job.coinbasePrefix.length + this.coinbase.extranonceSize + job.coinbaseSuffix.length + WITNESS_SIZE
    if (size > MAX_COINBASE_SIZE) {
      return ignored(
        `template ${template.templateId} makes a coinbase of ${size} bytes; SubmitSolution carries ${MAX_COINBASE_SIZE} at most`
      )
    }
    this.#takeId()
    if (template.futureTemplate) {
      this.#future.delete(template.templateId)
      this.#future.set(template.templateId, job)
      dropOldest(this.#future, TemplateDistribution.MAX_FUTURE_TEMPLATES)
      return { _tag: "FutureJob", job, message: extendedJobMessage(job, GROUP_CHANNEL_ID, undefined) }
    }
    this.#activate(job)
    const minNtime = this.ntimeNow(now)
    return { _tag: "NewJob", job, minNtime, message: extendedJobMessage(job, GROUP_CHANNEL_ID, minNtime) }
  }

  /**
   * A future job became active, and all others went stale. If the hash is the one in force already, as after a
   * reconnection to the template provider, the jobs in force stay good: their shares are work for the same block. With
   * other nbits, as on a test network whose difficulty falls with time, they are not: theirs were in their headers.
   */
  onSetNewPrevHash(message: TemplateDistribution.SetNewPrevHash, now: number): Announcement | Ignored {
    const job = this.#future.get(message.templateId)
    if (job === undefined) {
      const stays = this.#prevHash === undefined ? "there is no work" : "miners stay on the previous block"
      return ignored(
        `SetNewPrevHash names template ${message.templateId}, of which there is no future job: expected one of the last ` +
          `${TemplateDistribution.MAX_FUTURE_TEMPLATES} future templates that a coinbase can be made of; ${stays}`
      )
    }
    const old = this.#prevHash
    const isSame = old?.nbits === message.nbits && Buffer.compare(old.hash, message.prevHash) === 0
    this.#prevHash = {
      hash: message.prevHash.slice(),
      // Jobs that stay good keep the range of ntime that their miners know.
      ntime: isSame ? old.ntime : message.headerTimestamp,
      receivedAt: isSame ? old.receivedAt : now,
      nbits: message.nbits,
      target: message.target.slice()
    }
    this.#future.clear()
    if (!isSame) {
      if (old !== undefined) {
        this.#past = [{ prevHash: old, jobs: this.#active }, ...this.#past].slice(0, MAX_PAST)
        this.#active = new Map()
      }
      this.epoch++
    }
    this.#activate(job)
    const toGroup = this.prevHashMessage(GROUP_CHANNEL_ID, job, now)
    return { _tag: "NewPrevHash", job, message: toGroup, messageFor: addressed(toGroup) }
  }

  /** SetNewPrevHash for a group or a channel, naming a job that was sent to it as future. */
  prevHashMessage(channelId: number, job: Job, now: number): Mining.SetNewPrevHash {
    const { hash, nbits } = this.#prevHash!
    return { _tag: "SetNewPrevHash", channelId, jobId: job.id, prevHash: hash, minNtime: this.ntimeNow(now), nbits }
  }

  #activate(job: Job): void {
    this.#current = { job, activation: ++this.#activations, isRepeat: false }
    this.#active.set(job.id, this.#current)
    this.#repeats = []
    dropOldest(this.#active, MAX_ACTIVE_JOBS)
  }

  #takeId(): number {
    const id = this.#nextId
    this.#nextId = (id + 1) >>> 0
    return id
  }
}

/** Most devices have one channel, with the same id as all others have: it is encoded once for all of them. */
const addressed = (message: Mining.SetNewPrevHash): ((channelId: number) => Mining.SetNewPrevHash) => {
  const messages = new Map([[message.channelId, message]])
  return (channelId) => {
    let known = messages.get(channelId)
    if (known === undefined) messages.set(channelId, (known = { ...message, channelId }))
    return known
  }
}

const ignored = (reason: string): Ignored => ({ _tag: "Ignored", reason })

const dropOldest = <K>(map: Map<K, unknown>, limit: number): void => {
  for (const key of map.keys()) {
    if (map.size <= limit) return
    map.delete(key)
  }
}
