/** Hashes of many messages of any lengths, such as the transactions of a block, four at a time in WebAssembly's lanes. */
import { FIRST_FREE, hashFour, lanesMemory, pad, paddedSize } from "./sha256-lanes.ts"

/**
 * SHA-256 of SHA-256 of each message: 32 bytes each, one after the other, internal order. About four times as fast as
 * `doubleSha256` of each, where many have the same number of blocks of 64 bytes.
 */
export const doubleSha256All = (messages: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(32 * messages.length)
  const bySize = new Map<number, Array<number>>()
  messages.forEach(({ length }, index) => {
    const size = paddedSize(length)
    const same = bySize.get(size)
    if (same === undefined) bySize.set(size, [index])
    else same.push(index)
  })
  for (const [size, indexes] of bySize) {
    const memory = lanesMemory(HASHES + 4 * 32 + 4 * size)
    for (let i = 0; i < indexes.length; i += 4) {
      const count = Math.min(4, indexes.length - i)
      for (let lane = 0; lane < count; lane++) {
        const message = messages[indexes[i + lane]!]!
        const at = MESSAGES + lane * size
        memory.set(message, at)
        pad(memory, at, message.length)
      }
      // Lanes without a message hash whatever is there: nobody reads the result.
      hashFour(MESSAGES, MESSAGES + size, MESSAGES + 2 * size, MESSAGES + 3 * size, size, HASHES)
      for (let lane = 0; lane < count; lane++) {
        out.set(memory.subarray(HASHES + 32 * lane, HASHES + 32 * lane + 32), 32 * indexes[i + lane]!)
      }
    }
  }
  return out
}

const HASHES = FIRST_FREE
const MESSAGES = HASHES + 4 * 32
