/**
 * The numbers of a server as Effect metrics, for any exporter. Most read the projection's counts when the metrics are read, so
 * that they cost nothing for each share. No label contains text of a peer. docs/operators/pool.md has a table of them.
 */
import { metricReaders } from "@sluice/transport"
import { Clock, Effect, Metric, type Scope } from "effect"
import type { Projection } from "./projection.ts"
import type { ReasonCounts } from "./tally.ts"

/** The values that are read when the metrics are read. */
export interface Readings {
  readonly projection: Projection
  readonly connections: () => number
  readonly groups: () => number
  readonly height: () => number
  readonly isUpstreamConnected: () => boolean
}

const counter = (name: string, description: string) =>
  Metric.counter(`sluice_pool_${name}`, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(`sluice_pool_${name}`, { description })

const connections = gauge("connections", "Connections of miners and proxies that are open")
const channels = gauge("channels", "Channels that are open, by kind")
const users = gauge("users", "Users who are known: those who are connected and the last of those who were")
const groups = gauge("payees", "Sets of coinbase outputs that jobs are made for; more than 1 only in a solo pool")
const hashRate = gauge(
  "hashes_per_second",
  "Hash rate of all channels, from the accepted shares of the last five minutes"
)
const height = gauge("block_height", "Height of the block that is mined now")
const upstream = gauge("upstream_connected", "1 while there is a template provider, else 0")
const lastTemplate = gauge("last_template_timestamp_seconds", "When the last template came, in seconds since 1970")
const accepted = counter("shares_accepted_total", "Shares that were accepted")
const acceptedDifficulty = counter("shares_accepted_difficulty_total", "Sum of the difficulties of accepted shares")
const blocks = counter("blocks_found_total", "Shares that met the network's target")
const templates = counter("templates_total", "Templates that became jobs, future ones too")
const templatesIgnored = counter(
  "templates_ignored_total",
  "Messages of the template provider that no job could be made of"
)
const prevHashes = counter("prev_hashes_total", "New previous hashes that miners were told")
const refused = counter("shares_refused_total", "Shares that were refused, by error code")
const channelsNotOpened = counter("channels_refused_total", "Channels that were not opened, by error code")
const customJobs = counter("custom_jobs_total", "Jobs of clients that select their work, accepted by the pool")
const customJobsRefused = counter("custom_jobs_refused_total", "Jobs of clients that were refused, by error code")
const channelsGaveWay = counter(
  "channels_gave_way_total",
  "Channels that were closed for those of other addresses, because as many were open as may be"
)
const evicted = counter("connections_evicted_total", "Connections that the pool ended, by reason")
const turnedAway = counter("connections_turned_away_total", "Connections that were not served, by reason")
const slowedDown = counter("slow_downs_total", "Times that a connection was read from later because it sent too much")
const jobSeconds = Metric.histogram("sluice_pool_job_send_seconds", {
  description: "From the arrival of a template or previous hash until it was handed to the sockets of all connections",
  boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})
const replySeconds = Metric.histogram("sluice_pool_reply_seconds", {
  description: "From reading a miner's messages until the answers to all of them were handed to its socket",
  boundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
})

export interface MiningServerMetrics {
  readonly channelGaveWay: () => void
  readonly evicted: (reason: string) => void
  readonly turnedAway: (reason: string) => void
  readonly slowedDown: () => void
  readonly jobSent: (seconds: number) => void
  readonly replied: (seconds: number) => void
}

/** Registers the readings until the Scope closes. */
export const makeMetrics = (readings: Readings): Effect.Effect<MiningServerMetrics, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const { projection } = readings
    const { channelsRefused, customJobsRefused: jobsRefused, total, users: known } = projection
    const clock = yield* Clock.Clock
    const { count, read } = yield* metricReaders

    yield* read(connections, {}, readings.connections)
    yield* read(channels, { kind: "standard" }, () => projection.standardChannels)
    yield* read(channels, { kind: "extended" }, () => projection.extendedChannels)
    yield* read(users, {}, () => known.size)
    yield* read(groups, {}, readings.groups)
    yield* read(hashRate, {}, () => total.work.rates(clock.currentTimeMillisUnsafe()).fiveMinutes)
    yield* read(height, {}, readings.height)
    yield* read(upstream, {}, () => (readings.isUpstreamConnected() ? 1 : 0))
    yield* read(lastTemplate, {}, () => projection.lastTemplateAt / 1000)
    yield* count(accepted, {}, () => total.accepted)
    yield* count(acceptedDifficulty, {}, () => total.acceptedDifficulty)
    yield* count(blocks, {}, () => total.blocks)
    yield* count(templates, {}, () => projection.templates)
    yield* count(templatesIgnored, {}, () => projection.workIgnored)
    yield* count(prevHashes, {}, () => projection.prevHashes)
    yield* count(customJobs, {}, () => projection.customJobs)

    const removals: Array<() => void> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => removals.forEach((remove) => remove())))
    /** Registers a metric for each reason when the reason is counted for the first time. */
    const readByReason = (metric: Metric.Counter<number>, counts: ReasonCounts): void => {
      counts.onNew = (reason) => {
        const hooks = countHooks(() => counts.of(reason))
        removals.push(Metric.registerUnsafe(Metric.withAttributes(metric, { reason }), context, hooks).remove)
      }
    }
    readByReason(refused, total.refused)
    readByReason(channelsNotOpened, channelsRefused)
    readByReason(customJobsRefused, jobsRefused)

    /** Returns a function that counts a reason. There are few reasons, and none is text of a peer. */
    const byReason = (metric: Metric.Counter<number>) => {
      const known = new Map<string, Metric.Counter<number>>()
      return (reason: string): void => {
        let one = known.get(reason)
        if (one === undefined) known.set(reason, (one = Metric.withAttributes(metric, { reason })))
        one.updateUnsafe(1, context)
      }
    }
    // Creates these metrics at the start, so that rates of them exist from the start too.
    for (const metric of [slowedDown, channelsGaveWay]) metric.updateUnsafe(0, context)
    return {
      channelGaveWay: () => channelsGaveWay.updateUnsafe(1, context),
      evicted: byReason(evicted),
      turnedAway: byReason(turnedAway),
      slowedDown: () => slowedDown.updateUnsafe(1, context),
      jobSent: (seconds) => jobSeconds.updateUnsafe(seconds, context),
      replied: (seconds) => replySeconds.updateUnsafe(seconds, context)
    }
  })

const countHooks = (count: () => number) => ({
  get: () => ({ count: count(), incremental: true }),
  update: ignore,
  modify: ignore
})

const ignore = (): void => {}
