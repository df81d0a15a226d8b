/**
 * Codecs of the Job Declaration Protocol (6.4); wire.ts says what a codec is.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import { copyBytes, readU32, writeU32 } from "../bytes.ts"
import { DECODE_LIMIT, DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM, itemsEnd, readLength, writeLength } from "./wire.ts"

export const ALLOCATE_MINING_JOB_TOKEN: i32 = 0x50

/** AllocateMiningJobToken (6.4.2). */
export class AllocateMiningJobToken {
  userIdentifierAt: i32 = 0
  userIdentifierLength: i32 = 0
  requestId: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const userIdentifierCount: i32 = b[at]
    at = (at + 1) | 0
    this.userIdentifierAt = at
    this.userIdentifierLength = userIdentifierCount
    if (((end - at) | 0) < userIdentifierCount) return DECODE_SHORT
    at = (at + userIdentifierCount) | 0
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.requestId = readU32(b, at)
    return (at + 4) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.userIdentifierLength < 0 || this.userIdentifierLength > 255) return ENCODE_LIMIT
    b[at] = this.userIdentifierLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.userIdentifierLength) return ENCODE_ROOM
    copyBytes(source, this.userIdentifierAt, b, at, this.userIdentifierLength)
    at = (at + this.userIdentifierLength) | 0
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    return (at + 4) | 0
  }
}

export const ALLOCATE_MINING_JOB_TOKEN_SUCCESS: i32 = 0x51

/** AllocateMiningJobToken.Success (6.4.3). */
export class AllocateMiningJobTokenSuccess {
  requestId: i32 = 0
  miningJobTokenAt: i32 = 0
  miningJobTokenLength: i32 = 0
  coinbaseTxOutputsAt: i32 = 0
  coinbaseTxOutputsLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const miningJobTokenCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.miningJobTokenAt = at
    this.miningJobTokenLength = miningJobTokenCount
    if (((end - at) | 0) < miningJobTokenCount) return DECODE_SHORT
    at = (at + miningJobTokenCount) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const coinbaseTxOutputsCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.coinbaseTxOutputsAt = at
    this.coinbaseTxOutputsLength = coinbaseTxOutputsCount
    if (((end - at) | 0) < coinbaseTxOutputsCount) return DECODE_SHORT
    at = (at + coinbaseTxOutputsCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.miningJobTokenLength < 0 || this.miningJobTokenLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.miningJobTokenLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.miningJobTokenLength) return ENCODE_ROOM
    copyBytes(source, this.miningJobTokenAt, b, at, this.miningJobTokenLength)
    at = (at + this.miningJobTokenLength) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.coinbaseTxOutputsLength < 0 || this.coinbaseTxOutputsLength > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.coinbaseTxOutputsLength)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.coinbaseTxOutputsLength) return ENCODE_ROOM
    copyBytes(source, this.coinbaseTxOutputsAt, b, at, this.coinbaseTxOutputsLength)
    at = (at + this.coinbaseTxOutputsLength) | 0
    return at
  }
}

export const PROVIDE_MISSING_TRANSACTIONS: i32 = 0x55

/** ProvideMissingTransactions (6.4.7). */
export class ProvideMissingTransactions {
  requestId: i32 = 0
  unknownTxPositionListAt: i32 = 0
  unknownTxPositionListCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const unknownTxPositionListCount: i32 = readLength(b, at + 4, 2)
    at = (at + 6) | 0
    this.unknownTxPositionListAt = at
    this.unknownTxPositionListCount = unknownTxPositionListCount
    const unknownTxPositionListSize: i32 = (unknownTxPositionListCount * 2) | 0
    if (((end - at) | 0) < unknownTxPositionListSize) return DECODE_SHORT
    at = (at + unknownTxPositionListSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.unknownTxPositionListCount < 0 || this.unknownTxPositionListCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 4, 2, this.unknownTxPositionListCount)
    at = (at + 6) | 0
    const unknownTxPositionListSize: i32 = (this.unknownTxPositionListCount * 2) | 0
    if (((end - at) | 0) < unknownTxPositionListSize) return ENCODE_ROOM
    copyBytes(source, this.unknownTxPositionListAt, b, at, unknownTxPositionListSize)
    at = (at + unknownTxPositionListSize) | 0
    return at
  }
}

export const PROVIDE_MISSING_TRANSACTIONS_SUCCESS: i32 = 0x56

/** ProvideMissingTransactions.Success (6.4.8). */
export class ProvideMissingTransactionsSuccess {
  requestId: i32 = 0
  transactionListAt: i32 = 0
  transactionListCount: i32 = 0
  transactionListSize: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const transactionListCount: i32 = readLength(b, at + 4, 2)
    at = (at + 6) | 0
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
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.transactionListCount < 0 || this.transactionListCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 4, 2, this.transactionListCount)
    at = (at + 6) | 0
    if (((end - at) | 0) < this.transactionListSize) return ENCODE_ROOM
    copyBytes(source, this.transactionListAt, b, at, this.transactionListSize)
    at = (at + this.transactionListSize) | 0
    return at
  }
}

export const DECLARE_MINING_JOB: i32 = 0x57

/** DeclareMiningJob (6.4.4). */
export class DeclareMiningJob {
  requestId: i32 = 0
  miningJobTokenAt: i32 = 0
  miningJobTokenLength: i32 = 0
  version: i32 = 0
  coinbaseTxPrefixAt: i32 = 0
  coinbaseTxPrefixLength: i32 = 0
  coinbaseTxSuffixAt: i32 = 0
  coinbaseTxSuffixLength: i32 = 0
  wtxidListAt: i32 = 0
  wtxidListCount: i32 = 0
  excessDataAt: i32 = 0
  excessDataLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const miningJobTokenCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.miningJobTokenAt = at
    this.miningJobTokenLength = miningJobTokenCount
    if (((end - at) | 0) < miningJobTokenCount) return DECODE_SHORT
    at = (at + miningJobTokenCount) | 0
    if (((end - at) | 0) < 6) return DECODE_SHORT
    this.version = readU32(b, at)
    const coinbaseTxPrefixCount: i32 = readLength(b, at + 4, 2)
    at = (at + 6) | 0
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
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const wtxidListCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.wtxidListAt = at
    this.wtxidListCount = wtxidListCount
    const wtxidListSize: i32 = (wtxidListCount * 32) | 0
    if (((end - at) | 0) < wtxidListSize) return DECODE_SHORT
    at = (at + wtxidListSize) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const excessDataCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.excessDataAt = at
    this.excessDataLength = excessDataCount
    if (((end - at) | 0) < excessDataCount) return DECODE_SHORT
    at = (at + excessDataCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.miningJobTokenLength < 0 || this.miningJobTokenLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.miningJobTokenLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.miningJobTokenLength) return ENCODE_ROOM
    copyBytes(source, this.miningJobTokenAt, b, at, this.miningJobTokenLength)
    at = (at + this.miningJobTokenLength) | 0
    if (((end - at) | 0) < 6) return ENCODE_ROOM
    writeU32(b, at, this.version)
    if (this.coinbaseTxPrefixLength < 0 || this.coinbaseTxPrefixLength > 65535) return ENCODE_LIMIT
    writeLength(b, at + 4, 2, this.coinbaseTxPrefixLength)
    at = (at + 6) | 0
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
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.wtxidListCount < 0 || this.wtxidListCount > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.wtxidListCount)
    at = (at + 2) | 0
    const wtxidListSize: i32 = (this.wtxidListCount * 32) | 0
    if (((end - at) | 0) < wtxidListSize) return ENCODE_ROOM
    copyBytes(source, this.wtxidListAt, b, at, wtxidListSize)
    at = (at + wtxidListSize) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.excessDataLength < 0 || this.excessDataLength > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.excessDataLength)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.excessDataLength) return ENCODE_ROOM
    copyBytes(source, this.excessDataAt, b, at, this.excessDataLength)
    at = (at + this.excessDataLength) | 0
    return at
  }
}

export const DECLARE_MINING_JOB_SUCCESS: i32 = 0x58

/** DeclareMiningJob.Success (6.4.5). */
export class DeclareMiningJobSuccess {
  requestId: i32 = 0
  newMiningJobTokenAt: i32 = 0
  newMiningJobTokenLength: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return DECODE_SHORT
    this.requestId = readU32(b, at)
    const newMiningJobTokenCount: i32 = b[at + 4]
    at = (at + 5) | 0
    this.newMiningJobTokenAt = at
    this.newMiningJobTokenLength = newMiningJobTokenCount
    if (((end - at) | 0) < newMiningJobTokenCount) return DECODE_SHORT
    at = (at + newMiningJobTokenCount) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 5) return ENCODE_ROOM
    writeU32(b, at, this.requestId)
    if (this.newMiningJobTokenLength < 0 || this.newMiningJobTokenLength > 255) return ENCODE_LIMIT
    b[at + 4] = this.newMiningJobTokenLength as u8
    at = (at + 5) | 0
    if (((end - at) | 0) < this.newMiningJobTokenLength) return ENCODE_ROOM
    copyBytes(source, this.newMiningJobTokenAt, b, at, this.newMiningJobTokenLength)
    at = (at + this.newMiningJobTokenLength) | 0
    return at
  }
}

export const DECLARE_MINING_JOB_ERROR: i32 = 0x59

/** DeclareMiningJob.Error (6.4.6). */
export class DeclareMiningJobError {
  requestId: i32 = 0
  errorCodeAt: i32 = 0
  errorCodeLength: i32 = 0
  errorDetailsAt: i32 = 0
  errorDetailsLength: i32 = 0

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
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const errorDetailsCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.errorDetailsAt = at
    this.errorDetailsLength = errorDetailsCount
    if (((end - at) | 0) < errorDetailsCount) return DECODE_SHORT
    at = (at + errorDetailsCount) | 0
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
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.errorDetailsLength < 0 || this.errorDetailsLength > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.errorDetailsLength)
    at = (at + 2) | 0
    if (((end - at) | 0) < this.errorDetailsLength) return ENCODE_ROOM
    copyBytes(source, this.errorDetailsAt, b, at, this.errorDetailsLength)
    at = (at + this.errorDetailsLength) | 0
    return at
  }
}

export const PUSH_SOLUTION: i32 = 0x60

/** PushSolution (6.4.9). */
export class PushSolution {
  extranonceAt: i32 = 0
  extranonceLength: i32 = 0
  prevHashAt: i32 = 0
  nonce: i32 = 0
  ntime: i32 = 0
  nbits: i32 = 0
  version: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return DECODE_SHORT
    const extranonceCount: i32 = b[at]
    at = (at + 1) | 0
    if (extranonceCount > 32) return DECODE_LIMIT
    this.extranonceAt = at
    this.extranonceLength = extranonceCount
    if (((end - at) | 0) < extranonceCount) return DECODE_SHORT
    at = (at + extranonceCount) | 0
    if (((end - at) | 0) < 48) return DECODE_SHORT
    this.prevHashAt = at
    this.nonce = readU32(b, at + 32)
    this.ntime = readU32(b, at + 36)
    this.nbits = readU32(b, at + 40)
    this.version = readU32(b, at + 44)
    return (at + 48) | 0
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 1) return ENCODE_ROOM
    if (this.extranonceLength < 0 || this.extranonceLength > 32) return ENCODE_LIMIT
    b[at] = this.extranonceLength as u8
    at = (at + 1) | 0
    if (((end - at) | 0) < this.extranonceLength) return ENCODE_ROOM
    copyBytes(source, this.extranonceAt, b, at, this.extranonceLength)
    at = (at + this.extranonceLength) | 0
    if (((end - at) | 0) < 48) return ENCODE_ROOM
    copyBytes(source, this.prevHashAt, b, at, 32)
    writeU32(b, at + 32, this.nonce)
    writeU32(b, at + 36, this.ntime)
    writeU32(b, at + 40, this.nbits)
    writeU32(b, at + 44, this.version)
    return (at + 48) | 0
  }
}
