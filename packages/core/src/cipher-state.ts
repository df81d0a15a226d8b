/**
 * One direction of an encrypted connection: a key, a nonce that counts, and frames (4.4.1, 4.6).
 *
 * A frame's header and its payload are encrypted on their own, the payload in blocks of at most `MAX_BLOCK_PLAINTEXT`
 * bytes; each takes the next nonce. An empty payload has no block.
 */
import { ChaCha20Poly1305 } from "./aead.ts"
import { copyBytes } from "./bytes.ts"
import { FRAME_HEADER_SIZE, framePayloadLength, MAC_SIZE, MAX_BLOCK_PLAINTEXT } from "./frame.ts"

const NO_DATA = new Uint8Array(0)

export class CipherState {
  private readonly cipher: ChaCha20Poly1305 = new ChaCha20Poly1305()
  private hasKey: bool = false
  private nonceLow: i32 = 0
  private nonceHigh: i32 = 0

  /** Sets a key of 32 bytes and the nonce to 0: `InitializeKey`. */
  setKey(key: Uint8Array, at: i32): void {
    this.cipher.setKey(key, at)
    this.hasKey = true
    this.setNonce(0, 0)
  }

  /** The next nonce, as the two halves of a U64. */
  setNonce(low: i32, high: i32): void {
    this.nonceLow = low | 0
    this.nonceHigh = high | 0
  }

  /** Clears the key. All operations fail until the next `setKey`. */
  clear(): void {
    this.cipher.clear()
    this.hasKey = false
  }

  /**
   * Whether it can process another frame. False without a key (when Noise would send plaintext), and for the last 2^32 nonces,
   * which are reserved so that no frame runs out of nonces in the middle.
   */
  isReady(): bool {
    return this.hasKey && this.nonceHigh !== -1
  }

  /**
   * Encrypts `length` bytes in place and appends the tag. Returns false and does nothing without a key or nonces.
   */
  encryptWithAd(ad: Uint8Array, adAt: i32, adLength: i32, buffer: Uint8Array, at: i32, length: i32): bool {
    if (!this.hasNonce()) return false
    this.cipher.seal(this.nonceLow, this.nonceHigh, ad, adAt, adLength, buffer, at, length)
    this.countNonce()
    return true
  }

  /**
   * Decrypts `length` bytes followed by the tag, in place. Returns false and leaves buffer and nonce unchanged if the tag is
   * wrong or there is no key or nonce.
   */
  decryptWithAd(ad: Uint8Array, adAt: i32, adLength: i32, buffer: Uint8Array, at: i32, length: i32): bool {
    if (!this.hasNonce()) return false
    if (!this.cipher.open(this.nonceLow, this.nonceHigh, ad, adAt, adLength, buffer, at, length)) return false
    this.countNonce()
    return true
  }

  /**
   * Encrypts the plain frame at `frame[at]`, header and payload, into another place, which takes
   * `ENCRYPTED_HEADER_SIZE` + `encryptedPayloadLength(payload)` bytes. Returns that number, or -1 if it is not ready.
   */
  sealFrame(frame: Uint8Array, at: i32, out: Uint8Array, outAt: i32): i32 {
    if (!this.isReady()) return -1
    copyBytes(frame, at, out, outAt, FRAME_HEADER_SIZE)
    let from: i32 = (at + FRAME_HEADER_SIZE) | 0
    let to: i32 = (outAt + FRAME_HEADER_SIZE + MAC_SIZE) | 0
    const payloadLength: i32 = framePayloadLength(frame, at)
    let rest: i32 = payloadLength
    while (rest > 0) {
      const block: i32 = rest < MAX_BLOCK_PLAINTEXT ? rest : MAX_BLOCK_PLAINTEXT
      copyBytes(frame, from, out, to, block)
      from = (from + block) | 0
      to = (to + block + MAC_SIZE) | 0
      rest = (rest - block) | 0
    }
    return this.sealPlaced(out, outAt, payloadLength)
  }

  /**
   * As `sealFrame`, in place: the plain header stands at `buffer[at]`, and each block of the payload, of at most
   * `MAX_BLOCK_PLAINTEXT` bytes, `MAC_SIZE` bytes behind what is before it. For those who can copy faster than a loop.
   */
  sealPlaced(buffer: Uint8Array, at: i32, payloadLength: i32): i32 {
    if (!this.isReady()) return -1
    if (!this.encryptWithAd(NO_DATA, 0, 0, buffer, at, FRAME_HEADER_SIZE)) return -1
    let to: i32 = (at + FRAME_HEADER_SIZE + MAC_SIZE) | 0
    let rest: i32 = payloadLength
    while (rest > 0) {
      const block: i32 = rest < MAX_BLOCK_PLAINTEXT ? rest : MAX_BLOCK_PLAINTEXT
      if (!this.encryptWithAd(NO_DATA, 0, 0, buffer, to, block)) return -1
      to = (to + block + MAC_SIZE) | 0
      rest = (rest - block) | 0
    }
    return (to - at) | 0
  }

  /** Decrypts a header of 22 bytes in place; its first 6 bytes are then the plain header. */
  openHeader(buffer: Uint8Array, at: i32): bool {
    return this.decryptWithAd(NO_DATA, 0, 0, buffer, at, FRAME_HEADER_SIZE)
  }

  /**
   * Decrypts `encryptedPayloadLength(payloadLength)` bytes in place. The plain payload is then contiguous at `at`. Returns
   * false if a block is not authentic; the caller must then end the connection and ignore the bytes.
   */
  openPayload(buffer: Uint8Array, at: i32, payloadLength: i32): bool {
    let from: i32 = at
    let to: i32 = at
    let rest: i32 = payloadLength
    while (rest > 0) {
      const block: i32 = rest < MAX_BLOCK_PLAINTEXT ? rest : MAX_BLOCK_PLAINTEXT
      if (!this.decryptWithAd(NO_DATA, 0, 0, buffer, from, block)) return false
      if (from !== to) buffer.copyWithin(to, from, (from + block) | 0)
      from = (from + block + MAC_SIZE) | 0
      to = (to + block) | 0
      rest = (rest - block) | 0
    }
    return true
  }

  /**
   * Skips the nonces of a payload that is not decrypted, so that the next header can be decrypted. The caller must not use
   * the payload: it was not authenticated.
   */
  skipPayload(payloadLength: i32): void {
    for (let rest: i32 = payloadLength; rest > 0; rest = (rest - MAX_BLOCK_PLAINTEXT) | 0) this.countNonce()
  }

  /** The nonce 2^64 - 1 is never used (Noise, section 5.1). */
  private hasNonce(): bool {
    return this.hasKey && (this.nonceHigh !== -1 || this.nonceLow !== -1)
  }

  private countNonce(): void {
    this.nonceLow = (this.nonceLow + 1) | 0
    if (this.nonceLow === 0) this.nonceHigh = (this.nonceHigh + 1) | 0
  }
}
