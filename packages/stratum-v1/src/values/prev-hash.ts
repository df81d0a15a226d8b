/**
 * The previous block's hash as mining.notify has it: internal byte order, with the bytes of each of the eight 4-byte words
 * swapped.
 */

/** The wire's 32 bytes of a hash in internal order. */
export const toPrevHash = (hash: Uint8Array): Uint8Array => swapWords(hash)

/** The hash in internal order of the wire's 32 bytes. */
export const fromPrevHash = (words: Uint8Array): Uint8Array => swapWords(words)

const swapWords = (bytes: Uint8Array): Uint8Array => {
  const swapped = new Uint8Array(32)
  for (let i = 0; i < 32; i++) swapped[i] = bytes[i ^ 3]!
  return swapped
}
