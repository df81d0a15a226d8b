/**
 * Submitted shares without an answer (specification, sections 5.3.13 and 5.3.14). A success answers many shares: it carries the
 * last sequence number and a count. An error answers one share by its sequence number.
 */

import { forgetOldest } from "./forget-oldest.ts"

export interface PendingShare {
  readonly sequenceNumber: number
  readonly jobId: number
  /** Milliseconds of the clock behind `now`. */
  readonly submittedAt: number
}

export class PendingShares {
  /** By sequence number, in the order of submission. */
  readonly #shares = new Map<number, PendingShare>()
  readonly #limit: number

  /** Forgets the oldest beyond `limit`, so that a server which never answers cannot fill the memory. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#shares.size
  }

  add(share: PendingShare): void {
    this.#shares.set(share.sequenceNumber, share)
    forgetOldest(this.#shares, this.#limit)
  }

  /**
   * Removes and returns the shares that a success answers: at most `count`, oldest first, none after `last`. This corrects
   * servers that count all shares of the session in each batch, and a share whose check is delayed stays pending.
   */
  accept(last: number, count: number): ReadonlyArray<PendingShare> {
    const accepted: Array<PendingShare> = []
    for (const share of this.#shares.values()) {
      // Compares as serial numbers do, because sequence numbers are U32 and wrap.
      if (accepted.length >= count || ((share.sequenceNumber - last) | 0) > 0) break
      accepted.push(share)
    }
    for (const share of accepted) this.#shares.delete(share.sequenceNumber)
    return accepted
  }

  /** Removes and returns the share that an error answers, if it is pending. */
  refuse(sequenceNumber: number): PendingShare | undefined {
    const share = this.#shares.get(sequenceNumber)
    this.#shares.delete(sequenceNumber)
    return share
  }
}
