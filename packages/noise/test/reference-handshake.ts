/**
 * A second implementation of the handshake, as the specification's section 4.5 tells it step by step, over node:crypto: to
 * hold core's against. Slow and plain on purpose; it shares nothing with core but the curve's library.
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto"

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
const HASH = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(
    createHash("sha256")
      .update(concat(...parts))
      .digest()
  )
const HMAC = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac("sha256", key).update(data).digest())

const HKDF = (chainingKey: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] => {
  const temporary = HMAC(chainingKey, input)
  const output1 = HMAC(temporary, Uint8Array.of(1))
  return [output1, HMAC(temporary, concat(output1, Uint8Array.of(2)))]
}

/** ChaCha20-Poly1305 with the nonce of Noise (4.4.1). */
export class Cipher {
  private n = 0n
  private readonly k: Uint8Array
  constructor(k: Uint8Array) {
    this.k = k
  }
  private nonce(): Uint8Array {
    const nonce = new Uint8Array(12)
    new DataView(nonce.buffer).setBigUint64(4, this.n++, true)
    return nonce
  }
  encrypt(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const cipher = createCipheriv("chacha20-poly1305", this.k, this.nonce(), { authTagLength: 16 })
    cipher.setAAD(ad, { plaintextLength: plaintext.length })
    return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  }
  decrypt(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const decipher = createDecipheriv("chacha20-poly1305", this.k, this.nonce(), { authTagLength: 16 })
    decipher.setAAD(ad, { plaintextLength: ciphertext.length - 16 })
    decipher.setAuthTag(ciphertext.subarray(-16))
    return concat(decipher.update(ciphertext.subarray(0, -16)), decipher.final())
  }
}

class Symmetric {
  ck = HASH(new TextEncoder().encode("Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256"))
  h = HASH(this.ck)
  private cipher: Cipher | undefined
  mixHash(data: Uint8Array): void {
    this.h = HASH(this.h, data)
  }
  mixKey(input: Uint8Array): void {
    const [ck, k] = HKDF(this.ck, input)
    this.ck = ck
    this.cipher = new Cipher(k)
  }
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.cipher?.encrypt(this.h, plaintext) ?? plaintext
    this.mixHash(ciphertext)
    return ciphertext
  }
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.cipher?.decrypt(this.h, ciphertext) ?? ciphertext
    this.mixHash(ciphertext)
    return plaintext
  }
  split(): { readonly toResponder: Cipher; readonly toInitiator: Cipher } {
    const [k1, k2] = HKDF(this.ck, new Uint8Array(0))
    return { toResponder: new Cipher(k1), toInitiator: new Cipher(k2) }
  }
}

/** An initiator's act 1, and what it makes of act 2. */
export const initiate = () => {
  const state = new Symmetric()
  const e = elligatorSwift.keygen()
  state.mixHash(e.publicKey)
  const act1 = concat(e.publicKey, state.encryptAndHash(new Uint8Array(0)))
  const finish = (act2: Uint8Array) => {
    const re = act2.subarray(0, 64)
    state.mixHash(re)
    state.mixKey(elligatorSwift.getSharedSecretBip324(e.privateKey, re, e.publicKey, true))
    const rs = state.decryptAndHash(act2.subarray(64, 144))
    state.mixKey(elligatorSwift.getSharedSecretBip324(e.privateKey, rs, e.publicKey, true))
    const message = state.decryptAndHash(act2.subarray(144, 234))
    return { ...state.split(), staticKey: elligatorSwift.decode(rs), message }
  }
  return { act1, finish }
}

/** A responder's act 2, with a certificate of its own making. */
export const respond = (
  act1: Uint8Array,
  authoritySecret: Uint8Array,
  certificate: { readonly version: number; readonly validFrom: number; readonly notValidAfter: number }
) => {
  const state = new Symmetric()
  const re = act1.subarray(0, 64)
  state.mixHash(re)
  state.decryptAndHash(act1.subarray(64))
  const e = elligatorSwift.keygen()
  const s = elligatorSwift.keygen()
  state.mixHash(e.publicKey)
  state.mixKey(elligatorSwift.getSharedSecretBip324(e.privateKey, re, e.publicKey, false))
  const encryptedStatic = state.encryptAndHash(s.publicKey)
  state.mixKey(elligatorSwift.getSharedSecretBip324(s.privateKey, re, s.publicKey, false))
  const dates = new Uint8Array(10)
  const view = new DataView(dates.buffer)
  view.setUint16(0, certificate.version, true)
  view.setUint32(2, certificate.validFrom, true)
  view.setUint32(6, certificate.notValidAfter, true)
  const signature = schnorr.sign(HASH(dates, schnorr.getPublicKey(s.privateKey)), authoritySecret)
  const act2 = concat(e.publicKey, encryptedStatic, state.encryptAndHash(concat(dates, signature)))
  return { ...state.split(), act2 }
}

/** The hash and chaining key that every handshake begins with. */
export const initialState = () => {
  const { ck, h } = new Symmetric()
  return { ck, h }
}
