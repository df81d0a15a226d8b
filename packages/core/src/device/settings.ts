/** The firmware's settings for device and user, in one array for the codecs. */
import { copyBytes } from "../bytes.ts"

/** Texts, at most 255 bytes each. */
export const TEXT_USER: i32 = 0
export const TEXT_VENDOR: i32 = 1
export const TEXT_HARDWARE: i32 = 2
export const TEXT_FIRMWARE: i32 = 3
export const TEXT_DEVICE_ID: i32 = 4
/** The server's host or port, as it was dialled. */
export const TEXT_HOST: i32 = 5
/** The reason for closing the channel. */
export const TEXT_REASON: i32 = 6
export const TEXTS: i32 = 7

const TEXT_SIZE: i32 = 255
const MAX_TARGET_AT: i32 = 1785
/** The offset of a submitted extranonce. */
export const EXTRANONCE_AT: i32 = 1817

export class DeviceSettings {
  readonly source: Uint8Array = new Uint8Array(1849)
  private readonly lengths: Int32Array = new Int32Array(TEXTS)
  /** The server's host or port, as it was dialled. */
  port: i32 = 0
  /** Flags of SetupConnection (5.3.1). */
  flags: i32 = 0
  /** Hashes a second, the bits of an F32. */
  nominalHashRateBits: i32 = 0
  /** The time limit for each answer of the server; 0 for none. */
  timeoutMs: i32 = 30000

  /** Any target by default. */
  constructor() {
    this.source.fill(255, MAX_TARGET_AT, EXTRANONCE_AT)
  }

  /** Returns false if the text number is unknown or the text is too long. */
  setText(text: i32, bytes: Uint8Array, at: i32, length: i32): bool {
    if (text < 0 || text >= TEXTS || length < 0 || length > TEXT_SIZE) return false
    copyBytes(bytes, at, this.source, this.textAt(text), length)
    this.lengths[text] = length
    return true
  }

  textAt(text: i32): i32 {
    return (text * 255) | 0
  }

  textLength(text: i32): i32 {
    return this.lengths[text]
  }

  maxTargetAt(): i32 {
    return MAX_TARGET_AT
  }
}
