/** Random numbers for tests: the same on every run, with many at the edges, where carries and reductions are. */
import { sha256 } from "@noble/hashes/sha2.js"
import { toNumber } from "./machine.ts"

export const P = 2n ** 256n - 2n ** 32n - 977n
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

export class Random {
  private counter = 0
  private readonly seed: number

  constructor(seed: number) {
    this.seed = seed
  }

  bytes(): Uint8Array {
    const input = new Uint8Array(8)
    new DataView(input.buffer).setUint32(0, this.seed)
    new DataView(input.buffer).setUint32(4, this.counter++)
    return sha256(input)
  }

  below(limit: number): number {
    const [a = 0, b = 0] = this.bytes()
    return ((a << 8) | b) % limit
  }

  /** 0 to 2^256 - 1: mostly any, otherwise near 0, p, n or a power of 2, or with long runs of equal bits. */
  number(): bigint {
    const any = toNumber(this.bytes())
    const few = BigInt(this.below(5))
    switch (this.below(10)) {
      case 0:
        return few
      case 1:
        return (P - 2n + few) % 2n ** 256n
      case 2:
        return N - 2n + few
      case 3:
        return (2n ** BigInt(this.below(257)) + 2n ** 256n - 2n + few) % 2n ** 256n
      case 4:
        return runs(any)
      default:
        return any
    }
  }

  /** 1 to n - 1 */
  scalar(): bigint {
    return (this.number() % (N - 1n)) + 1n
  }
}

/** A number whose bits are runs of zeros and ones, of lengths that its low bytes give. */
const runs = (any: bigint): bigint => {
  let result = 0n
  let bit = 0n
  for (let rest = any; bit < 256n; rest >>= 7n) {
    const length = (rest % 64n) + 1n
    if ((rest >> 6n) % 2n === 1n) result |= (2n ** length - 1n) << bit
    bit += length
  }
  return result % 2n ** 256n
}
