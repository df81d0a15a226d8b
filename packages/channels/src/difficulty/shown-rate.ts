/**
 * What channels that belong together have shown of late of the hash rate behind them. Without it a client that says less than
 * it has, and says so again in a new channel before the difficulty has followed, would always mine at the easiest target.
 *
 * A channel that is opened again for the same user identity goes on with the work of the one before. Any other may be of a
 * weaker machine: it begins sixteen times easier than the highest rate shown, where vardiff measures at its usual pace.
 */
import type { ProvenHashRate } from "./proven-hash-rate.ts"
import { EASIER } from "./vardiff.ts"

/** The work of a channel that is closed, for the next one of its user. */
export interface ShownWork {
  readonly userIdentity: string
  readonly proven: ProvenHashRate
  /** What the channel had shown at its end, in hashes a second. */
  readonly hashRate: number
  readonly closedAt: number
  /** Whether a channel goes on with it; several may know of it. */
  isTaken: boolean
}

/** What a connection tells of its channels' rates, in hashes a second, and asks for its new ones. `now` in milliseconds. */
export interface ShownRates {
  /** A channel of this user has shown a rate. */
  readonly saw: (userIdentity: string, hashRate: number, now: number) => void
  readonly left: (work: ShownWork) => void
  /** The work that a new channel of this user goes on with. */
  readonly take: (userIdentity: string, now: number) => ShownWork | undefined
  /** The rate that a new channel of this user is taken to have at least. */
  readonly leastFor: (userIdentity: string, now: number) => number
}

/** How long a rate is remembered. It does not fade meanwhile, or it would become easier and easier to show nothing more. */
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
