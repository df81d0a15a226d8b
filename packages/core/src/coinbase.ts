/**
 * Whether the coinbase of a job is one that a block can have: NewExtendedMiningJob's prefix and suffix around an extranonce
 * (5.3.16), with or without BIP141's fields. The fields are walked in their order to the last byte, with Bitcoin's limits.
 *
 * The extranonce may lie in scripts only. What it will be is not known, so no count, length or amount can be part of it.
 */
import { isBelowU32 } from "./bytes.ts"

export const COINBASE_OK: i32 = 0
/** The bytes end inside a field, or the extranonce lies where a field is that is not a script. */
export const COINBASE_CUT_OFF: i32 = 1
/** One input, behind BIP144's marker 00 and flag 01 if they are there. */
export const COINBASE_INPUT_COUNT: i32 = 2
/** The input spends the null output. */
export const COINBASE_OUTPOINT: i32 = 3
/** The scriptSig has 2 to 100 bytes. */
export const COINBASE_SCRIPT_SIZE: i32 = 4
/** There is an output, and counts and lengths are in their shortest form. */
export const COINBASE_OUTPUT_COUNT: i32 = 5
/** The outputs are worth at most 21 million bitcoins together. */
export const COINBASE_VALUE: i32 = 6
/** With marker and flag there is a witness of one item of 32 bytes (BIP141). */
export const COINBASE_WITNESS: i32 = 7
/** Nothing follows the lock time. */
export const COINBASE_TRAILING: i32 = 8

/** 2,100,000,000,000,000 satoshis. */
const MAX_MONEY_HIGH: i32 = 0x000775f0
const MAX_MONEY_LOW: i32 = 0x5a074000

const MIN_SCRIPT: i32 = 2
const MAX_SCRIPT: i32 = 100
const WITNESS_ITEM: i32 = 32

export class CoinbaseCheck {
  private prefix: Uint8Array = new Uint8Array(0)
  private suffix: Uint8Array = new Uint8Array(0)
  /** What to add to a position for its index in the prefix's or the suffix's array. */
  private prefixShift: i32 = 0
  private suffixShift: i32 = 0
  /** Where the extranonce begins and ends, and the coinbase with it. */
  private gapAt: i32 = 0
  private gapEnd: i32 = 0
  private end: i32 = 0
  private at: i32 = 0
  private isCut: bool = false

  /** Gives COINBASE_OK, or the first rule that is broken. Lengths are at most 65,535 (B0_64K). */
  check(
    prefix: Uint8Array,
    prefixAt: i32,
    prefixLength: i32,
    extranonceLength: i32,
    suffix: Uint8Array,
    suffixAt: i32,
    suffixLength: i32
  ): i32 {
    this.prefix = prefix
    this.suffix = suffix
    this.gapAt = prefixLength
    this.gapEnd = (prefixLength + extranonceLength) | 0
    this.end = (this.gapEnd + suffixLength) | 0
    this.prefixShift = prefixAt
    this.suffixShift = (suffixAt - this.gapEnd) | 0
    this.at = 0
    this.isCut = false
    const code: i32 = this.walk()
    return this.isCut ? COINBASE_CUT_OFF : code
  }

  private walk(): i32 {
    this.u32()
    let inputs: i32 = this.u8()
    const hasWitness: bool = inputs === 0
    if (hasWitness) {
      if (this.u8() !== 1) return COINBASE_INPUT_COUNT
      inputs = this.u8()
    }
    if (inputs !== 1) return COINBASE_INPUT_COUNT
    for (let i: i32 = 0; i < 8; i++) {
      if (this.u32() !== 0) return COINBASE_OUTPOINT
    }
    if (this.u32() !== -1) return COINBASE_OUTPOINT
    const script: i32 = this.u8()
    if (script < MIN_SCRIPT || script > MAX_SCRIPT) return COINBASE_SCRIPT_SIZE
    this.skip(script)
    this.u32()
    const code: i32 = this.outputs()
    if (code !== COINBASE_OK) return code
    if (hasWitness) {
      if (this.u8() !== 1 || this.u8() !== WITNESS_ITEM) return COINBASE_WITNESS
      for (let i: i32 = 0; i < WITNESS_ITEM; i++) this.u8()
    }
    this.u32()
    return this.at === this.end ? COINBASE_OK : COINBASE_TRAILING
  }

  private outputs(): i32 {
    const count: i32 = this.compactSize()
    if (count < 1) return COINBASE_OUTPUT_COUNT
    let low: i32 = 0
    let high: i32 = 0
    for (let i: i32 = 0; i < count && !this.isCut; i++) {
      const valueLow: i32 = this.u32()
      const valueHigh: i32 = this.u32()
      if (isTooMuch(valueLow, valueHigh)) return COINBASE_VALUE
      low = (low + valueLow) | 0
      const carry: i32 = isBelowU32(low, valueLow) ? 1 : 0
      high = (high + valueHigh + carry) | 0
      if (isTooMuch(low, high)) return COINBASE_VALUE
      const script: i32 = this.compactSize()
      if (script < 0) return COINBASE_OUTPUT_COUNT
      this.skip(script)
    }
    return COINBASE_OK
  }

  /** -1 for one that is not in its shortest form, or above 65,535. */
  private compactSize(): i32 {
    const first: i32 = this.u8()
    if (first < 0xfd) return first
    if (first > 0xfd) return -1
    const low: i32 = this.u8()
    const high: i32 = this.u8()
    const size: i32 = low | (high << 8)
    return size < 0xfd ? -1 : size
  }

  private u32(): i32 {
    const b0: i32 = this.u8()
    const b1: i32 = this.u8()
    const b2: i32 = this.u8()
    const b3: i32 = this.u8()
    return b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)
  }

  private u8(): i32 {
    const at: i32 = this.at
    if (at >= this.end || (at >= this.gapAt && at < this.gapEnd)) {
      this.isCut = true
      return 0
    }
    this.at = (at + 1) | 0
    if (at < this.gapAt) {
      const value: i32 = this.prefix[at + this.prefixShift]
      return value
    }
    const value: i32 = this.suffix[at + this.suffixShift]
    return value
  }

  private skip(length: i32): void {
    this.at = (this.at + length) | 0
    if (this.at > this.end) this.isCut = true
  }
}

/** Whether an amount, as an unsigned 64-bit number, is above 21 million bitcoins. */
function isTooMuch(low: i32, high: i32): bool {
  if (high === MAX_MONEY_HIGH) return isBelowU32(MAX_MONEY_LOW, low)
  return high < 0 || high > MAX_MONEY_HIGH
}
