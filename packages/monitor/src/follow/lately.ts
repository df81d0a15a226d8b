/** Counts of the last five minutes, from totals that are noted every ten seconds. */

export interface Totals {
  readonly at: number
  readonly accepted: number
  readonly refused: number
  readonly acceptedDifficulty: number
}

const WINDOW_MS = 300_000

export class Lately {
  #notes: Array<Totals> = []

  note(totals: Totals): void {
    // A clock that was set back makes later notes older: the window begins anew.
    if (totals.at < (this.#notes.at(-1)?.at ?? -Infinity)) this.#notes = []
    this.#notes.push(totals)
    while (this.#notes.length > 1 && this.#notes[1]!.at <= totals.at - WINDOW_MS) this.#notes.shift()
  }

  /** The last totals that were noted. */
  get last(): Totals | undefined {
    return this.#notes.at(-1)
  }

  /** What was added since about five minutes before `now`. */
  since(now: Totals): Omit<Totals, "at"> & { readonly seconds: number } {
    const begin = this.#notes[0] ?? now
    return {
      seconds: Math.max(0, (now.at - begin.at) / 1000),
      accepted: now.accepted - begin.accepted,
      refused: now.refused - begin.refused,
      acceptedDifficulty: now.acceptedDifficulty - begin.acceptedDifficulty
    }
  }
}
