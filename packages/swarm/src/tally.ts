/** Counts the events of all members of a swarm. */
import { Arrivals } from "./arrivals.ts"
import { LatencyRecorder } from "./latency.ts"
import type { BadShare } from "./misbehaviour.ts"
import type { SwarmPlan } from "./options.ts"
import type { SwarmReport } from "./report.ts"

export type Counts = Record<string, number>

/** Without a prototype, because the server chooses the keys: `constructor` must be a key like others. */
const makeCounts = (): Counts => Object.create(null) as Counts

export class Tally {
  open = 0
  opened = 0
  endedForGarbage = 0
  readonly lost = makeCounts()
  readonly failed = makeCounts()
  channelsOpen = 0
  channelsOpened = 0
  channelsWorking = 0
  /** When all planned channels had work at the same time for the first time. */
  allWorkingAfterMs: number | undefined = undefined
  readonly channelsClosed = makeCounts()
  readonly channelsRefused = makeCounts()
  submitted = 0
  accepted = 0
  readonly refused = makeCounts()
  unanswered = 0
  tooLate = 0
  behind = 0
  difficultySum = 0
  readonly bad: Record<BadShare, { sent: number; accepted: number }> = {
    stale: { sent: 0, accepted: 0 },
    duplicate: { sent: 0, accepted: 0 },
    lowDifficulty: { sent: 0, accepted: 0 },
    garbage: { sent: 0, accepted: 0 }
  }
  jobs = 0
  prevHashes = 0
  readonly violations = makeCounts()
  readonly connect = new LatencyRecorder()
  readonly acknowledgement = new LatencyRecorder()
  readonly #job = new LatencyRecorder()
  readonly #prevHash = new LatencyRecorder()
  readonly jobArrivals = new Arrivals(this.#job)
  readonly prevHashArrivals = new Arrivals(this.#prevHash)

  get pending(): number {
    return this.submitted - this.accepted - this.unanswered - sum(this.refused)
  }

  forgetLatencies(): void {
    for (const recorder of [this.connect, this.acknowledgement, this.#job, this.#prevHash]) recorder.forget()
  }

  report(plan: SwarmPlan, startedAt: number, elapsedMs: number, process: SwarmReport["process"]): SwarmReport {
    const { channels, connections, kind, nominalHashRate, sharesPerMinute } = plan
    const seconds = elapsedMs / 1000
    const { accepted, behind, difficultySum, lost, pending, refused, submitted, tooLate, unanswered } = this
    return {
      startedAt,
      seconds,
      plan: { connections, channels, kind, sharesPerMinute, nominalHashRate },
      connections: {
        open: this.open,
        opened: this.opened,
        lost: { ...lost },
        endedForGarbage: this.endedForGarbage,
        failed: { ...this.failed },
        allWorkingAfterSeconds: (this.allWorkingAfterMs ?? 0) / 1000
      },
      channels: {
        open: this.channelsOpen,
        opened: this.channelsOpened,
        working: this.channelsWorking,
        closed: { ...this.channelsClosed },
        refused: { ...this.channelsRefused }
      },
      shares: {
        submitted,
        accepted,
        refused: { ...refused },
        unanswered,
        pending,
        tooLate,
        behind,
        difficultySum,
        perSecond: seconds === 0 ? 0 : accepted / seconds
      },
      bad: structuredClone(this.bad),
      jobs: this.jobs,
      prevHashes: this.prevHashes,
      violations: { ...this.violations },
      latency: {
        connect: this.connect.summary(),
        acknowledgement: this.acknowledgement.summary(),
        job: this.#job.summary(),
        prevHash: this.#prevHash.summary()
      },
      process
    }
  }
}

/** The most keys of a count: a server can send any number of different codes. */
const MAX_KEYS = 64

/** Adds one to the count of `code`; counts it as "other" if there are too many codes. */
export const count = (counts: Counts, code: string): void => {
  const key = code in counts || Object.keys(counts).length < MAX_KEYS ? code : "other"
  counts[key] = (counts[key] ?? 0) + 1
}

const sum = (counts: Counts): number => Object.values(counts).reduce((all, one) => all + one, 0)
