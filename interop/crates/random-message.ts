/** Random messages of any declaration, from a seed, with lengths at which codecs tend to fail. */
import { Frame, type Message, maxWireSize, minWireSize, type WireType } from "@sluice/protocol"

/** Mulberry32: sufficient for test data, and the same on every machine. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return (z ^ (z >>> 14)) >>> 0
  }
  /** A number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.u32() / 2 ** 32) * limit)
  }
  oneIn(times: number): boolean {
    return this.below(times) === 0
  }
  pick<T>(items: ReadonlyArray<T>): T {
    return items[this.below(items.length)]!
  }
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = at % 4 === 0 ? this.u32() : bytes[at - 1]! * 31 + at
    return bytes
  }
}

/** The room in a frame's payload for fields of variable size. */
const ROOM = Frame.maxPayload - 1024

/** With `extreme`, every length is as long as it may be. */
export const randomMessage = (
  random: Random,
  { layout, name }: Message,
  extreme: boolean
): { readonly _tag: string } => {
  let room = ROOM
  const length = (most: number, size: number): number => {
    const limit = Math.min(most, Math.floor(room / size))
    const length = extreme ? limit : random.below(Math.min(limit, random.oneIn(50) ? 2000 : 24) + 1)
    room -= length * size
    return length
  }
  const value = (type: WireType): unknown => {
    switch (type._tag) {
      case "Unsigned":
        return Number(number(random, 8 * type.size))
      case "Unsigned64":
        return number(random, 64)
      case "Float32":
        return Math.fround(
          random.pick([0, 1, -1, 3.4028234663852886e38, 1e-45, Infinity, -Infinity, NaN, random.u32()])
        )
      case "Boolean":
        return random.oneIn(2)
      case "Fixed":
        return random.bytes(type.size)
      case "Bytes":
        return random.bytes(length(type.max, 1))
      case "Text":
        return randomText(random, length(type.max, 1))
      case "Option":
        return random.oneIn(3) ? undefined : value(type.item)
      case "Sequence": {
        // Only a few long byte strings, which share the room that is left.
        const size =
          "size" in type.item ? type.item.size : Math.min(maxWireSize(type.item), 64 + minWireSize(type.item))
        return Array.from({ length: length(type.max, size) }, () => value(type.item))
      }
    }
  }
  const fields = layout.map((field) => [
    field.name,
    // There are three protocols, and the crates have no number for a fourth.
    name === "SetupConnection" && field.name === "protocol" ? random.below(3) : value(field.type)
  ])
  return Object.fromEntries([["_tag", name], ...fields])
}

/** An integer of so many bits; the edges come often. */
const number = (random: Random, bits: number): bigint => {
  const most = 2n ** BigInt(bits) - 1n
  switch (random.below(8)) {
    case 0:
      return 0n
    case 1:
      return most
    case 2:
      return BigInt(random.below(256)) & most
    default:
      return ((BigInt(random.u32()) << 32n) | BigInt(random.u32())) & most
  }
}

/** Characters of one to four bytes, a NUL, and a byte that is never UTF-8, which stands as a lone surrogate. */
const CHARACTERS = ["a", "Z", "9", ".", "é", "中", "😀", "\0", "\udcff"]
const SIZES = [1, 1, 1, 1, 2, 3, 4, 1, 1]

/** A string of exactly so many bytes. */
export const randomText = (random: Random, size: number): string => {
  let out = ""
  for (let left = size; left > 0;) {
    const index = random.below(CHARACTERS.length)
    if (SIZES[index]! > left) continue
    out += CHARACTERS[index]!
    left -= SIZES[index]!
  }
  return out
}
