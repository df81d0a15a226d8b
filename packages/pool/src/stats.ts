/** The numbers of a pool since it began. */
import type { TemplateSourceState } from "@sluice/template-provider"
import type { PoolEvent } from "./event.ts"
import type { ChannelStats, UserStats } from "./users.ts"
import { type HashRates, WorkWindows } from "./work-windows.ts"

export interface PoolStats {
  readonly upstream: TemplateSourceState
  /** Of the block that is mined now; 0 before the first template. */
  readonly height: number
  readonly connections: number
  /** Templates that came, future ones too. */
  readonly templates: number
  readonly prevHashes: number
  readonly accepted: number
  /** Sum of the difficulties of accepted shares. */
  readonly acceptedDifficulty: number
  /** Refused shares by error code. */
  readonly refused: Readonly<Record<string, number>>
  /** Blocks found, accepted by the node or not. */
  readonly blocks: number
  /** Sum over the open channels, in hashes a second. */
  readonly hashRate: number
  /** Of all channels, also those that are closed. */
  readonly hashRates: HashRates
  /** Milliseconds from a template's arrival until its job was written to the connections. */
  readonly latency: { readonly count: number; readonly last: number; readonly mean: number; readonly max: number }
  /** The channels that are open. */
  readonly channels: ReadonlyArray<ChannelStats>
  /** Those who are connected, and those who were lately. */
  readonly users: ReadonlyArray<UserStats>
}

/** Counts events. */
export class PoolCounters {
  templates = 0
  templatesIgnored = 0
  prevHashes = 0
  accepted = 0
  acceptedDifficulty = 0
  blocks = 0
  standardChannels = 0
  extendedChannels = 0
  readonly refused: Record<string, number> = {}
  /** Of all channels together. */
  readonly work: WorkWindows
  #latencyCount = 0
  #latencyLast = 0
  #latencySum = 0
  #latencyMax = 0

  constructor(now: number) {
    this.work = new WorkWindows(now)
  }

  count(event: PoolEvent, now: number): void {
    switch (event._tag) {
      case "ShareAccepted":
        this.accepted++
        this.acceptedDifficulty += event.difficulty
        this.work.add(event.difficulty, now)
        break
      case "ShareRefused":
        this.refused[event.errorCode] = (this.refused[event.errorCode] ?? 0) + 1
        break
      case "BlockFound":
        this.blocks++
        break
      case "ChannelOpened":
      case "ChannelClosed": {
        const change = event._tag === "ChannelOpened" ? 1 : -1
        if (event.channel.kind === "standard") this.standardChannels += change
        else this.extendedChannels += change
        break
      }
      case "JobSent":
        this.templates++
        this.#latencyCount++
        this.#latencyLast = event.latencyMs
        this.#latencySum += event.latencyMs
        this.#latencyMax = Math.max(this.#latencyMax, event.latencyMs)
        break
      case "PrevHashSent":
        this.prevHashes++
        break
      case "TemplateIgnored":
        this.templatesIgnored++
    }
  }

  snapshot(
    now: Pick<PoolStats, "upstream" | "height" | "connections" | "channels" | "users" | "hashRates">
  ): PoolStats {
    return {
      ...now,
      templates: this.templates,
      prevHashes: this.prevHashes,
      accepted: this.accepted,
      acceptedDifficulty: this.acceptedDifficulty,
      refused: { ...this.refused },
      blocks: this.blocks,
      hashRate: now.channels.reduce((sum, { hashRate }) => sum + hashRate, 0),
      latency: {
        count: this.#latencyCount,
        last: this.#latencyLast,
        mean: this.#latencyCount === 0 ? 0 : this.#latencySum / this.#latencyCount,
        max: this.#latencyMax
      }
    }
  }
}
