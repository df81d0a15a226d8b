/**
 * The jobs that a session has declared or will declare, from the template to the pool's acknowledgement, and the shares that wait for the
 * pool to take them: those of the present previous hash, and those of the one before it, which may still be blocks.
 */
import type { SourceShare } from "@sluice/channels"
import type { AllocatedToken } from "@sluice/job-declaration"
import type { KeptShare } from "../upstream/source-session.ts"
import { isSameWork, type PlacedUpstreamJob } from "../upstream/upstream-job.ts"
import type { DeclarationTally } from "./declaration-tally.ts"
import type { OwnJob } from "./own-job.ts"

export interface DeclaredJob {
  readonly job: OwnJob
  readonly placed: PlacedUpstreamJob
  /** What it waits for; a job that is only built waits for its session to be used. */
  stage: "built" | "token" | "transactions" | "declaring" | "setting" | "acknowledged" | "refused"
  /** It is not declared before this time, in milliseconds. */
  notBefore: number
  retries: number
  /** Whether it was declared again because the server had forgotten the token. */
  hasNewToken: boolean
  token: AllocatedToken | undefined
  /** The request that waits for an answer, and since when. */
  requestId: number | undefined
  requestedAt: number
  /** Whether the declarator knows the job. */
  isDeclared: boolean
  /** The pool's id of the job, once it takes its shares. */
  poolJobId: number | undefined
  /** The pool takes shares at or below it. */
  target: Uint8Array
  difficulty: number
  kept: Array<SourceShare>
  /** Blocks to push when the declarator knows the job. */
  solutions: Array<SourceShare>
}

/** The most jobs of one previous hash whose shares can be submitted. */
const MAX_ACTIVE = 64
/** The most shares that wait for the pool to take their job. */
const MAX_KEPT = 1_000

export class DeclaredJobs {
  /** The job that miners mine, or would. */
  current: DeclaredJob | undefined
  readonly #tally: DeclarationTally
  /** Called with the number of kept shares that will not be sent. */
  readonly #lost: (count: number) => void
  /** By their ids here, oldest first. */
  #active = new Map<number, DeclaredJob>()
  #past: ReadonlyMap<number, DeclaredJob> = new Map()

  constructor(tally: DeclarationTally, lost: (count: number) => void) {
    this.#tally = tally
    this.#lost = lost
  }

  /** Those of the present previous hash. */
  active(): Iterable<DeclaredJob> {
    return this.#active.values()
  }

  /** Those of the present previous hash and of the one before. */
  *all(): Iterable<DeclaredJob> {
    yield* this.#active.values()
    yield* this.#past.values()
  }

  activeOf(id: number): DeclaredJob | undefined {
    return this.#active.get(id)
  }

  isActive({ job }: DeclaredJob): boolean {
    return this.#active.has(job.id)
  }

  /** The job with this id, also of the previous hash before. */
  find(id: number): DeclaredJob | undefined {
    return this.#active.get(id) ?? this.#past.get(id)
  }

  /** The job whose request waits for this answer. Each server numbers its requests by itself: the stage tells them apart. */
  waiting(stage: "declaring" | "setting", requestId: number): DeclaredJob | undefined {
    for (const jobs of [this.#active, this.#past]) {
      for (const declared of jobs.values()) {
        if (declared.stage === stage && declared.requestId === requestId) return declared
      }
    }
    return undefined
  }

  /** An active job with the same headers. */
  sameAs(placed: PlacedUpstreamJob): DeclaredJob | undefined {
    for (const declared of this.#active.values()) if (isSameWork(declared.placed, placed)) return declared
    return undefined
  }

  /** Whether the pool has taken an active job under this id. */
  isTaken(poolJobId: number): boolean {
    for (const declared of this.#active.values()) if (declared.poolJobId === poolJobId) return true
    return false
  }

  /** Makes a job the current one. */
  start(job: OwnJob, placed: PlacedUpstreamJob, now: number): void {
    this.current = {
      job,
      placed,
      stage: "built",
      notBefore: 0,
      retries: 0,
      hasNewToken: false,
      token: undefined,
      requestId: undefined,
      requestedAt: now,
      isDeclared: false,
      poolJobId: undefined,
      target: placed.target,
      difficulty: placed.difficulty,
      kept: [],
      solutions: []
    }
    this.#active.set(job.id, this.current)
    for (const [oldest, declared] of this.#active) {
      if (this.#active.size <= MAX_ACTIVE) break
      this.#active.delete(oldest)
      this.drop(declared)
    }
  }

  /** The previous hash of all active jobs is over. */
  endBlock(): void {
    for (const declared of this.#active.values()) this.drop(declared)
    this.#past = this.#active
    this.#active = new Map()
    this.current = undefined
  }

  /** Keeps a share until the pool takes its job. */
  keep(declared: DeclaredJob, found: SourceShare): void {
    declared.kept.push(found)
    if (++this.#tally.kept <= MAX_KEPT) return
    for (const { kept } of this.#active.values()) {
      if (kept.shift() !== undefined) return this.#lose(1)
    }
  }

  /** Gives up the shares of a job. */
  drop(declared: DeclaredJob): void {
    this.#lose(declared.kept.splice(0).length)
  }

  /** Takes the shares of a job, to send them. */
  take({ kept }: DeclaredJob): ReadonlyArray<SourceShare> {
    this.#tally.kept -= kept.length
    return kept.splice(0)
  }

  /** Takes the shares of all active jobs, for another session. */
  takeAll(): ReadonlyArray<KeptShare> {
    return [...this.#active.values()].flatMap((declared) =>
      this.take(declared).map((found) => ({ found, placed: declared.placed }))
    )
  }

  #lose(count: number): void {
    this.#tally.kept -= count
    if (count > 0) this.#lost(count)
  }
}
