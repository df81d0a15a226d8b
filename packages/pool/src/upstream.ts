/** How long the template provider has been away, and what follows from it: miners go on with what they have, for a while. */
import type { TemplateSourceState } from "@sluice/template-provider"

/** What is to be done now. */
export type UpstreamVerdict =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Warn"; readonly message: string }
  /** Send all miners away, and take none until it is back. */
  | { readonly _tag: "Close"; readonly message: string }
  | { readonly _tag: "Reopen"; readonly message: string }

export class Upstream {
  state: TemplateSourceState = { _tag: "Connecting" }
  /** Whether miners are sent away. */
  isClosed = false
  readonly #timeoutMs: number
  #awaySince: number | undefined
  #warnAfterMs = FIRST_WARNING_MS

  /** `Infinity` never sends miners away. */
  constructor(timeoutMs: number, now: number) {
    this.#timeoutMs = timeoutMs
    this.#awaySince = now
  }

  /** Milliseconds since it was there. */
  awayMs(now: number): number {
    return this.#awaySince === undefined ? 0 : Math.max(0, now - this.#awaySince)
  }

  onState(state: TemplateSourceState, now: number): UpstreamVerdict {
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
      message: `The template provider is back after ${seconds(awayMs)}; miners are served again`
    }
  }

  /** To be asked every few seconds. */
  review(now: number): UpstreamVerdict {
    const awayMs = this.awayMs(now)
    if (this.isClosed || this.#awaySince === undefined) return NOTHING
    if (awayMs >= this.#timeoutMs) {
      this.isClosed = true
      const message = `There has been no template provider for ${seconds(awayMs)} (upstream-timeout): miners are sent away until one is back`
      return { _tag: "Close", message }
    }
    if (awayMs < this.#warnAfterMs) return NOTHING
    this.#warnAfterMs *= 2
    const message = `There has been no template provider for ${seconds(awayMs)}: miners go on with the last job`
    return { _tag: "Warn", message }
  }
}

/** Each further warning comes after twice the time. */
const FIRST_WARNING_MS = 15_000

const NOTHING: UpstreamVerdict = { _tag: "Nothing" }
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`
