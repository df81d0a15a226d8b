/** Puts the statistics of several servers together that serve the same miners, such as the workers of one pool. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import type { MiningServerStats } from "./stats.ts"
import type { UserStats } from "./users.ts"
import type { HashRates } from "./work-windows.ts"

/** The counts of a server that it keeps when its miners have left. */
export type MiningServerCounts = Pick<
  MiningServerStats,
  | "templates"
  | "prevHashes"
  | "customJobs"
  | "accepted"
  | "acceptedDifficulty"
  | "refused"
  | "blocks"
  | "bestDifficulty"
  | "latency"
>

export const NO_COUNTS: MiningServerCounts = {
  templates: 0,
  prevHashes: 0,
  customJobs: { accepted: 0, refused: {} },
  accepted: 0,
  acceptedDifficulty: 0,
  refused: {},
  blocks: 0,
  bestDifficulty: 0,
  latency: { count: 0, last: 0, mean: 0, max: 0 }
}

/**
 * Adds the counts of two servers. All servers get the same templates and previous hashes, so of these it takes the count of the one
 * that has seen more.
 */
export const addCounts = (a: MiningServerCounts, b: MiningServerCounts): MiningServerCounts => {
  const count = a.latency.count + b.latency.count
  const sum = a.latency.count * a.latency.mean + b.latency.count * b.latency.mean
  return {
    templates: Math.max(a.templates, b.templates),
    prevHashes: Math.max(a.prevHashes, b.prevHashes),
    customJobs: {
      accepted: a.customJobs.accepted + b.customJobs.accepted,
      refused: addReasons(a.customJobs.refused, b.customJobs.refused)
    },
    accepted: a.accepted + b.accepted,
    acceptedDifficulty: a.acceptedDifficulty + b.acceptedDifficulty,
    refused: addReasons(a.refused, b.refused),
    blocks: a.blocks + b.blocks,
    bestDifficulty: Math.max(a.bestDifficulty, b.bestDifficulty),
    latency: {
      count,
      last: Math.max(a.latency.last, b.latency.last),
      mean: count === 0 ? 0 : sum / count,
      max: Math.max(a.latency.max, b.latency.max)
    }
  }
}

/** Servers that have ended are in `past`. `now` is in milliseconds since 1970, as `startedAt`, when the first one began. */
export const mergeStats = (
  live: ReadonlyArray<MiningServerStats>,
  past: MiningServerCounts,
  { now, startedAt }: { readonly now: number; readonly startedAt: number }
): MiningServerStats => {
  const counts = live.reduce<MiningServerCounts>(addCounts, past)
  const sum = (count: (stats: MiningServerStats) => number) => live.reduce((total, stats) => total + count(stats), 0)
  const rates = live.reduce<HashRates>((total, { hashRates }) => addRates(total, hashRates), NO_RATES)
  const seconds = (now - startedAt) / 1000
  const sinceStart = seconds <= 0 ? 0 : (counts.acceptedDifficulty * HASHES_PER_DIFFICULTY) / seconds
  const isConnected = ({ upstream }: MiningServerStats) => upstream._tag === "Connected"
  return {
    startedAt,
    upstream: (live.find((stats) => !isConnected(stats)) ?? live[0])?.upstream ?? { _tag: "Connecting" },
    height: Math.max(0, ...live.map(({ height }) => height)),
    connections: sum(({ connections }) => connections),
    channels: {
      standard: sum(({ channels }) => channels.standard),
      extended: sum(({ channels }) => channels.extended)
    },
    users: sum(({ users }) => users),
    ...counts,
    hashRates: { ...rates, sinceStart }
  }
}

/** Adds the counts of one user on two servers. */
export const addUsers = (a: UserStats, b: UserStats): UserStats => ({
  user: a.user,
  channels: a.channels + b.channels,
  accepted: a.accepted + b.accepted,
  acceptedDifficulty: a.acceptedDifficulty + b.acceptedDifficulty,
  refused: addReasons(a.refused, b.refused),
  blocks: a.blocks + b.blocks,
  bestDifficulty: Math.max(a.bestDifficulty, b.bestDifficulty),
  hashRates: addRates(a.hashRates, b.hashRates),
  firstSeenAt: Math.min(a.firstSeenAt, b.firstSeenAt),
  lastShareAt: Math.max(a.lastShareAt, b.lastShareAt)
})

const NO_RATES: HashRates = { oneMinute: 0, fiveMinutes: 0, oneHour: 0, sinceStart: 0 }

const addRates = (a: HashRates, b: HashRates): HashRates => ({
  oneMinute: a.oneMinute + b.oneMinute,
  fiveMinutes: a.fiveMinutes + b.fiveMinutes,
  oneHour: a.oneHour + b.oneHour,
  sinceStart: a.sinceStart + b.sinceStart
})

type Reasons = Readonly<Record<string, number>>

const addReasons = (a: Reasons, b: Reasons): Reasons => {
  const sums: Record<string, number> = { ...a }
  for (const [reason, count] of Object.entries(b)) sums[reason] = (sums[reason] ?? 0) + count
  return sums
}
