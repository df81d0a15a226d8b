/**
 * The work that a proxy's channels have in common: `Jobs` made of the jobs of the upstream in use. Changes wait here until the
 * server of miners pulls them.
 */
import {
  type Announcement,
  type ExtranonceSpace,
  type JobKey,
  Jobs,
  type PrevHash,
  type ActiveJob
} from "@sluice/channels"
import { Target } from "@sluice/core"
import type { Work, WorkChange, WorkGroup } from "@sluice/mining-server"
import type { SourceSession } from "./source-session.ts"
import {
  type JobSession,
  originOf,
  type PlacedUpstreamJob,
  proxyJob,
  repeatedJob,
  type UpstreamJob
} from "./upstream-job.ts"

export interface UpstreamWorkOptions {
  readonly space: ExtranonceSpace
  readonly firstJobId: number
}

/** A change that waits to be pulled. */
type Step =
  | { readonly _tag: "FutureJob"; readonly session: JobSession; readonly job: UpstreamJob }
  | {
      readonly _tag: "NewJob" | "NewPrevHash"
      readonly session: JobSession
      readonly placed: PlacedUpstreamJob
    }
  /** The present job again, with a later ntime. */
  | { readonly _tag: "Again" }

export class UpstreamWork implements Work {
  readonly space: ExtranonceSpace
  readonly versionRollingAllowed = true
  readonly common: WorkGroup & { readonly jobs: Jobs }
  readonly groupCount = 1
  /** When a job to mine was announced last, in milliseconds. */
  announcedAt = 0
  #steps: Array<Step> = []
  #changes: ReadonlyArray<Announcement> = []
  /** How many changes there were before the latest batch. */
  #before = 0
  /** The present target of the source; the same object as long as its bytes are the same. */
  #target: Uint8Array | undefined

  constructor({ firstJobId, space }: UpstreamWorkOptions) {
    this.space = space
    const { versionRollingAllowed } = this
    this.common = { jobs: new Jobs({ firstJobId, versionRollingAllowed, variant: repeatedJob }) }
  }

  get changeCount(): number {
    return this.#before + this.#changes.length
  }

  /** How many changes wait. */
  get waiting(): number {
    return this.#steps.length
  }

  join(): undefined {
    return undefined
  }

  leave(): void {}

  refusal(): undefined {
    return undefined
  }

  changesSince(group: WorkGroup, seen: number): ReadonlyArray<WorkChange> {
    if (group !== this.common) return []
    return seen <= this.#before ? this.#changes : this.#changes.slice(seen - this.#before)
  }

  /** Goes over to the present work of a session. */
  begin(session: SourceSession): void {
    const { current } = session
    if (current === undefined) return
    this.add({ _tag: "NewPrevHash", session, placed: current })
    for (const job of session.futureJobs) this.add({ _tag: "FutureJob", session, job })
  }

  add(step: Step): void {
    this.#steps.push(step)
  }

  /** Announces the present job again, with a later ntime. */
  repeat(): void {
    if (this.common.jobs.current !== undefined) this.#steps.push({ _tag: "Again" })
  }

  /** Makes the changes that wait, and returns them. All connections must know the changes before. */
  pull(now: number): ReadonlyArray<Announcement> {
    const steps = this.#steps
    this.#before = this.changeCount
    this.#steps = []
    this.#changes = steps.flatMap((step) => this.#make(step, now))
    return this.#changes
  }

  #make(step: Step, now: number): ReadonlyArray<Announcement> {
    const { jobs } = this.common
    switch (step._tag) {
      case "FutureJob":
        return [this.#addFuture(step.session, step.job)]
      case "NewJob": {
        const { job, minNtime, target } = step.placed
        this.announcedAt = now
        return [jobs.activateJob(this.#jobOf(step.session, job), now, this.#targetOf(target), minNtime)]
      }
      case "NewPrevHash":
        return this.#start(step.session, step.placed, now)
      case "Again": {
        const active = jobs.currentActive
        return active === undefined ? [] : [this.#again(active, now)]
      }
    }
  }

  /** Activates a job on its previous hash. The job comes as a future job first, if it was not announced as such before. */
  #start(session: JobSession, placed: PlacedUpstreamJob, now: number): ReadonlyArray<Announcement> {
    const { jobs } = this.common
    const target = this.#targetOf(placed.target)
    const key = keyOf(session, placed.job)
    const prevHash = prevHashOf(placed)
    this.announcedAt = now
    const announced = jobs.setPrevHash(key, prevHash, now, target)
    if (announced !== undefined) return [announced]
    const future = this.#addFuture(session, placed.job)
    return [future, jobs.setPrevHash(key, prevHash, now, target)!]
  }

  #addFuture(session: JobSession, job: UpstreamJob): Announcement {
    return this.common.jobs.addFutureJob(keyOf(session, job), this.#jobOf(session, job))
  }

  #again({ job, submitTarget }: ActiveJob, now: number): Announcement {
    const { job: upstream, session } = originOf(job)
    this.announcedAt = now
    return this.common.jobs.activateJob(this.#jobOf(session, upstream), now, submitTarget)
  }

  #jobOf(session: JobSession, job: UpstreamJob) {
    return proxyJob(session, job, this.common.jobs.nextId, this.space.fullSize)
  }

  #targetOf(target: Uint8Array): Uint8Array {
    if (this.#target === undefined || Buffer.compare(this.#target, target) !== 0) this.#target = target
    return this.#target
  }
}

/** Distinguishes equal ids of different sessions. */
const keyOf = ({ serial }: JobSession, { id }: UpstreamJob): JobKey => serial * 2 ** 32 + id

const prevHashOf = ({ minNtime, nbits, prevHash }: PlacedUpstreamJob): Omit<PrevHash, "receivedAt"> => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(nbits, target, 0)
  return { hash: prevHash, ntime: minNtime, nbits, target }
}
