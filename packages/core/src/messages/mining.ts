/**
 * Codecs of the Mining Protocol (5.3); wire.ts says what a codec is.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import { copyBytes, readU16, readU32, writeU16, writeU32 } from "../bytes.ts"
import { DECODE_LIMIT, DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM, readLength, writeLength } from "./wire.ts"

export const OPEN_STANDARD_MINING_CHANNEL: i32 = 0x10

/** OpenStandardMiningChannel (5.3.2). */
export class OpenStandardMiningChannel {
  requestId: i32 = 0
  userIdentityAt: i32 = 0
  userIdentityLength: i32 = 0
  nominalHashRateBits: i32 = 0
  maxTargetAt: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const userIdentityCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.userIdentityAt = at
    this.userIdentityLength = userIdentityCount
    if (((end - at) | 0) < userIdentityCount) return DECODE_SHORT
    at = (at + userIdentityCount) | 0
    if (((end - at) | 0) < 36) return DECODE_SHORT
    this.nominalHashRateBits = readU32(b, at)
    this.maxTargetAt = (at + 4) | 0
    return (at + 36) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.userIdentityLength < 0 || this.userIdentityLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.userIdentityLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.userIdentityLength) return ENCODE_ROOM
    copyBytes(source, this.userIdentityAt, b, at, this.userIdentityLength)
    at = (at + this.userIdentityLength) | 0
    if (((end - at) | 0) < 36) return ENCODE_ROOM
    writeU32(b, at, this.nominalHashRateBits)
    copyBytes(source, this.maxTargetAt, b, at + 4, 32)
    return (at + 36) | 0
  }
}

export const OPEN_STANDARD_MINING_CHANNEL_SUCCESS: i32 = 0x11

/** OpenStandardMiningChannel.Success (5.3.3). */
export class OpenStandardMiningChannelSuccess {
  requestId: i32 = 0
  channelId: i32 = 0
  targetAt: i32 = 0
  extranoncePrefixAt: i32 = 0
  extranoncePrefixLength: i32 = 0
  groupChannelId: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 41) return DECODE_SHORT
    this.requestId = readU32(b, at)
    this.channelId = readU32(b, at + 4)
    this.targetAt = (at + 8) | 0
    const extranoncePrefixCount: i32 = b[at + 40]
    at = (at + 41) | 0
    if (extranoncePrefixCount > 32) return DECODE_LIMIT
    this.extranoncePrefixAt = at
    this.extranoncePrefixLength = extranoncePrefixCount
    if (((end - at) | 0) < extranoncePrefixCount) return DECODE_SHORT
    at = (at + extranoncePrefixCount) | 0
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.groupChannelId = readU32(b, at)
    return (at + 4) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 41) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    writeU32(b, at + 4, this.channelId)
    copyBytes(source, this.targetAt, b, at + 8, 32)
    if (this.extranoncePrefixLength < 0 || this.extranoncePrefixLength > 32) return ENCODE_LIMIT
    b[at + 40] = this.extranoncePrefixLength as u8
    at = (at + 41) | 0
    if (((end - at) | 0) < this.extranoncePrefixLength) return ENCODE_ROOM
    copyBytes(source, this.extranoncePrefixAt, b, at, this.extranoncePrefixLength)
    at = (at + this.extranoncePrefixLength) | 0
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU32(b, at, this.groupChannelId)
    return (at + 4) | 0
  }
}

export const OPEN_MINING_CHANNEL_ERROR: i32 = 0x12

/** OpenMiningChannel.Error (5.3.6). */
export class OpenMiningChannelError {
  requestId: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const errorCodeCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.errorCodeAt = at
    this.errorCodeLength = errorCodeCount
    if (((end - at) | 0) < errorCodeCount) return DECODE_SHORT
    at = (at + errorCodeCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.errorCodeLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const OPEN_EXTENDED_MINING_CHANNEL: i32 = 0x13

/** OpenExtendedMiningChannel (5.3.4). */
export class OpenExtendedMiningChannel {
  requestId: i32 = 0
  userIdentityAt: i32 = 0
  userIdentityLength: i32 = 0
  nominalHashRateBits: i32 = 0
  maxTargetAt: i32 = 0
  minExtranonceSize: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const userIdentityCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.userIdentityAt = at
    this.userIdentityLength = userIdentityCount
    if (((end - at) | 0) < userIdentityCount) return DECODE_SHORT
    at = (at + userIdentityCount) | 0
    if (((end - at) | 0) < 38) return DECODE_SHORT
    this.nominalHashRateBits = readU32(b, at)
    this.maxTargetAt = (at + 4) | 0
    this.minExtranonceSize = readU16(b, at + 36)
    return (at + 38) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.userIdentityLength < 0 || this.userIdentityLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.userIdentityLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.userIdentityLength) return ENCODE_ROOM
    copyBytes(source, this.userIdentityAt, b, at, this.userIdentityLength)
    at = (at + this.userIdentityLength) | 0
    if (((end - at) | 0) < 38) return ENCODE_ROOM
    writeU32(b, at, this.nominalHashRateBits)
    copyBytes(source, this.maxTargetAt, b, at + 4, 32)
    writeU16(b, at + 36, this.minExtranonceSize)
    return (at + 38) | 0
  }
}

export const OPEN_EXTENDED_MINING_CHANNEL_SUCCESS: i32 = 0x14

/** OpenExtendedMiningChannel.Success (5.3.5). */
export class OpenExtendedMiningChannelSuccess {
  requestId: i32 = 0
  channelId: i32 = 0
  targetAt: i32 = 0
  extranonceSize: i32 = 0
  extranoncePrefixAt: i32 = 0
  extranoncePrefixLength: i32 = 0
  groupChannelId: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 43) return DECODE_SHORT
    this.requestId = readU32(b, at)
    this.channelId = readU32(b, at + 4)
    this.targetAt = (at + 8) | 0
    this.extranonceSize = readU16(b, at + 40)
    const extranoncePrefixCount: i32 = b[at + 42]
    at = (at + 43) | 0
    if (extranoncePrefixCount > 32) return DECODE_LIMIT
    this.extranoncePrefixAt = at
    this.extranoncePrefixLength = extranoncePrefixCount
    if (((end - at) | 0) < extranoncePrefixCount) return DECODE_SHORT
    at = (at + extranoncePrefixCount) | 0
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.groupChannelId = readU32(b, at)
    return (at + 4) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 43) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    writeU32(b, at + 4, this.channelId)
    copyBytes(source, this.targetAt, b, at + 8, 32)
    writeU16(b, at + 40, this.extranonceSize)
    if (this.extranoncePrefixLength < 0 || this.extranoncePrefixLength > 32) return ENCODE_LIMIT
    b[at + 42] = this.extranoncePrefixLength as u8
    at = (at + 43) | 0
    if (((end - at) | 0) < this.extranoncePrefixLength) return ENCODE_ROOM
    copyBytes(source, this.extranoncePrefixAt, b, at, this.extranoncePrefixLength)
    at = (at + this.extranoncePrefixLength) | 0
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU32(b, at, this.groupChannelId)
    return (at + 4) | 0
  }
}

export const NEW_MINING_JOB: i32 = 0x15
/** extension_type of the frame, with the channel bit. */
export const NEW_MINING_JOB_EXTENSION: i32 = 0x8000

/** NewMiningJob (5.3.15). */
export class NewMiningJob {
  channelId: i32 = 0
  jobId: i32 = 0
  hasMinNtime: i32 = 0
  minNtime: i32 = 0
  version: i32 = 0
  merkleRootAt: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.jobId = readU32(b, at + 4)
    const minNtimeCount: i32 = b[at + 8]
    at = (at + 9) | 0
    if (minNtimeCount > 1) return DECODE_LIMIT
    this.hasMinNtime = minNtimeCount
    this.minNtime = 0
    if (minNtimeCount === 1) {
      if (((end - at) | 0) < 4) return DECODE_SHORT
      this.minNtime = readU32(b, at)
      at = (at + 4) | 0
    }
    if (((end - at) | 0) < 36) return DECODE_SHORT
    this.version = readU32(b, at)
    this.merkleRootAt = (at + 4) | 0
    return (at + 36) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.jobId)
    if (this.hasMinNtime < 0 || this.hasMinNtime > 1) return ENCODE_LIMIT
    b[at + 8] = this.hasMinNtime as u8
    at = (at + 9) | 0
    if (this.hasMinNtime === 1) {
      if (((end - at) | 0) < 4) return ENCODE_ROOM
      writeU32(b, at, this.minNtime)
      at = (at + 4) | 0
    }
    if (((end - at) | 0) < 36) return ENCODE_ROOM
    writeU32(b, at, this.version)
    copyBytes(source, this.merkleRootAt, b, at + 4, 32)
    return (at + 36) | 0
  }
}

export const UPDATE_CHANNEL: i32 = 0x16
/** extension_type of the frame, with the channel bit. */
export const UPDATE_CHANNEL_EXTENSION: i32 = 0x8000

/** UpdateChannel (5.3.7). */
export class UpdateChannel {
  channelId: i32 = 0
  nominalHashRateBits: i32 = 0
  maximumTargetAt: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 40) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.nominalHashRateBits = readU32(b, at + 4)
    this.maximumTargetAt = (at + 8) | 0
    return (at + 40) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 40) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.nominalHashRateBits)
    copyBytes(source, this.maximumTargetAt, b, at + 8, 32)
    return (at + 40) | 0
  }
}

export const UPDATE_CHANNEL_ERROR: i32 = 0x17
/** extension_type of the frame, with the channel bit. */
export const UPDATE_CHANNEL_ERROR_EXTENSION: i32 = 0x8000

/** UpdateChannel.Error (5.3.8). */
export class UpdateChannelError {
  channelId: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.channelId = readU32(b, at)
    const errorCodeCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.errorCodeAt = at
    this.errorCodeLength = errorCodeCount
    if (((end - at) | 0) < errorCodeCount) return DECODE_SHORT
    at = (at + errorCodeCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.errorCodeLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const CLOSE_CHANNEL: i32 = 0x18
/** extension_type of the frame, with the channel bit. */
export const CLOSE_CHANNEL_EXTENSION: i32 = 0x8000

/** CloseChannel (5.3.9). */
export class CloseChannel {
  channelId: i32 = 0
  reasonCodeAt: i32 = 0
  reasonCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.channelId = readU32(b, at)
    const reasonCodeCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.reasonCodeAt = at
    this.reasonCodeLength = reasonCodeCount
    if (((end - at) | 0) < reasonCodeCount) return DECODE_SHORT
    at = (at + reasonCodeCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    if (this.reasonCodeLength < 0 || this.reasonCodeLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.reasonCodeLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.reasonCodeLength) return ENCODE_ROOM
    copyBytes(source, this.reasonCodeAt, b, at, this.reasonCodeLength)
    at = (at + this.reasonCodeLength) | 0
    return at
  }
}

export const SET_EXTRANONCE_PREFIX: i32 = 0x19
/** extension_type of the frame, with the channel bit. */
export const SET_EXTRANONCE_PREFIX_EXTENSION: i32 = 0x8000

/** SetExtranoncePrefix (5.3.10). */
export class SetExtranoncePrefix {
  channelId: i32 = 0
  extranoncePrefixAt: i32 = 0
  extranoncePrefixLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.channelId = readU32(b, at)
    const extranoncePrefixCount: i32 = b[at + 4]
    at = (at + 5) | 0
    if (extranoncePrefixCount > 32) return DECODE_LIMIT
    this.extranoncePrefixAt = at
    this.extranoncePrefixLength = extranoncePrefixCount
    if (((end - at) | 0) < extranoncePrefixCount) return DECODE_SHORT
    at = (at + extranoncePrefixCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    if (this.extranoncePrefixLength < 0 || this.extranoncePrefixLength > 32) return ENCODE_LIMIT
    b[at + 4] = this.extranoncePrefixLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.extranoncePrefixLength) return ENCODE_ROOM
    copyBytes(source, this.extranoncePrefixAt, b, at, this.extranoncePrefixLength)
    at = (at + this.extranoncePrefixLength) | 0
    return at
  }
}

export const SUBMIT_SHARES_STANDARD: i32 = 0x1a
/** extension_type of the frame, with the channel bit. */
export const SUBMIT_SHARES_STANDARD_EXTENSION: i32 = 0x8000

/** SubmitSharesStandard (5.3.11). */
export class SubmitSharesStandard {
  channelId: i32 = 0
  sequenceNumber: i32 = 0
  jobId: i32 = 0
  nonce: i32 = 0
  ntime: i32 = 0
  version: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 24) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.sequenceNumber = readU32(b, at + 4)
    this.jobId = readU32(b, at + 8)
    this.nonce = readU32(b, at + 12)
    this.ntime = readU32(b, at + 16)
    this.version = readU32(b, at + 20)
    return (at + 24) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 24) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.sequenceNumber)
    writeU32(b, at + 8, this.jobId)
    writeU32(b, at + 12, this.nonce)
    writeU32(b, at + 16, this.ntime)
    writeU32(b, at + 20, this.version)
    return (at + 24) | 0
  }
}

export const SUBMIT_SHARES_EXTENDED: i32 = 0x1b
/** extension_type of the frame, with the channel bit. */
export const SUBMIT_SHARES_EXTENDED_EXTENSION: i32 = 0x8000

/** SubmitSharesExtended (5.3.12). */
export class SubmitSharesExtended {
  channelId: i32 = 0
  sequenceNumber: i32 = 0
  jobId: i32 = 0
  nonce: i32 = 0
  ntime: i32 = 0
  version: i32 = 0
  extranonceAt: i32 = 0
  extranonceLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 25) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.sequenceNumber = readU32(b, at + 4)
    this.jobId = readU32(b, at + 8)
    this.nonce = readU32(b, at + 12)
    this.ntime = readU32(b, at + 16)
    this.version = readU32(b, at + 20)
    const extranonceCount: i32 = b[at + 24]
    at = (at + 25) | 0
    if (extranonceCount > 32) return DECODE_LIMIT
    this.extranonceAt = at
    this.extranonceLength = extranonceCount
    if (((end - at) | 0) < extranonceCount) return DECODE_SHORT
    at = (at + extranonceCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 25) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.sequenceNumber)
    writeU32(b, at + 8, this.jobId)
    writeU32(b, at + 12, this.nonce)
    writeU32(b, at + 16, this.ntime)
    writeU32(b, at + 20, this.version)
    if (this.extranonceLength < 0 || this.extranonceLength > 32) return ENCODE_LIMIT
    b[at + 24] = this.extranonceLength as u8
    at = (at + 25) | 0
    if (((end - at) | 0) < this.extranonceLength) return ENCODE_ROOM
    copyBytes(source, this.extranonceAt, b, at, this.extranonceLength)
    at = (at + this.extranonceLength) | 0
    return at
  }
}

export const SUBMIT_SHARES_SUCCESS: i32 = 0x1c
/** extension_type of the frame, with the channel bit. */
export const SUBMIT_SHARES_SUCCESS_EXTENSION: i32 = 0x8000

/** SubmitShares.Success (5.3.13). */
export class SubmitSharesSuccess {
  channelId: i32 = 0
  lastSequenceNumber: i32 = 0
  newSubmitsAcceptedCount: i32 = 0
  newSharesSumLow: i32 = 0
  newSharesSumHigh: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 20) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.lastSequenceNumber = readU32(b, at + 4)
    this.newSubmitsAcceptedCount = readU32(b, at + 8)
    this.newSharesSumLow = readU32(b, at + 12)
    this.newSharesSumHigh = readU32(b, at + 16)
    return (at + 20) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 20) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.lastSequenceNumber)
    writeU32(b, at + 8, this.newSubmitsAcceptedCount)
    writeU32(b, at + 12, this.newSharesSumLow)
    writeU32(b, at + 16, this.newSharesSumHigh)
    return (at + 20) | 0
  }
}

export const SUBMIT_SHARES_ERROR: i32 = 0x1d
/** extension_type of the frame, with the channel bit. */
export const SUBMIT_SHARES_ERROR_EXTENSION: i32 = 0x8000

/** SubmitShares.Error (5.3.14). */
export class SubmitSharesError {
  channelId: i32 = 0
  sequenceNumber: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.sequenceNumber = readU32(b, at + 4)
    const errorCodeCount: i32 = b[at + 8]
    at = (at + 9) | 0
    this.errorCodeAt = at
    this.errorCodeLength = errorCodeCount
    if (((end - at) | 0) < errorCodeCount) return DECODE_SHORT
    at = (at + errorCodeCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.sequenceNumber)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 8] = this.errorCodeLength as u8
    at = (at + 9) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const NEW_EXTENDED_MINING_JOB: i32 = 0x1f
/** extension_type of the frame, with the channel bit. */
export const NEW_EXTENDED_MINING_JOB_EXTENSION: i32 = 0x8000

/** NewExtendedMiningJob (5.3.16). */
export class NewExtendedMiningJob {
  channelId: i32 = 0
  jobId: i32 = 0
  hasMinNtime: i32 = 0
  minNtime: i32 = 0
  version: i32 = 0
  versionRollingAllowed: i32 = 0
  merklePathAt: i32 = 0
  merklePathCount: i32 = 0
  coinbaseTxPrefixAt: i32 = 0
  coinbaseTxPrefixLength: i32 = 0
  coinbaseTxSuffixAt: i32 = 0
  coinbaseTxSuffixLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.jobId = readU32(b, at + 4)
    const minNtimeCount: i32 = b[at + 8]
    at = (at + 9) | 0
    if (minNtimeCount > 1) return DECODE_LIMIT
    this.hasMinNtime = minNtimeCount
    this.minNtime = 0
    if (minNtimeCount === 1) {
      if (((end - at) | 0) < 4) return DECODE_SHORT
      this.minNtime = readU32(b, at)
      at = (at + 4) | 0
    }
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.version = readU32(b, at)
    const versionRollingAllowed: i32 = b[at + 4]
    this.versionRollingAllowed = versionRollingAllowed & 1
    const merklePathCount: i32 = b[at + 5]
    at = (at + 6) | 0
    this.merklePathAt = at
    this.merklePathCount = merklePathCount
    const merklePathSize: i32 = (merklePathCount * 32) | 0
    if (((end - at) | 0) < merklePathSize) return DECODE_SHORT
    at = (at + merklePathSize) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const coinbaseTxPrefixCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.coinbaseTxPrefixAt = at
    this.coinbaseTxPrefixLength = coinbaseTxPrefixCount
    if (((end - at) | 0) < coinbaseTxPrefixCount) return DECODE_SHORT
    at = (at + coinbaseTxPrefixCount) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const coinbaseTxSuffixCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.coinbaseTxSuffixAt = at
    this.coinbaseTxSuffixLength = coinbaseTxSuffixCount
    if (((end - at) | 0) < coinbaseTxSuffixCount) return DECODE_SHORT
    at = (at + coinbaseTxSuffixCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.jobId)
    if (this.hasMinNtime < 0 || this.hasMinNtime > 1) return ENCODE_LIMIT
    b[at + 8] = this.hasMinNtime as u8
    at = (at + 9) | 0
    if (this.hasMinNtime === 1) {
      if (((end - at) | 0) < 4) return ENCODE_ROOM
      writeU32(b, at, this.minNtime)
      at = (at + 4) | 0
    }
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.version)
    b[at + 4] = (this.versionRollingAllowed & 1) as u8
    if (this.merklePathCount < 0 || this.merklePathCount > 255) return ENCODE_LIMIT
    b[at + 5] = this.merklePathCount as u8
    at = (at + 6) | 0
    const merklePathSize: i32 = (this.merklePathCount * 32) | 0
    if (((end - at) | 0) < merklePathSize) return ENCODE_ROOM
    copyBytes(source, this.merklePathAt, b, at, merklePathSize)
    at = (at + merklePathSize) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.coinbaseTxPrefixLength < 0 || this.coinbaseTxPrefixLength > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.coinbaseTxPrefixLength)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.coinbaseTxPrefixLength) return ENCODE_ROOM
    copyBytes(source, this.coinbaseTxPrefixAt, b, at, this.coinbaseTxPrefixLength)
    at = (at + this.coinbaseTxPrefixLength) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.coinbaseTxSuffixLength < 0 || this.coinbaseTxSuffixLength > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.coinbaseTxSuffixLength)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.coinbaseTxSuffixLength) return ENCODE_ROOM
    copyBytes(source, this.coinbaseTxSuffixAt, b, at, this.coinbaseTxSuffixLength)
    at = (at + this.coinbaseTxSuffixLength) | 0
    return at
  }
}

export const SET_NEW_PREV_HASH: i32 = 0x20
/** extension_type of the frame, with the channel bit. */
export const SET_NEW_PREV_HASH_EXTENSION: i32 = 0x8000

/** SetNewPrevHash (5.3.17). */
export class SetNewPrevHash {
  channelId: i32 = 0
  jobId: i32 = 0
  prevHashAt: i32 = 0
  minNtime: i32 = 0
  nbits: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 48) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.jobId = readU32(b, at + 4)
    this.prevHashAt = (at + 8) | 0
    this.minNtime = readU32(b, at + 40)
    this.nbits = readU32(b, at + 44)
    return (at + 48) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 48) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.jobId)
    copyBytes(source, this.prevHashAt, b, at + 8, 32)
    writeU32(b, at + 40, this.minNtime)
    writeU32(b, at + 44, this.nbits)
    return (at + 48) | 0
  }
}

export const SET_TARGET: i32 = 0x21
/** extension_type of the frame, with the channel bit. */
export const SET_TARGET_EXTENSION: i32 = 0x8000

/** SetTarget (5.3.21). */
export class SetTarget {
  channelId: i32 = 0
  maximumTargetAt: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 36) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.maximumTargetAt = (at + 4) | 0
    return (at + 36) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 36) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    copyBytes(source, this.maximumTargetAt, b, at + 4, 32)
    return (at + 36) | 0
  }
}

export const SET_CUSTOM_MINING_JOB: i32 = 0x22
/** extension_type of the frame, with the channel bit. */
export const SET_CUSTOM_MINING_JOB_EXTENSION: i32 = 0x8000

/** SetCustomMiningJob (5.3.18). */
export class SetCustomMiningJob {
  channelId: i32 = 0
  requestId: i32 = 0
  miningJobTokenAt: i32 = 0
  miningJobTokenLength: i32 = 0
  version: i32 = 0
  prevHashAt: i32 = 0
  minNtime: i32 = 0
  nbits: i32 = 0
  coinbaseTxVersion: i32 = 0
  coinbasePrefixAt: i32 = 0
  coinbasePrefixLength: i32 = 0
  coinbaseTxInputNSequence: i32 = 0
  coinbaseTxOutputsAt: i32 = 0
  coinbaseTxOutputsLength: i32 = 0
  coinbaseTxLocktime: i32 = 0
  merklePathAt: i32 = 0
  merklePathCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.requestId = readU32(b, at + 4)
    const miningJobTokenCount: i32 = b[at + 8]
    at = (at + 9) | 0
    this.miningJobTokenAt = at
    this.miningJobTokenLength = miningJobTokenCount
    if (((end - at) | 0) < miningJobTokenCount) return DECODE_SHORT
    at = (at + miningJobTokenCount) | 0
    if (((end - at) | 0) < 49) return DECODE_SHORT
    this.version = readU32(b, at)
    this.prevHashAt = (at + 4) | 0
    this.minNtime = readU32(b, at + 36)
    this.nbits = readU32(b, at + 40)
    this.coinbaseTxVersion = readU32(b, at + 44)
    const coinbasePrefixCount: i32 = b[at + 48]
    at = (at + 49) | 0
    this.coinbasePrefixAt = at
    this.coinbasePrefixLength = coinbasePrefixCount
    if (((end - at) | 0) < coinbasePrefixCount) return DECODE_SHORT
    at = (at + coinbasePrefixCount) | 0
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.coinbaseTxInputNSequence = readU32(b, at)
    const coinbaseTxOutputsCount: i32 = readLength(b, at + 4, 2)
    at = (at + 6) | 0
    this.coinbaseTxOutputsAt = at
    this.coinbaseTxOutputsLength = coinbaseTxOutputsCount
    if (((end - at) | 0) < coinbaseTxOutputsCount) return DECODE_SHORT
    at = (at + coinbaseTxOutputsCount) | 0
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.coinbaseTxLocktime = readU32(b, at)
    const merklePathCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.merklePathAt = at
    this.merklePathCount = merklePathCount
    const merklePathSize: i32 = (merklePathCount * 32) | 0
    if (((end - at) | 0) < merklePathSize) return DECODE_SHORT
    at = (at + merklePathSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.requestId)
    if (this.miningJobTokenLength < 0 || this.miningJobTokenLength > 255) return ENCODE_LIMIT
    b[at + 8] = this.miningJobTokenLength as u8
    at = (at + 9) | 0
    if (((end - at) | 0) < this.miningJobTokenLength) return ENCODE_ROOM
    copyBytes(source, this.miningJobTokenAt, b, at, this.miningJobTokenLength)
    at = (at + this.miningJobTokenLength) | 0
    if (((end - at) | 0) < 49) return ENCODE_ROOM
    writeU32(b, at, this.version)
    copyBytes(source, this.prevHashAt, b, at + 4, 32)
    writeU32(b, at + 36, this.minNtime)
    writeU32(b, at + 40, this.nbits)
    writeU32(b, at + 44, this.coinbaseTxVersion)
    if (this.coinbasePrefixLength < 0 || this.coinbasePrefixLength > 255) return ENCODE_LIMIT
    b[at + 48] = this.coinbasePrefixLength as u8
    at = (at + 49) | 0
    if (((end - at) | 0) < this.coinbasePrefixLength) return ENCODE_ROOM
    copyBytes(source, this.coinbasePrefixAt, b, at, this.coinbasePrefixLength)
    at = (at + this.coinbasePrefixLength) | 0
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.coinbaseTxInputNSequence)
    if (this.coinbaseTxOutputsLength < 0 || this.coinbaseTxOutputsLength > 65535) return ENCODE_LIMIT
    writeLength(b, at + 4, 2, this.coinbaseTxOutputsLength)
    at = (at + 6) | 0
    if (((end - at) | 0) < this.coinbaseTxOutputsLength) return ENCODE_ROOM
    copyBytes(source, this.coinbaseTxOutputsAt, b, at, this.coinbaseTxOutputsLength)
    at = (at + this.coinbaseTxOutputsLength) | 0
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.coinbaseTxLocktime)
    if (this.merklePathCount < 0 || this.merklePathCount > 255) return ENCODE_LIMIT
    b[at + 4] = this.merklePathCount as u8
    at = (at + 5) | 0
    const merklePathSize: i32 = (this.merklePathCount * 32) | 0
    if (((end - at) | 0) < merklePathSize) return ENCODE_ROOM
    copyBytes(source, this.merklePathAt, b, at, merklePathSize)
    at = (at + merklePathSize) | 0
    return at
  }
}

export const SET_CUSTOM_MINING_JOB_SUCCESS: i32 = 0x23
/** extension_type of the frame, with the channel bit. */
export const SET_CUSTOM_MINING_JOB_SUCCESS_EXTENSION: i32 = 0x8000

/** SetCustomMiningJob.Success (5.3.19). */
export class SetCustomMiningJobSuccess {
  channelId: i32 = 0
  requestId: i32 = 0
  jobId: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 12) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.requestId = readU32(b, at + 4)
    this.jobId = readU32(b, at + 8)
    return (at + 12) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 12) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.requestId)
    writeU32(b, at + 8, this.jobId)
    return (at + 12) | 0
  }
}

export const SET_CUSTOM_MINING_JOB_ERROR: i32 = 0x24
/** extension_type of the frame, with the channel bit. */
export const SET_CUSTOM_MINING_JOB_ERROR_EXTENSION: i32 = 0x8000

/** SetCustomMiningJob.Error (5.3.20). */
export class SetCustomMiningJobError {
  channelId: i32 = 0
  requestId: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.channelId = readU32(b, at)
    this.requestId = readU32(b, at + 4)
    const errorCodeCount: i32 = b[at + 8]
    at = (at + 9) | 0
    this.errorCodeAt = at
    this.errorCodeLength = errorCodeCount
    if (((end - at) | 0) < errorCodeCount) return DECODE_SHORT
    at = (at + errorCodeCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    writeU32(b, at + 4, this.requestId)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 8] = this.errorCodeLength as u8
    at = (at + 9) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const SET_GROUP_CHANNEL: i32 = 0x25

/** SetGroupChannel (5.3.22). */
export class SetGroupChannel {
  groupChannelId: i32 = 0
  channelIdsAt: i32 = 0
  channelIdsCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.groupChannelId = readU32(b, at)
    const channelIdsCount: i32 = readLength(b, at + 4, 2)
    at = (at + 6) | 0
    this.channelIdsAt = at
    this.channelIdsCount = channelIdsCount
    const channelIdsSize: i32 = (channelIdsCount * 4) | 0
    if (((end - at) | 0) < channelIdsSize) return DECODE_SHORT
    at = (at + channelIdsSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.groupChannelId)
    if (this.channelIdsCount < 0 || this.channelIdsCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 4, 2, this.channelIdsCount)
    at = (at + 6) | 0
    const channelIdsSize: i32 = (this.channelIdsCount * 4) | 0
    if (((end - at) | 0) < channelIdsSize) return ENCODE_ROOM
    copyBytes(source, this.channelIdsAt, b, at, channelIdsSize)
    at = (at + channelIdsSize) | 0
    return at
  }
}
