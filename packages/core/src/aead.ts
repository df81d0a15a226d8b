/**
 * ChaCha20-Poly1305 (RFC 8439, 2.8) in place on the caller's buffer.
 *
 * Sealing is one pass: each 64-byte block of key stream is added to the buffer, and the ciphertext goes on to Poly1305 in
 * words, so that the buffer is read and written once. Opening checks the tag first, in constant time, and touches the
 * buffer only when it is right.
 */
import { readU32, writeU32 } from "./bytes.ts"
import { chacha20Block } from "./chacha20.ts"
import { Poly1305 } from "./poly1305.ts"

export const KEY_SIZE: i32 = 32
export const NONCE_SIZE: i32 = 12
export const TAG_SIZE: i32 = 16
/** 2^128 above a block of 16 bytes, as `Poly1305.blocks` takes it. */
const WHOLE_BLOCK: i32 = 0x40000

/*
 * What a message needs while it is sealed or opened. All ciphers share it: a server has two for each connection, and each message
 * would find those of its own in slow memory.
 */
/** The key of the cipher that works. */
const key = new Int32Array(8)
/** Holds a block of key stream, then the ciphertext for Poly1305. The last 4 words are for the lengths. */
const words = new Int32Array(20)
const mac = new Poly1305()

export class ChaCha20Poly1305 {
  /** The key, as words. */
  private key0: i32 = 0
  private key1: i32 = 0
  private key2: i32 = 0
  private key3: i32 = 0
  private key4: i32 = 0
  private key5: i32 = 0
  private key6: i32 = 0
  private key7: i32 = 0

  /** Takes a key of 32 bytes. */
  setKey(bytes: Uint8Array, at: i32): void {
    this.key0 = readU32(bytes, at)
    this.key1 = readU32(bytes, at + 4)
    this.key2 = readU32(bytes, at + 8)
    this.key3 = readU32(bytes, at + 12)
    this.key4 = readU32(bytes, at + 16)
    this.key5 = readU32(bytes, at + 20)
    this.key6 = readU32(bytes, at + 24)
    this.key7 = readU32(bytes, at + 28)
  }

  /** Clears the key, and what the last message of any cipher left. */
  clear(): void {
    this.key0 = 0
    this.key1 = 0
    this.key2 = 0
    this.key3 = 0
    this.key4 = 0
    this.key5 = 0
    this.key6 = 0
    this.key7 = 0
    key.fill(0)
    words.fill(0)
    mac.start(words)
  }

  /**
   * Encrypts `buffer[at, at + length)` and writes the tag to the 16 bytes after it. The nonce is four zero bytes and the
   * counter as U64 little-endian (4.4.1); the caller never uses a counter twice with one key.
   */
  seal(
    counterLow: i32,
    counterHigh: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): void {
    this.sealWords(0, counterLow, counterHigh, ad, adAt, adLength, buffer, at, length)
  }

  /**
   * Decrypts `length` bytes followed by the tag. Returns false and leaves the buffer unchanged if the tag is wrong.
   */
  open(
    counterLow: i32,
    counterHigh: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): bool {
    return this.openWords(0, counterLow, counterHigh, ad, adAt, adLength, buffer, at, length)
  }

  /** `seal` with a nonce of 12 bytes. */
  sealNonce(
    nonce: Uint8Array,
    nonceAt: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): void {
    const nonce0: i32 = readU32(nonce, nonceAt)
    const nonce1: i32 = readU32(nonce, nonceAt + 4)
    const nonce2: i32 = readU32(nonce, nonceAt + 8)
    this.sealWords(nonce0, nonce1, nonce2, ad, adAt, adLength, buffer, at, length)
  }

  /** `open` with a nonce of 12 bytes. */
  openNonce(
    nonce: Uint8Array,
    nonceAt: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): bool {
    const nonce0: i32 = readU32(nonce, nonceAt)
    const nonce1: i32 = readU32(nonce, nonceAt + 4)
    const nonce2: i32 = readU32(nonce, nonceAt + 8)
    return this.openWords(nonce0, nonce1, nonce2, ad, adAt, adLength, buffer, at, length)
  }

  private sealWords(
    nonce0: i32,
    nonce1: i32,
    nonce2: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): void {
    this.startMac(nonce0, nonce1, nonce2, ad, adAt, adLength)
    let p: i32 = at
    let rest: i32 = length
    let counter: i32 = 1
    while (rest >= 64) {
      chacha20Block(key, counter, nonce0, nonce1, nonce2, words)
      for (let i: i32 = 0; i < 16; i++) {
        const word: i32 = readU32(buffer, p) ^ words[i]
        words[i] = word
        writeU32(buffer, p, word)
        p = (p + 4) | 0
      }
      mac.blocks(words, 4, WHOLE_BLOCK)
      counter = (counter + 1) | 0
      rest = (rest - 64) | 0
    }
    if (rest > 0) {
      chacha20Block(key, counter, nonce0, nonce1, nonce2, words)
      let i: i32 = 0
      while (rest >= 4) {
        const word: i32 = readU32(buffer, p) ^ words[i]
        words[i] = word
        writeU32(buffer, p, word)
        p = (p + 4) | 0
        rest = (rest - 4) | 0
        i++
      }
      if (rest > 0) {
        const word: i32 = (readPart(buffer, p, rest) ^ words[i]) & ((1 << (rest << 3)) - 1)
        words[i] = word
        writePart(buffer, p, rest, word)
        p = (p + rest) | 0
        i++
      }
      this.finishMac(i, adLength, length)
    } else {
      this.finishMac(0, adLength, length)
    }
    for (let i: i32 = 0; i < 4; i++) {
      writeU32(buffer, p, words[i])
      p = (p + 4) | 0
    }
  }

  private openWords(
    nonce0: i32,
    nonce1: i32,
    nonce2: i32,
    ad: Uint8Array,
    adAt: i32,
    adLength: i32,
    buffer: Uint8Array,
    at: i32,
    length: i32
  ): bool {
    this.startMac(nonce0, nonce1, nonce2, ad, adAt, adLength)
    let p: i32 = at
    let rest: i32 = length
    while (rest >= 64) {
      readWords(buffer, p, 64, words)
      mac.blocks(words, 4, WHOLE_BLOCK)
      p = (p + 64) | 0
      rest = (rest - 64) | 0
    }
    const filled: i32 = readWords(buffer, p, rest, words)
    this.finishMac(filled, adLength, length)
    p = (p + rest) | 0
    let difference: i32 = 0
    for (let i: i32 = 0; i < 4; i++) {
      difference = difference | (words[i] ^ readU32(buffer, p))
      p = (p + 4) | 0
    }
    if (difference !== 0) return false

    p = at
    rest = length
    let counter: i32 = 1
    while (rest > 0) {
      chacha20Block(key, counter, nonce0, nonce1, nonce2, words)
      const end: i32 = rest < 64 ? rest : 64
      let i: i32 = 0
      let n: i32 = end
      while (n >= 4) {
        writeU32(buffer, p, readU32(buffer, p) ^ words[i])
        p = (p + 4) | 0
        n = (n - 4) | 0
        i++
      }
      if (n > 0) writePart(buffer, p, n, readPart(buffer, p, n) ^ words[i])
      counter = (counter + 1) | 0
      rest = (rest - end) | 0
    }
    return true
  }

  private takeKey(): void {
    key[0] = this.key0
    key[1] = this.key1
    key[2] = this.key2
    key[3] = this.key3
    key[4] = this.key4
    key[5] = this.key5
    key[6] = this.key6
    key[7] = this.key7
  }

  /** Takes the one-time key from block 0 (2.6) and absorbs the associated data, padded with zeros. */
  private startMac(nonce0: i32, nonce1: i32, nonce2: i32, ad: Uint8Array, adAt: i32, adLength: i32): void {
    this.takeKey()
    chacha20Block(key, 0, nonce0, nonce1, nonce2, words)
    mac.start(words)
    let p: i32 = adAt
    let rest: i32 = adLength
    while (rest > 0) {
      const part: i32 = rest < 64 ? rest : 64
      const filled: i32 = readWords(ad, p, part, words)
      mac.blocks(words, padBlock(words, filled), WHOLE_BLOCK)
      p = (p + part) | 0
      rest = (rest - part) | 0
    }
  }

  /** Absorbs the last `filled` words, padded with zeros, and the lengths, and leaves the tag in the first 4 words. */
  private finishMac(filled: i32, adLength: i32, length: i32): void {
    const blocks: i32 = padBlock(words, filled)
    const i: i32 = blocks << 2
    words[i] = adLength
    words[i + 1] = 0
    words[i + 2] = length
    words[i + 3] = 0
    mac.blocks(words, (blocks + 1) | 0, WHOLE_BLOCK)
    mac.finish(words)
  }
}

/** Pads the block that contains word `filled` with zeros. Returns the number of blocks. */
function padBlock(words: Int32Array, filled: i32): i32 {
  let i: i32 = filled
  while ((i & 3) !== 0) {
    words[i] = 0
    i++
  }
  return i >> 2
}

/** Reads up to 64 bytes as words and pads the last one with zeros. Returns the number of words. */
function readWords(b: Uint8Array, at: i32, length: i32, words: Int32Array): i32 {
  let p: i32 = at
  let rest: i32 = length
  let i: i32 = 0
  while (rest >= 4) {
    words[i] = readU32(b, p)
    p = (p + 4) | 0
    rest = (rest - 4) | 0
    i++
  }
  if (rest > 0) {
    words[i] = readPart(b, p, rest)
    i++
  }
  return i
}

/** Reads 1 to 3 bytes as the low bytes of a word. */
function readPart(b: Uint8Array, at: i32, length: i32): i32 {
  let word: i32 = 0
  for (let i: i32 = 0; i < length; i++) {
    const byte: i32 = b[at + i]
    word = word | (byte << (i << 3))
  }
  return word
}

function writePart(b: Uint8Array, at: i32, length: i32, word: i32): void {
  for (let i: i32 = 0; i < length; i++) b[at + i] = (word >> (i << 3)) as u8
}
