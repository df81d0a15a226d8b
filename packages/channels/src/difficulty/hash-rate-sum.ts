/**
 * The hash rate of many channels together, for a server that states it to another one: what their difficulty assumes, as far as their
 * shares bear it out. Otherwise one client that states the rate of the whole world would leave the others no share that is good enough.
 */
import type { ProvenHashRate } from "./proven-hash-rate.ts"

/** New channels are believed so far: all together may show a quarter of what they state. */
const BELIEVED_FACTOR = 4

export class HashRateSum {
  channels = 0
  /** What difficulty assumes, in hashes a second: what clients state until vardiff has seen their shares. */
  assumed = 0
  /** What shares show, and its variance. */
  shown = 0
  variance = 0

  add(assumed: number, proven: ProvenHashRate, now: number): void {
    this.channels++
    this.assumed += assumed
    proven.addTo(this, now)
  }

  /** Hashes a second. Shares prove two standard deviations less than they show; before they prove anything, all is believed. */
  get rate(): number {
    const proven = this.shown - 2 * Math.sqrt(this.variance)
    return proven > 0 ? Math.min(this.assumed, BELIEVED_FACTOR * proven) : this.assumed
  }
}
