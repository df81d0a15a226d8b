/**
 * The state of both sides of a Noise handshake: the chaining key `ck`, the handshake hash `h` and the current key (4.4.2;
 * Noise, section 5.2).
 */
import { CipherState } from "./cipher-state.ts"
import { MAC_SIZE } from "./frame.ts"
import { hkdf2 } from "./hkdf.ts"
import { Sha256, sha256 } from "./sha256.ts"

/** "Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256" in ASCII (4.5.1). */
const PROTOCOL_NAME: i32[] = [
  78, 111, 105, 115, 101, 95, 78, 88, 95, 83, 101, 99, 112, 50, 53, 54, 107, 49, 43, 69, 108, 108, 83, 119, 105, 102,
  116, 95, 67, 104, 97, 67, 104, 97, 80, 111, 108, 121, 95, 83, 72, 65, 50, 53, 54
]

const NAME = new Uint8Array(PROTOCOL_NAME.length)
NAME.set(PROTOCOL_NAME)
const NO_DATA = new Uint8Array(0)

export class SymmetricState {
  readonly ck: Uint8Array = new Uint8Array(32)
  readonly h: Uint8Array = new Uint8Array(32)
  private readonly cipher: CipherState = new CipherState()
  private readonly sha: Sha256 = new Sha256()
  private readonly temporaryKey: Uint8Array = new Uint8Array(32)

  constructor() {
    this.reset()
  }

  /** The beginning of a handshake: ck = HASH(protocol name), h = HASH(ck); there is no prologue (4.5.1). */
  reset(): void {
    sha256(NAME, 0, NAME.length, this.ck, 0)
    sha256(this.ck, 0, 32, this.h, 0)
  }

  /** h = HASH(h || data). */
  mixHash(data: Uint8Array, at: i32, length: i32): void {
    this.sha.reset()
    this.sha.update(this.h, 0, 32)
    this.sha.update(data, at, length)
    this.sha.digest(this.h, 0)
  }

  /** (ck, k) = HKDF(ck, the 32 bytes of an ECDH), nonce 0. */
  mixKey(ikm: Uint8Array): void {
    hkdf2(this.ck, ikm, 0, 32, this.ck, this.temporaryKey)
    this.cipher.setKey(this.temporaryKey, 0)
    this.temporaryKey.fill(0)
  }

  /** Encrypts in place with h as associated data, puts the tag behind, mixes both into h. */
  encryptAndHash(buffer: Uint8Array, at: i32, length: i32): void {
    this.cipher.encryptWithAd(this.h, 0, 32, buffer, at, length)
    this.mixHash(buffer, at, (length + MAC_SIZE) | 0)
  }

  /**
   * Decrypts `buffer` in place. Mixes `whole`, the same ciphertext and tag, into h. Returns false if the tag is wrong.
   */
  decryptAndHash(whole: Uint8Array, wholeAt: i32, buffer: Uint8Array, at: i32, length: i32): bool {
    if (!this.cipher.decryptWithAd(this.h, 0, 32, buffer, at, length)) return false
    this.mixHash(whole, wholeAt, (length + MAC_SIZE) | 0)
    return true
  }

  /** Sets the keys of the two directions, initiator to responder first (4.5.2), and clears its own state. */
  split(fromInitiator: CipherState, fromResponder: CipherState): void {
    hkdf2(this.ck, NO_DATA, 0, 0, this.ck, this.temporaryKey)
    fromInitiator.setKey(this.ck, 0)
    fromResponder.setKey(this.temporaryKey, 0)
    this.clear()
  }

  clear(): void {
    this.ck.fill(0)
    this.h.fill(0)
    this.temporaryKey.fill(0)
    this.cipher.clear()
  }
}
