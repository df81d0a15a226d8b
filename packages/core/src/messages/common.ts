/**
 * Codecs of the common messages (3.6); wire.ts says what a codec is.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import { copyBytes, readU16, readU32, writeU16, writeU32 } from "../bytes.ts"
import { DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM } from "./wire.ts"

export const SETUP_CONNECTION: i32 = 0x00

/** SetupConnection (3.6.1). */
export class SetupConnection {
  protocol: i32 = 0
  minVersion: i32 = 0
  maxVersion: i32 = 0
  flags: i32 = 0
  endpointHostAt: i32 = 0
  endpointHostLength: i32 = 0
  endpointPort: i32 = 0
  vendorAt: i32 = 0
  vendorLength: i32 = 0
  hardwareVersionAt: i32 = 0
  hardwareVersionLength: i32 = 0
  firmwareAt: i32 = 0
  firmwareLength: i32 = 0
  deviceIdAt: i32 = 0
  deviceIdLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 10) return DECODE_SHORT
    const protocol: i32 = b[at]
    this.protocol = protocol
    this.minVersion = readU16(b, at + 1)
    this.maxVersion = readU16(b, at + 3)
    this.flags = readU32(b, at + 5)
    const endpointHostCount: i32 = b[at + 9]
    at = (at + 10) | 0
    this.endpointHostAt = at
    this.endpointHostLength = endpointHostCount
    if (((end - at) | 0) < endpointHostCount) return DECODE_SHORT
    at = (at + endpointHostCount) | 0
    if (((end - at) | 0) < 3) return DECODE_SHORT
    this.endpointPort = readU16(b, at)
    const vendorCount: i32 = b[at + 2]
    at = (at + 3) | 0
    this.vendorAt = at
    this.vendorLength = vendorCount
    if (((end - at) | 0) < vendorCount) return DECODE_SHORT
    at = (at + vendorCount) | 0
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const hardwareVersionCount: i32 = b[at]
    at = (at + 1) | 0
    this.hardwareVersionAt = at
    this.hardwareVersionLength = hardwareVersionCount
    if (((end - at) | 0) < hardwareVersionCount) return DECODE_SHORT
    at = (at + hardwareVersionCount) | 0
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const firmwareCount: i32 = b[at]
    at = (at + 1) | 0
    this.firmwareAt = at
    this.firmwareLength = firmwareCount
    if (((end - at) | 0) < firmwareCount) return DECODE_SHORT
    at = (at + firmwareCount) | 0
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const deviceIdCount: i32 = b[at]
    at = (at + 1) | 0
    this.deviceIdAt = at
    this.deviceIdLength = deviceIdCount
    if (((end - at) | 0) < deviceIdCount) return DECODE_SHORT
    at = (at + deviceIdCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 10) return ENCODE_ROOM
    b[at] = this.protocol as u8
    writeU16(b, at + 1, this.minVersion)
    writeU16(b, at + 3, this.maxVersion)
    writeU32(b, at + 5, this.flags)
    if (this.endpointHostLength < 0 || this.endpointHostLength > 255) return ENCODE_LIMIT
    b[at + 9] = this.endpointHostLength as u8
    at = (at + 10) | 0
    if (((end - at) | 0) < this.endpointHostLength) return ENCODE_ROOM
    copyBytes(source, this.endpointHostAt, b, at, this.endpointHostLength)
    at = (at + this.endpointHostLength) | 0
    if (((end - at) | 0) < 3) return ENCODE_ROOM
    writeU16(b, at, this.endpointPort)
    if (this.vendorLength < 0 || this.vendorLength > 255) return ENCODE_LIMIT
    b[at + 2] = this.vendorLength as u8
    at = (at + 3) | 0
    if (((end - at) | 0) < this.vendorLength) return ENCODE_ROOM
    copyBytes(source, this.vendorAt, b, at, this.vendorLength)
    at = (at + this.vendorLength) | 0
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.hardwareVersionLength < 0 || this.hardwareVersionLength > 255) return ENCODE_LIMIT
    b[at] = this.hardwareVersionLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.hardwareVersionLength) return ENCODE_ROOM
    copyBytes(source, this.hardwareVersionAt, b, at, this.hardwareVersionLength)
    at = (at + this.hardwareVersionLength) | 0
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.firmwareLength < 0 || this.firmwareLength > 255) return ENCODE_LIMIT
    b[at] = this.firmwareLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.firmwareLength) return ENCODE_ROOM
    copyBytes(source, this.firmwareAt, b, at, this.firmwareLength)
    at = (at + this.firmwareLength) | 0
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.deviceIdLength < 0 || this.deviceIdLength > 255) return ENCODE_LIMIT
    b[at] = this.deviceIdLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.deviceIdLength) return ENCODE_ROOM
    copyBytes(source, this.deviceIdAt, b, at, this.deviceIdLength)
    at = (at + this.deviceIdLength) | 0
    return at
  }
}

export const SETUP_CONNECTION_SUCCESS: i32 = 0x01

/** SetupConnection.Success (3.6.2). */
export class SetupConnectionSuccess {
  usedVersion: i32 = 0
  flags: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.usedVersion = readU16(b, at)
    this.flags = readU32(b, at + 2)
    return (at + 6) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU16(b, at, this.usedVersion)
    writeU32(b, at + 2, this.flags)
    return (at + 6) | 0
  }
}

export const SETUP_CONNECTION_ERROR: i32 = 0x02

/** SetupConnection.Error (3.6.3). */
export class SetupConnectionError {
  flags: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.flags = readU32(b, at)
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
    writeU32(b, at, this.flags)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.errorCodeLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const CHANNEL_ENDPOINT_CHANGED: i32 = 0x03
/** extension_type of the frame, with the channel bit. */
export const CHANNEL_ENDPOINT_CHANGED_EXTENSION: i32 = 0x8000

/** ChannelEndpointChanged (3.6.4). */
export class ChannelEndpointChanged {
  channelId: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.channelId = readU32(b, at)
    return (at + 4) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU32(b, at, this.channelId)
    return (at + 4) | 0
  }
}

export const RECONNECT: i32 = 0x04

/** Reconnect (3.6.5). */
export class Reconnect {
  newHostAt: i32 = 0
  newHostLength: i32 = 0
  newPort: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const newHostCount: i32 = b[at]
    at = (at + 1) | 0
    this.newHostAt = at
    this.newHostLength = newHostCount
    if (((end - at) | 0) < newHostCount) return DECODE_SHORT
    at = (at + newHostCount) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    this.newPort = readU16(b, at)
    return (at + 2) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.newHostLength < 0 || this.newHostLength > 255) return ENCODE_LIMIT
    b[at] = this.newHostLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.newHostLength) return ENCODE_ROOM
    copyBytes(source, this.newHostAt, b, at, this.newHostLength)
    at = (at + this.newHostLength) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    writeU16(b, at, this.newPort)
    return (at + 2) | 0
  }
}
