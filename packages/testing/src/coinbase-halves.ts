/** Coinbases of jobs, for tests: halves of any size around an extranonce that are a coinbase to the last byte. */

export interface HalvesOptions {
  /** Fills the scripts, so that coinbases of two marks differ. */
  readonly mark?: number
  /** 44 to 142 bytes less the extranonce, or 400 and more: then the extranonce lies in an output's script. */
  readonly prefixSize?: number
  /** 18 bytes or more. */
  readonly suffixSize?: number
}

export const coinbaseHalves = (
  extranonceSize: number,
  { mark = 5, prefixSize = 50, suffixSize = 60 }: HalvesOptions = {}
): { readonly coinbaseTxPrefix: Uint8Array; readonly coinbaseTxSuffix: Uint8Array } => {
  if (prefixSize >= 400) return inOutput(extranonceSize, mark, prefixSize, suffixSize)
  const scriptSize = prefixSize - INPUT.length - 1 + extranonceSize
  const lengthSize = suffixSize - 18 < 0xfd ? 1 : 3
  return {
    coinbaseTxPrefix: concat(INPUT, [scriptSize], filled(mark, scriptSize - extranonceSize)),
    coinbaseTxSuffix: concat(SEQUENCE, [1], output(mark, suffixSize - 17 - lengthSize, lengthSize), LOCK_TIME)
  }
}

const inOutput = (extranonceSize: number, mark: number, prefixSize: number, suffixSize: number) => {
  const start = concat(INPUT, [2, 0x51, 0x00], SEQUENCE, [3])
  const last = output(mark, 100, 1)
  const rest = suffixSize - last.length - LOCK_TIME.length
  return {
    coinbaseTxPrefix: concat(start, output(mark, prefixSize - start.length - 22, 3), [
      ...VALUE,
      0xfd,
      ...u16(extranonceSize + rest)
    ]),
    coinbaseTxSuffix: concat(filled(mark, rest), last, LOCK_TIME)
  }
}

const VALUE = [0, 0xf2, 5, 0x2a, 1, 0, 0, 0]
const INPUT = Uint8Array.of(2, 0, 0, 0, 1, ...new Uint8Array(32), 0xff, 0xff, 0xff, 0xff)
const SEQUENCE = [0xfe, 0xff, 0xff, 0xff]
const LOCK_TIME = [0x9e, 0, 0, 0]

const output = (mark: number, size: number, lengthSize: number): Uint8Array =>
  concat(VALUE, lengthSize === 1 ? [size] : [0xfd, ...u16(size)], filled(mark, size))

const u16 = (value: number): ReadonlyArray<number> => [value & 0xff, value >> 8]
const filled = (mark: number, size: number): Uint8Array => new Uint8Array(size).fill(mark)
const concat = (...parts: ReadonlyArray<ArrayLike<number>>): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => Array.from(part)))
