/**
 * Submitted shares without an answer (5.3.13, 5.3.14), oldest first. Keeps at most `PENDING_SHARES` and drops the oldest.
 */
export const PENDING_SHARES: i32 = 256

export class DevicePendingShares {
  private readonly sequenceNumbers: Int32Array = new Int32Array(PENDING_SHARES)
  private readonly jobIds: Int32Array = new Int32Array(PENDING_SHARES)
  count: i32 = 0

  clear(): void {
    this.count = 0
  }

  add(sequenceNumber: i32, jobId: i32): void {
    if (this.count === PENDING_SHARES) this.drop(0, 1)
    this.sequenceNumbers[this.count] = sequenceNumber
    this.jobIds[this.count] = jobId
    this.count = (this.count + 1) | 0
  }

  /** Removes at most `count` (U32) shares up to `last`, oldest first. Returns how many. */
  accept(last: i32, count: i32): i32 {
    // No count reaches 2^31.
    const most: i32 = count < 0 || count > this.count ? this.count : count
    let accepted: i32 = 0
    while (accepted < most) {
      // Serial number arithmetic: sequence numbers wrap.
      if (((this.sequenceNumbers[accepted] - last) | 0) > 0) break
      accepted++
    }
    this.drop(0, accepted)
    return accepted
  }

  /** The index of a share, or -1. */
  find(sequenceNumber: i32): i32 {
    for (let i: i32 = 0; i < this.count; i++) {
      if (this.sequenceNumbers[i] === sequenceNumber) return i
    }
    return -1
  }

  /** Removes the share at an index and returns its job. */
  refuse(place: i32): i32 {
    const jobId: i32 = this.jobIds[place]
    this.drop(place, 1)
    return jobId
  }

  private drop(place: i32, count: i32): void {
    const rest: i32 = (place + count) | 0
    this.sequenceNumbers.copyWithin(place, rest, this.count)
    this.jobIds.copyWithin(place, rest, this.count)
    this.count = (this.count - count) | 0
  }
}
