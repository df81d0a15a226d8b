/**
 * Records the rules that apply to every message of a client: how often each was kept, and its first breach. One ledger lasts
 * for a whole run, over all connections.
 */
export interface Breach {
  readonly expected: string
  readonly came: string
}

export class Ledger {
  private readonly keptTimes = new Map<string, number>()
  private readonly breaches = new Map<string, Breach>()

  /** Records whether the rule was kept this time. Returns the breach if it was not. */
  note(id: string, holds: boolean, expected: string, came: string): Breach | undefined {
    if (holds) {
      this.keptTimes.set(id, this.timesKept(id) + 1)
      return undefined
    }
    const breach = { expected, came }
    if (!this.breaches.has(id)) this.breaches.set(id, breach)
    return breach
  }

  timesKept(id: string): number {
    return this.keptTimes.get(id) ?? 0
  }

  breachOf(id: string): Breach | undefined {
    return this.breaches.get(id)
  }
}
