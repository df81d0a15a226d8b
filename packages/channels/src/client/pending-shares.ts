/**
 * Shares that were submitted and are not yet answered (specification, sections 5.3.13 and 5.3.14). A success answers
 * many: it names the last sequence number and how many. An error answers the one it names.
 */

import { forgetOldest } from "./forget-oldest.ts"

export interface PendingShare {
  readonly sequenceNumber: number
  readonly jobId: number
  /** Milliseconds of the clock that the machine was given. */
  readonly submittedAt: number
}

export class PendingShares {
  /** In the order of submission, which a Map keeps. */
  readonly #shares = new Map<number, PendingShare>()
  readonly #limit: number

  /** Beyond `limit` the oldest are forgotten: a server that never answers costs no memory. */
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
   * Takes out the shares that a success answers: at most `count`, oldest first, none after `last`. Servers that count
   * all shares of the session in each batch are thus corrected, and a share whose check is delayed stays pending.
   */
  accept(last: number, count: number): ReadonlyArray<PendingShare> {
    const accepted: Array<PendingShare> = []
    for (const share of this.#shares.values()) {
      // Serial number arithmetic: sequence numbers are U32 and wrap.
      if (accepted.length >= count || ((share.sequenceNumber - last) | 0) > 0) break
      accepted.push(share)
    }
    for (const share of accepted) this.#shares.delete(share.sequenceNumber)
    return accepted
  }

  /** Takes out the share that an error answers, if it is pending. */
  refuse(sequenceNumber: number): PendingShare | undefined {
    const share = this.#shares.get(sequenceNumber)
    this.#shares.delete(sequenceNumber)
    return share
  }
}
