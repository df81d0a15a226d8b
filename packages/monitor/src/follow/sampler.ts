/** Takes samples of the totals: the differences between the statistics of two moments. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import type { MiningServerStats } from "@sluice/mining-server"
import { Metric } from "effect"
import { Effect } from "effect"
import type { Sample } from "../history/samples.ts"

export const SAMPLE_MS = 10_000
/** A sample of less than this says little; it is added to the next one. */
const LEAST_MS = 2000

interface Before {
  readonly at: number
  readonly stats: MiningServerStats
  readonly replies: Replies
}

export interface Moment extends Before {
  readonly effort: number | undefined
  readonly fees: number | null
  readonly workers: number
}

export class Sampler {
  #before: Before

  constructor(before: Before) {
    this.#before = before
  }

  /** The sample that ends at this moment; `undefined` if it is too short, or the clock was set back. */
  take({ at, effort, fees, replies, stats, workers }: Moment): Sample | undefined {
    const before = this.#before
    const ms = at - before.at
    if (ms >= 0 && ms < LEAST_MS) return undefined
    this.#before = { at, stats, replies }
    if (ms < 0) return undefined
    const refusedByCode = Object.fromEntries(
      Object.entries(stats.refused).map(([code, count]) => [code, count - (before.stats.refused[code] ?? 0)])
    )
    const jobs = stats.latency.count - before.stats.latency.count
    const jobMs = stats.latency.mean * stats.latency.count - before.stats.latency.mean * before.stats.latency.count
    const replied = replies.count - before.replies.count
    const difficulty = stats.acceptedDifficulty - before.stats.acceptedDifficulty
    return {
      // The middle: timers fire a little after the time that they were set for.
      at: Math.floor((before.at + at) / 2 / SAMPLE_MS) * SAMPLE_MS,
      hashRate: (difficulty * HASHES_PER_DIFFICULTY * 1000) / ms,
      accepted: stats.accepted - before.stats.accepted,
      refused: Object.values(refusedByCode).reduce((sum, count) => sum + count, 0),
      connections: stats.connections,
      workers,
      jobLatencyMs: jobs > 0 ? jobMs / jobs : null,
      replyLatencyMs: replied > 0 ? ((replies.seconds - before.replies.seconds) / replied) * 1000 : null,
      effort: effort ?? null,
      blocks: stats.blocks - before.stats.blocks,
      fees,
      refusedByCode
    }
  }
}

export interface Replies {
  readonly count: number
  readonly seconds: number
}

/** How many answers miners got so far, and how long they took together. */
export const replies: Effect.Effect<Replies> = Effect.map(Metric.snapshot, (metrics) => {
  const found = metrics.find(({ id }) => id === "sluice_pool_reply_seconds")
  return found?.type === "Histogram" ? { count: found.state.count, seconds: found.state.sum } : { count: 0, seconds: 0 }
})
