/**
 * Counts everything once: folds the events of a server into its totals, its users and their open channels. Statistics and metrics
 * are views of it.
 */
import type { MiningServerEvent } from "../event.ts"
import type { MiningServerStats } from "./stats.ts"
import { ReasonCounts, Tally } from "./tally.ts"
import { Users } from "./users.ts"

export class Projection {
  /** The counts of all channels together. */
  readonly total: Tally
  readonly users: Users
  /** Channels that were not opened, by error code. */
  readonly channelsRefused = new ReasonCounts()
  /** Jobs that clients set, and those that were refused, by error code. */
  customJobs = 0
  readonly customJobsRefused = new ReasonCounts()
  templates = 0
  workIgnored = 0
  /** When the last job came, in milliseconds since 1970; 0 before. */
  lastTemplateAt = 0
  prevHashes = 0
  standardChannels = 0
  extendedChannels = 0
  readonly #startedAt: number
  #latencyCount = 0
  #latencyLast = 0
  #latencySum = 0
  #latencyMax = 0

  constructor(maxIdleUsers: number, now: number) {
    this.total = new Tally(now)
    this.users = new Users(maxIdleUsers)
    this.#startedAt = now
  }

  record(event: MiningServerEvent, now: number): void {
    switch (event._tag) {
      case "ShareAccepted": {
        this.total.accept(event, now)
        const channel = this.users.channel(event.channel)
        channel?.tally.accept(event, now)
        // A share may be recorded after its channel was closed.
        const user = channel?.user ?? this.users.of(event.channel)
        if (user === undefined) return
        user.tally.accept(event, now)
        user.lastShareAt = now
        return
      }
      case "ShareRefused": {
        this.total.refused.add(event.errorCode)
        const channel = event.channel && this.users.channel(event.channel)
        channel?.tally.refused.add(event.errorCode)
        channel?.user.tally.refused.add(event.errorCode)
        return
      }
      case "BlockFound": {
        this.total.blocks++
        const channel = this.users.channel(event.channel)
        if (channel === undefined) return
        channel.tally.blocks++
        channel.user.tally.blocks++
        return
      }
      case "TargetChanged": {
        const channel = this.users.channel(event.channel)
        if (channel !== undefined) channel.difficulty = event.difficulty
        return
      }
      case "ChannelOpened":
        this.#countChannel(event.channel.kind, 1)
        return this.users.open(event, now)
      case "ChannelClosed":
        this.#countChannel(event.channel.kind, -1)
        return this.users.close(event.channel)
      case "ChannelRefused":
        return this.channelsRefused.add(event.errorCode)
      case "CustomJobSet":
        this.customJobs++
        return
      case "CustomJobRefused":
        return this.customJobsRefused.add(event.errorCode)
      case "JobSent":
        this.templates++
        this.lastTemplateAt = now
        this.#latencyCount++
        this.#latencyLast = event.latencyMs
        this.#latencySum += event.latencyMs
        this.#latencyMax = Math.max(this.#latencyMax, event.latencyMs)
        return
      case "PrevHashSent":
        this.prevHashes++
        return
      case "WorkIgnored":
        this.workIgnored++
    }
  }

  stats(present: Pick<MiningServerStats, "upstream" | "height" | "connections">, now: number): MiningServerStats {
    const { connections, height, upstream } = present
    return {
      startedAt: this.#startedAt,
      upstream,
      height,
      connections,
      channels: { standard: this.standardChannels, extended: this.extendedChannels },
      users: this.users.size,
      templates: this.templates,
      prevHashes: this.prevHashes,
      customJobs: { accepted: this.customJobs, refused: this.customJobsRefused.toRecord() },
      ...this.total.stats(now),
      latency: {
        count: this.#latencyCount,
        last: this.#latencyLast,
        mean: this.#latencyCount === 0 ? 0 : this.#latencySum / this.#latencyCount,
        max: this.#latencyMax
      }
    }
  }

  #countChannel(kind: "standard" | "extended", change: number): void {
    if (kind === "standard") this.standardChannels += change
    else this.extendedChannels += change
  }
}
