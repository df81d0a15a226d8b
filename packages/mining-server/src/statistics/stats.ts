/** The numbers of a pool since it began. */
import { Schema } from "effect"
import type { MiningServerEvent } from "../event.ts"
import { HashRates, WorkWindows } from "./work-windows.ts"

/** `TemplateSourceState`, as `{"state": "Connected", "server": ...}` in JSON. */
const UpstreamState = Schema.Union([
  Schema.TaggedStruct("Connecting", {}).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Connected", { server: Schema.String }).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Disconnected", { server: Schema.String, reason: Schema.String }).pipe(
    Schema.encodeKeys({ _tag: "state" })
  )
])

/** Counts since the pool began, and what there is now. Times in milliseconds since 1970. */
export const PoolStats = Schema.Struct({
  startedAt: Schema.Finite,
  /** The template provider. */
  upstream: UpstreamState,
  /** Of the block that is mined now; 0 before the first template. */
  height: Schema.Finite,
  /** Connections that are open. */
  connections: Schema.Finite,
  /** Channels that are open. */
  channels: Schema.Struct({ standard: Schema.Finite, extended: Schema.Finite }),
  /** Users who are known: those who are connected, and those who were lately. */
  users: Schema.Finite,
  /** Templates that came, future ones too. */
  templates: Schema.Finite,
  prevHashes: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties of accepted shares. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Blocks found, accepted by the node or not. */
  blocks: Schema.Finite,
  /** Difficulty of the best hash so far; 0 before the first share. */
  bestDifficulty: Schema.Finite,
  /** Of all channels, also those that are closed. */
  hashRates: HashRates,
  /** Milliseconds from a template's arrival until its job was written to the connections; 0 before the first. */
  latency: Schema.Struct({
    count: Schema.Finite,
    last: Schema.Finite,
    mean: Schema.Finite,
    max: Schema.Finite
  })
})
export type PoolStats = typeof PoolStats.Type

/** Counts events. */
export class PoolCounters {
  templates = 0
  templatesIgnored = 0
  /** When the last one came that could be used, in milliseconds since 1970; 0 before. */
  lastTemplateAt = 0
  prevHashes = 0
  accepted = 0
  acceptedDifficulty = 0
  bestDifficulty = 0
  blocks = 0
  standardChannels = 0
  extendedChannels = 0
  readonly refused: Record<string, number> = {}
  /** Of all channels together. */
  readonly work: WorkWindows
  readonly #startedAt: number
  #latencyCount = 0
  #latencyLast = 0
  #latencySum = 0
  #latencyMax = 0

  constructor(now: number) {
    this.work = new WorkWindows(now)
    this.#startedAt = now
  }

  count(event: MiningServerEvent, now: number): void {
    switch (event._tag) {
      case "ShareAccepted":
        this.accepted++
        this.acceptedDifficulty += event.difficulty
        if (event.hashDifficulty > this.bestDifficulty) this.bestDifficulty = event.hashDifficulty
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
        this.lastTemplateAt = now
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

  snapshot(present: Pick<PoolStats, "upstream" | "height" | "connections" | "users">, now: number): PoolStats {
    return {
      startedAt: this.#startedAt,
      ...present,
      channels: { standard: this.standardChannels, extended: this.extendedChannels },
      templates: this.templates,
      prevHashes: this.prevHashes,
      accepted: this.accepted,
      acceptedDifficulty: this.acceptedDifficulty,
      refused: { ...this.refused },
      blocks: this.blocks,
      bestDifficulty: this.bestDifficulty,
      hashRates: this.work.rates(now),
      latency: {
        count: this.#latencyCount,
        last: this.#latencyLast,
        mean: this.#latencyCount === 0 ? 0 : this.#latencySum / this.#latencyCount,
        max: this.#latencyMax
      }
    }
  }
}
