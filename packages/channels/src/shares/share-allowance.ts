/**
 * Limits how many shares of one connection the server accepts, or hashes: a rate for each channel, with a burst of one minute of
 * that rate. A miner that states far too low a hash rate needs the burst until its difficulty has followed.
 */

const BURST_SECONDS = 60

export class ShareAllowance {
  readonly #perSecond: number
  #level = Number.POSITIVE_INFINITY
  #at = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Whether a connection with this many channels has room for one more share. `now` in milliseconds. */
  hasRoom(channels: number, now: number): boolean {
    const perSecond = this.#perSecond * channels
    const earned = (Math.max(0, now - this.#at) * perSecond) / 1000
    this.#level = Math.min(perSecond * BURST_SECONDS, this.#level + earned)
    this.#at = now
    return this.#level >= 1
  }

  /** As `ChannelServer.touch`. */
  touch(): number {
    return this.#level > this.#at ? 1 : 0
  }

  /** Takes room for one share. Call it for a block even without room. */
  take(): void {
    this.#level = Math.max(0, this.#level - 1)
  }
}
