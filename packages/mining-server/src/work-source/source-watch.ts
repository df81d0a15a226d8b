/** Decides what the server does while the source of work is away: miners go on with the last job until a timeout. */
import type { WorkSourceState } from "./work-source.ts"

/** The action to take now. */
export type SourceVerdict =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Warn"; readonly message: string }
  /** End all connections, and accept none until the source is back. */
  | { readonly _tag: "Close"; readonly message: string }
  | { readonly _tag: "Reopen"; readonly message: string }

export class SourceWatch {
  state: WorkSourceState = { _tag: "Connecting" }
  /** Whether the server refuses connections because the source is away. */
  isClosed = false
  readonly #timeoutMs: number
  #awaySince: number | undefined
  #warnAfterMs = FIRST_WARNING_MS

  readonly #name: string

  /** `name` is the source's name for messages. With a timeout of `Infinity` connections are never ended. */
  constructor(name: string, timeoutMs: number, now: number) {
    this.#name = name
    this.#timeoutMs = timeoutMs
    this.#awaySince = now
  }

  /** Milliseconds since the source went away; 0 while it is there. */
  awayMs(now: number): number {
    return this.#awaySince === undefined ? 0 : Math.max(0, now - this.#awaySince)
  }

  onState(state: WorkSourceState, now: number): SourceVerdict {
    this.state = state
    if (state._tag !== "Connected") {
      this.#awaySince ??= now
      return NOTHING
    }
    const awayMs = this.awayMs(now)
    this.#awaySince = undefined
    this.#warnAfterMs = FIRST_WARNING_MS
    if (!this.isClosed) return NOTHING
    this.isClosed = false
    return {
      _tag: "Reopen",
      message: `The ${this.#name} is back after ${seconds(awayMs)}; the server accepts miners again`
    }
  }

  /** Call it every few seconds. */
  review(now: number): SourceVerdict {
    const awayMs = this.awayMs(now)
    if (this.isClosed || this.#awaySince === undefined) return NOTHING
    if (awayMs >= this.#timeoutMs) {
      this.isClosed = true
      const message = `There has been no ${this.#name} for ${seconds(awayMs)} (upstreamTimeout): miners are sent away until it is back`
      return { _tag: "Close", message }
    }
    if (awayMs < this.#warnAfterMs) return NOTHING
    this.#warnAfterMs *= 2
    const message = `There has been no ${this.#name} for ${seconds(awayMs)}: miners go on with the last job`
    return { _tag: "Warn", message }
  }
}

/** Each further warning comes after twice the time. */
const FIRST_WARNING_MS = 15_000

const NOTHING: SourceVerdict = { _tag: "Nothing" }
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`
