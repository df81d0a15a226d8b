/**
 * Remembers the hash rate that channels of the same owner have shown lately. Otherwise a client that understates its hash
 * rate, and opens a new channel whenever the difficulty has followed, would always mine at the easiest target.
 *
 * A channel that is opened again for the same user identity continues the earlier one's work. Any other channel may be a weaker
 * machine's: it begins sixteen times easier than the highest rate shown, where vardiff measures at its usual pace.
 */
import type { ProvenHashRate } from "./proven-hash-rate.ts"
import { EASIER } from "./vardiff.ts"

/** The work of a closed channel, for the next channel of its user. */
export interface ShownWork {
  readonly userIdentity: string
  readonly proven: ProvenHashRate
  /** What the channel had shown at its end, in hashes a second. */
  readonly hashRate: number
  readonly closedAt: number
  /** Whether a channel has continued it already; several memories may know it. */
  isTaken: boolean
}

/** Memory of hash rates, in hashes a second, that a connection reports to and asks. `now` in milliseconds. */
export interface ShownRates {
  /** Reports that a channel of this user has shown a rate. */
  readonly saw: (userIdentity: string, hashRate: number, now: number) => void
  readonly left: (work: ShownWork) => void
  /** The work that a new channel of this user continues. */
  readonly take: (userIdentity: string, now: number) => ShownWork | undefined
  /** The least rate to assume of a new channel of this user. */
  readonly leastFor: (userIdentity: string, now: number) => number
}

/** How long a rate is remembered. It does not fade meanwhile: fading would reward a client for showing nothing more. */
export const REMEMBERED_MS = 600_000

export class ShownRate implements ShownRates {
  #highest = 0
  #highestAt = 0
  /** Of the channel that was closed last. */
  #last: ShownWork | undefined

  saw(_: string, hashRate: number, now: number): void {
    if (hashRate < this.#highestNow(now)) return
    this.#highest = hashRate
    this.#highestAt = now
  }

  left(work: ShownWork): void {
    this.saw(work.userIdentity, work.hashRate, work.closedAt)
    this.#last = work
  }

  take(userIdentity: string, now: number): ShownWork | undefined {
    const last = this.#last
    if (last?.userIdentity !== userIdentity) return undefined
    this.#last = undefined
    if (last.isTaken || now - last.closedAt >= REMEMBERED_MS) return undefined
    last.isTaken = true
    return last
  }

  leastFor(_: string, now: number): number {
    return this.#highestNow(now) / EASIER
  }

  #highestNow(now: number): number {
    return now - this.#highestAt < REMEMBERED_MS ? this.#highest : 0
  }
}
