/** Counts of shares: those of a channel, of a user, or of all. */
import type { ShareAccepted } from "@sluice/channels"
import { type HashRates, WorkWindows } from "./work-windows.ts"

/** Counts by reason. There are few reasons, and none is text of a peer. */
export class ReasonCounts {
  /** Called when a reason is counted for the first time. */
  onNew: ((reason: string) => void) | undefined = undefined
  readonly #counts: Record<string, number> = {}

  add(reason: string): void {
    const count = this.#counts[reason]
    this.#counts[reason] = (count ?? 0) + 1
    if (count === undefined) this.onNew?.(reason)
  }

  of(reason: string): number {
    return this.#counts[reason] ?? 0
  }

  toRecord(): Readonly<Record<string, number>> {
    return { ...this.#counts }
  }
}

export interface TallyStats {
  readonly accepted: number
  readonly acceptedDifficulty: number
  readonly refused: Readonly<Record<string, number>>
  readonly blocks: number
  readonly bestDifficulty: number
  readonly hashRates: HashRates
}

export class Tally {
  accepted = 0
  acceptedDifficulty = 0
  bestDifficulty = 0
  blocks = 0
  /** By error code. */
  readonly refused = new ReasonCounts()
  readonly work: WorkWindows

  constructor(now: number) {
    this.work = new WorkWindows(now)
  }

  accept({ difficulty, hashDifficulty }: ShareAccepted, now: number): void {
    this.accepted++
    this.acceptedDifficulty += difficulty
    if (hashDifficulty > this.bestDifficulty) this.bestDifficulty = hashDifficulty
    this.work.add(difficulty, now)
  }

  stats(now: number): TallyStats {
    return {
      accepted: this.accepted,
      acceptedDifficulty: this.acceptedDifficulty,
      refused: this.refused.toRecord(),
      blocks: this.blocks,
      bestDifficulty: this.bestDifficulty,
      hashRates: this.work.rates(now)
    }
  }
}
