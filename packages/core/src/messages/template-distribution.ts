/**
 * Codecs of the Template Distribution Protocol (7); wire.ts says what a codec is.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import { copyBytes, readU16, readU32, writeU16, writeU32 } from "../bytes.ts"
import { DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM, itemsEnd, readLength, writeLength } from "./wire.ts"

export const COINBASE_OUTPUT_CONSTRAINTS: i32 = 0x70

/** CoinbaseOutputConstraints (7.1). */
export class CoinbaseOutputConstraints {
  coinbaseOutputMaxAdditionalSize: i32 = 0
  coinbaseOutputMaxAdditionalSigops: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.coinbaseOutputMaxAdditionalSize = readU32(b, at)
    this.coinbaseOutputMaxAdditionalSigops = readU16(b, at + 4)
    return (at + 6) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.coinbaseOutputMaxAdditionalSize)
    writeU16(b, at + 4, this.coinbaseOutputMaxAdditionalSigops)
    return (at + 6) | 0
  }
}

export const NEW_TEMPLATE: i32 = 0x71

/** NewTemplate (7.2). */
export class NewTemplate {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0
  futureTemplate: i32 = 0
  version: i32 = 0
  coinbaseTxVersion: i32 = 0
  coinbasePrefixAt: i32 = 0
  coinbasePrefixLength: i32 = 0
  coinbaseTxInputSequence: i32 = 0
  coinbaseTxValueRemainingLow: i32 = 0
  coinbaseTxValueRemainingHigh: i32 = 0
  coinbaseTxOutputsCount: i32 = 0
  coinbaseTxOutputsAt: i32 = 0
  coinbaseTxOutputsLength: i32 = 0
  coinbaseTxLocktime: i32 = 0
  merklePathAt: i32 = 0
  merklePathCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 18) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
    const futureTemplate: i32 = b[at + 8]
    this.futureTemplate = futureTemplate & 1
    this.version = readU32(b, at + 9)
    this.coinbaseTxVersion = readU32(b, at + 13)
    const coinbasePrefixCount: i32 = b[at + 17]
    at = (at + 18) | 0
    this.coinbasePrefixAt = at
    this.coinbasePrefixLength = coinbasePrefixCount
    if (((end - at) | 0) < coinbasePrefixCount) return DECODE_SHORT
    at = (at + coinbasePrefixCount) | 0
    if (((end - at) | 0) < 18) return DECODE_SHORT
    this.coinbaseTxInputSequence = readU32(b, at)
    this.coinbaseTxValueRemainingLow = readU32(b, at + 4)
    this.coinbaseTxValueRemainingHigh = readU32(b, at + 8)
    this.coinbaseTxOutputsCount = readU32(b, at + 12)
    const coinbaseTxOutputsCount: i32 = readLength(b, at + 16, 2)
    at = (at + 18) | 0
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
    if (((end - at) | 0) < 18) return ENCODE_ROOM
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    b[at + 8] = (this.futureTemplate & 1) as u8
    writeU32(b, at + 9, this.version)
    writeU32(b, at + 13, this.coinbaseTxVersion)
    if (this.coinbasePrefixLength < 0 || this.coinbasePrefixLength > 255) return ENCODE_LIMIT
    b[at + 17] = this.coinbasePrefixLength as u8
    at = (at + 18) | 0
    if (((end - at) | 0) < this.coinbasePrefixLength) return ENCODE_ROOM
    copyBytes(source, this.coinbasePrefixAt, b, at, this.coinbasePrefixLength)
    at = (at + this.coinbasePrefixLength) | 0
    if (((end - at) | 0) < 18) return ENCODE_ROOM
    writeU32(b, at, this.coinbaseTxInputSequence)
    writeU32(b, at + 4, this.coinbaseTxValueRemainingLow)
    writeU32(b, at + 8, this.coinbaseTxValueRemainingHigh)
    writeU32(b, at + 12, this.coinbaseTxOutputsCount)
    if (this.coinbaseTxOutputsLength < 0 || this.coinbaseTxOutputsLength > 65535) return ENCODE_LIMIT
    writeLength(b, at + 16, 2, this.coinbaseTxOutputsLength)
    at = (at + 18) | 0
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

export const SET_NEW_PREV_HASH: i32 = 0x72

/** SetNewPrevHash (7.3). */
export class SetNewPrevHash {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0
  prevHashAt: i32 = 0
  headerTimestamp: i32 = 0
  nbits: i32 = 0
  targetAt: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 80) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
    this.prevHashAt = (at + 8) | 0
    this.headerTimestamp = readU32(b, at + 40)
    this.nbits = readU32(b, at + 44)
    this.targetAt = (at + 48) | 0
    return (at + 80) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 80) return ENCODE_ROOM
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    copyBytes(source, this.prevHashAt, b, at + 8, 32)
    writeU32(b, at + 40, this.headerTimestamp)
    writeU32(b, at + 44, this.nbits)
    copyBytes(source, this.targetAt, b, at + 48, 32)
    return (at + 80) | 0
  }
}

export const REQUEST_TRANSACTION_DATA: i32 = 0x73

/** RequestTransactionData (7.4). */
export class RequestTransactionData {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 8) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
    return (at + 8) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(_source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    const at: i32 = from
    if (((end - at) | 0) < 8) return ENCODE_ROOM
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    return (at + 8) | 0
  }
}

export const REQUEST_TRANSACTION_DATA_SUCCESS: i32 = 0x74

/** RequestTransactionData.Success (7.5). */
export class RequestTransactionDataSuccess {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0
  excessDataAt: i32 = 0
  excessDataLength: i32 = 0
  transactionListAt: i32 = 0
  transactionListCount: i32 = 0
  transactionListSize: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 10) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
    const excessDataCount: i32 = readLength(b, at + 8, 2)
    at = (at + 10) | 0
    this.excessDataAt = at
    this.excessDataLength = excessDataCount
    if (((end - at) | 0) < excessDataCount) return DECODE_SHORT
    at = (at + excessDataCount) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const transactionListCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.transactionListAt = at
    this.transactionListCount = transactionListCount
    at = itemsEnd(b, at, end, transactionListCount, 3)
    if (at < 0) return DECODE_SHORT
    this.transactionListSize = (at - this.transactionListAt) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 10) return ENCODE_ROOM
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    if (this.excessDataLength < 0 || this.excessDataLength > 65535) return ENCODE_LIMIT
    writeLength(b, at + 8, 2, this.excessDataLength)
    at = (at + 10) | 0
    if (((end - at) | 0) < this.excessDataLength) return ENCODE_ROOM
    copyBytes(source, this.excessDataAt, b, at, this.excessDataLength)
    at = (at + this.excessDataLength) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.transactionListCount < 0 || this.transactionListCount > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.transactionListCount)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.transactionListSize) return ENCODE_ROOM
    copyBytes(source, this.transactionListAt, b, at, this.transactionListSize)
    at = (at + this.transactionListSize) | 0
    return at
  }
}

export const REQUEST_TRANSACTION_DATA_ERROR: i32 = 0x75

/** RequestTransactionData.Error (7.6). */
export class RequestTransactionDataError {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 9) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
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
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    if (this.errorCodeLength < 0 || this.errorCodeLength > 255) return ENCODE_LIMIT
    b[at + 8] = this.errorCodeLength as u8
    at = (at + 9) | 0
    if (((end - at) | 0) < this.errorCodeLength) return ENCODE_ROOM
    copyBytes(source, this.errorCodeAt, b, at, this.errorCodeLength)
    at = (at + this.errorCodeLength) | 0
    return at
  }
}

export const SUBMIT_SOLUTION: i32 = 0x76

/** SubmitSolution (7.7). */
export class SubmitSolution {
  templateIdLow: i32 = 0
  templateIdHigh: i32 = 0
  version: i32 = 0
  headerTimestamp: i32 = 0
  headerNonce: i32 = 0
  coinbaseTxAt: i32 = 0
  coinbaseTxLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 22) return DECODE_SHORT
    this.templateIdLow = readU32(b, at)
    this.templateIdHigh = readU32(b, at + 4)
    this.version = readU32(b, at + 8)
    this.headerTimestamp = readU32(b, at + 12)
    this.headerNonce = readU32(b, at + 16)
    const coinbaseTxCount: i32 = readLength(b, at + 20, 2)
    at = (at + 22) | 0
    this.coinbaseTxAt = at
    this.coinbaseTxLength = coinbaseTxCount
    if (((end - at) | 0) < coinbaseTxCount) return DECODE_SHORT
    at = (at + coinbaseTxCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 22) return ENCODE_ROOM
    writeU32(b, at, this.templateIdLow)
    writeU32(b, at + 4, this.templateIdHigh)
    writeU32(b, at + 8, this.version)
    writeU32(b, at + 12, this.headerTimestamp)
    writeU32(b, at + 16, this.headerNonce)
    if (this.coinbaseTxLength < 0 || this.coinbaseTxLength > 65535) return ENCODE_LIMIT
    writeLength(b, at + 20, 2, this.coinbaseTxLength)
    at = (at + 22) | 0
    if (((end - at) | 0) < this.coinbaseTxLength) return ENCODE_ROOM
    copyBytes(source, this.coinbaseTxAt, b, at, this.coinbaseTxLength)
    at = (at + this.coinbaseTxLength) | 0
    return at
  }
}
