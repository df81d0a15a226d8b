/** The work of a device: a header whose nonce, ntime and some version bits may be rolled (5.1). */
import { isBelowU32, writeU32 } from "../bytes.ts"
import { HEADER_SIZE } from "../header.ts"

export class DeviceWork {
  /** False before the first job, and when the channel is closed. */
  isThere: bool = false
  jobId: i32 = 0
  version: i32 = 0
  /** The version bits that may be rolled; 0 if none may. */
  versionMask: i32 = 0
  /** The first ntime. */
  minNtime: i32 = 0
  /** ntime of the current previous hash, from which the latest ntime increases with the clock (5.3.11). */
  prevHashNtime: i32 = 0
  /** When that previous hash came, by the device's clock. */
  receivedAtMs: i32 = 0
  /** The header, with the first ntime and nonce 0. */
  readonly header: Uint8Array = new Uint8Array(HEADER_SIZE)
  /** A hash at or below it is a share; 32 bytes, least significant first. */
  readonly target: Uint8Array = new Uint8Array(32)

  clear(): void {
    this.isThere = false
    this.header.fill(0)
    this.target.fill(0)
  }

  setNonce(nonce: i32): void {
    writeU32(this.header, 76, nonce)
  }
}

/** The last ntime that a share may have: that of the previous hash and the seconds since, and not before the job's own. */
export function latestNtime(prevHashNtime: i32, receivedAtMs: i32, minNtime: i32, nowMs: i32): i32 {
  const elapsedMs: i32 = (nowMs - receivedAtMs) | 0
  const elapsed: i32 = elapsedMs < 0 ? 0 : secondsOf(elapsedMs)
  const latest: i32 = (prevHashNtime + elapsed) | 0
  return isBelowU32(latest, minNtime) ? minNtime : latest
}

/** Milliseconds / 1000, rounded down, bit by bit: without integer division, which the core has not, or floating point. */
function secondsOf(milliseconds: i32): i32 {
  let rest: i32 = milliseconds
  let seconds: i32 = 0
  for (let bit: i32 = 21; bit >= 0; bit--) {
    const part: i32 = 1000 << bit
    if (part <= rest) {
      rest = (rest - part) | 0
      seconds = seconds | (1 << bit)
    }
  }
  return seconds
}
