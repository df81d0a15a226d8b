/**
 * What one miner works on, and in which order it is told: a difficulty and an extranonce are sent right before the job
 * that they hold for, so that there is never more than one of each between two jobs (cgminer would apply the second one
 * job later). Nothing is sent before `start`.
 */
import type { EncodedLine } from "../line/line.ts"
import type { Subscription } from "../message/subscription.ts"
import { SetDifficulty, SetExtranonce } from "../message/to-client.ts"
import { difficultyOfTarget, wholeDifficulty } from "../values/difficulty.ts"
import { HeldJobs } from "./held-jobs.ts"
import type { HeldJob, Job } from "./job.ts"

export class MinerWork<Work> {
  readonly #jobs: HeldJobs<Work>
  readonly #send: (line: EncodedLine) => void
  #started = false
  /** The latest job that was given before `start`, with the difficulty that holds for it. */
  #first: (Difficulty & { readonly job: Job<Work> }) | undefined
  /** What holds for later jobs. */
  #subscription: Subscription | undefined
  /** What the miner was told, in the answer to its subscribe or with set_extranonce. */
  #told: Subscription | undefined
  #coinbaseInsert: Uint8Array = new Uint8Array(0)
  #insertDigits: Uint8Array = this.#coinbaseInsert
  #difficulty = 1
  #target: Uint8Array | undefined
  #toldDifficulty: number | undefined

  constructor(maxJobs: number, keepsStaleJobs: boolean, send: (line: EncodedLine) => void) {
    this.#jobs = new HeldJobs(maxJobs, keepsStaleJobs)
    this.#send = send
  }

  get started(): boolean {
    return this.#started
  }

  /** What the miner was told; undefined until it has subscribed. */
  get told(): Subscription | undefined {
    return this.#told
  }

  /** A job that a share may be for. */
  held(jobId: string): HeldJob<Work> | undefined {
    return this.#jobs.get(jobId)
  }

  setDifficulty(difficulty: number): void {
    this.#setBoth({ difficulty: wholeDifficulty(difficulty), target: undefined })
  }

  setTarget(target: Uint8Array): void {
    this.#setBoth({ difficulty: difficultyOfTarget(target), target })
  }

  /** The answer to subscribe, which leaves now or later. */
  subscribed(subscription: Subscription): void {
    this.#subscription = subscription
    this.#told = subscription
  }

  setExtranonce(extranonce1: Uint8Array, extranonce2Size: number): void {
    const told = this.#told
    const isTold = told?.extranonce2Size === extranonce2Size && Buffer.compare(told.extranonce1, extranonce1) === 0
    this.#subscription = isTold ? told : { session: told?.session, extranonce1, extranonce2Size }
  }

  setCoinbaseInsert(bytes: Uint8Array): void {
    this.#coinbaseInsert = bytes
    this.#insertDigits = Buffer.from(Buffer.from(bytes).toString("hex"))
  }

  /** The answer to subscribe has left. */
  start(versionMask: number): void {
    if (this.#started) return
    this.#started = true
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    const later = { difficulty: this.#difficulty, target: this.#target }
    this.#setBoth(first)
    this.notify(first.job, versionMask)
    this.#setBoth(later)
  }

  notify(job: Job<Work>, versionMask: number): void {
    if (!this.#started) {
      this.#first = { job, difficulty: this.#difficulty, target: this.#target }
      return
    }
    const { extranonce1, extranonce2Size } = this.#subscription!
    const moved = this.#told !== this.#subscription
    if (moved) this.#send(SetExtranonce.line(null, { extranonce1, extranonce2Size }))
    const difficulty = this.#difficulty
    const before = this.#toldDifficulty ?? difficulty
    if (this.#toldDifficulty !== difficulty) this.#send(SetDifficulty.line(null, { difficulty }))
    this.#told = this.#subscription
    this.#toldDifficulty = difficulty
    // ESP-Miner applies another extranonce at once, to old jobs too: a clean job makes it drop them.
    this.#send(job.line(job.notify.clean || moved, this.#insertDigits))
    const easiestDifficulty = Math.min(difficulty, before)
    const coinbaseInsert = this.#coinbaseInsert
    const target = this.#target
    this.#jobs.add({
      job,
      extranonce1,
      extranonce2Size,
      coinbaseInsert,
      difficulty,
      target,
      easiestDifficulty,
      versionMask
    })
  }

  #setBoth({ difficulty, target }: Difficulty): void {
    this.#difficulty = difficulty
    this.#target = target
  }
}

interface Difficulty {
  readonly difficulty: number
  readonly target: Uint8Array | undefined
}
