/** The numbers of a pool since it began. */
import type { Server } from "@sluice/channels"
import type { TemplateSourceState } from "@sluice/template-provider"
import type { PoolEvent } from "./event.ts"

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
  /** Milliseconds from a template's arrival until its job was written to the connections. */
  readonly latency: { readonly count: number; readonly last: number; readonly mean: number; readonly max: number }
  /** The channels that are open. */
  readonly channels: ReadonlyArray<Server.ChannelStats>
}

/** Counts events. */
export class PoolCounters {
  #upstream: TemplateSourceState = { _tag: "Connecting" }
  #templates = 0
  #prevHashes = 0
  #accepted = 0
  #acceptedDifficulty = 0
  readonly #refused: Record<string, number> = {}
  #blocks = 0
  #latencyCount = 0
  #latencyLast = 0
  #latencySum = 0
  #latencyMax = 0

  count(event: PoolEvent): void {
    switch (event._tag) {
      case "ShareAccepted":
        this.#accepted++
        this.#acceptedDifficulty += event.difficulty
        break
      case "ShareRefused":
        this.#refused[event.errorCode] = (this.#refused[event.errorCode] ?? 0) + 1
        break
      case "BlockFound":
        this.#blocks++
        break
      case "JobSent":
        this.#templates++
        this.#latencyCount++
        this.#latencyLast = event.latencyMs
        this.#latencySum += event.latencyMs
        this.#latencyMax = Math.max(this.#latencyMax, event.latencyMs)
        break
      case "PrevHashSent":
        this.#prevHashes++
        break
      case "UpstreamChanged":
        this.#upstream = event.state
    }
  }

  snapshot(now: {
    readonly height: number
    readonly connections: number
    readonly channels: ReadonlyArray<Server.ChannelStats>
  }): PoolStats {
    return {
      upstream: this.#upstream,
      ...now,
      templates: this.#templates,
      prevHashes: this.#prevHashes,
      accepted: this.#accepted,
      acceptedDifficulty: this.#acceptedDifficulty,
      refused: { ...this.#refused },
      blocks: this.#blocks,
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
