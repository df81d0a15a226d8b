/** When to try a failed call again, and whether to log the failure: at first each one, later one that stays the same seldom. */

export class Retries {
  #delayMs = FIRST_RETRY_MS
  #last = { message: "", at: 0 }

  /** The wait before the next try, and whether this failure goes into the log. */
  failed(message: string, now: number): { readonly delayMs: number; readonly isLogged: boolean } {
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)
    const isLogged = delayMs < MAX_RETRY_MS || message !== this.#last.message || now - this.#last.at >= LOG_AGAIN_MS
    if (isLogged) this.#last = { message, at: now }
    return { delayMs, isLogged }
  }

  succeeded(): void {
    this.#delayMs = FIRST_RETRY_MS
  }
}

export const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 5_000
const LOG_AGAIN_MS = 60_000
