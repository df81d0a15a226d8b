/**
 * Remembers the hash rate that channels of the same owner have shown lately. Otherwise a client that understates its hash
 * rate, and opens a new channel whenever the difficulty has followed, would always mine at the easiest target.
 *
 * A new channel of the same user identity continues the work of the closed one. Any other new channel may belong to a weaker
 * machine. Its target is sixteen times easier than the highest rate shown asks for, as in a measurement of vardiff.
 */
import type { ProvenHashRate } from "./proven-hash-rate.ts"
import { EASIER } from "./vardiff.ts"

/** The work of a closed channel, for the next channel of its user. */
export interface ShownWork {
  readonly userIdentity: string
  readonly proven: ProvenHashRate
  /** The rate that the channel had shown when it was closed, in hashes a second. */
  readonly hashRate: number
  readonly closedAt: number
  /** Whether a channel has continued the work already. Several memories may share this object. */
  isTaken: boolean
}

/** Remembers the hash rates that connections report, in hashes a second. `now` is in milliseconds. */
export interface ShownRates {
  /** Reports that a channel of this user has shown a rate. */
  readonly saw: (userIdentity: string, hashRate: number, now: number) => void
  /** Reports the work of a channel that is closed. */
  readonly left: (work: ShownWork) => void
  /** Takes the work that a new channel of this user continues. `undefined` if there is none. */
  readonly take: (userIdentity: string, now: number) => ShownWork | undefined
  /** The least rate to assume for a new channel of this user. */
  readonly leastFor: (userIdentity: string, now: number) => number
}

/** How long a rate is remembered. It does not decay meanwhile, which would reward a client that stops mining. */
export const REMEMBERED_MS = 600_000

export class ShownRate implements ShownRates {
  #highest = 0
  #highestAt = 0
  /** The work of the channel that was closed last. */
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
