/**
 * core's `Curve` over @noble/curves and the ElligatorSwift of @scure/btc-signer (BIP324, BIP340; specification, section
 * 4.3.1). On invalid bytes of a peer, these functions return false and never throw.
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { Curve } from "@sluice/core"

export class NobleCurve extends Curve {
  /**
   * Writes the 64-byte ElligatorSwift encoding of the secret key's public key. Of the many encodings that a key has, the
   * entropy (32 bytes) chooses one: attempt number i (from 0) takes u = SHA256(entropy, secret, U32 2i) and the case from
   * the last three bits of SHA256(entropy, secret, U32 2i+1), numbers little-endian.
   */
  createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: number): boolean {
    try {
      const x = schnorr.Point.BASE.multiply(Fn.fromBytes(secret)).x
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const u = Fp.create(Fp.fromBytes(draw(entropy, secret, 2 * attempt), true))
        if (Fp.is0(u)) continue
        const t = elligatorSwift._inv(x, u, draw(entropy, secret, 2 * attempt + 1)[31]! & 7)
        if (t === undefined || Fp.is0(t)) continue
        out.set(Fp.toBytes(u), outAt)
        out.set(Fp.toBytes(t), outAt + 32)
        return true
      }
      return false
    } catch {
      return false
    }
  }

  ecdh(
    theirs: Uint8Array,
    theirsAt: number,
    ours: Uint8Array,
    oursAt: number,
    secret: Uint8Array,
    initiator: boolean,
    out: Uint8Array,
    outAt: number
  ): boolean {
    try {
      const theirKey = theirs.subarray(theirsAt, theirsAt + 64)
      const ourKey = ours.subarray(oursAt, oursAt + 64)
      out.set(elligatorSwift.getSharedSecretBip324(secret, theirKey, ourKey, initiator), outAt)
      return true
    } catch {
      return false
    }
  }

  xOnly(ellSwift: Uint8Array, at: number, out: Uint8Array, outAt: number): boolean {
    try {
      out.set(elligatorSwift.decode(ellSwift.subarray(at, at + 64)), outAt)
      return true
    } catch {
      return false
    }
  }

  verify(
    message: Uint8Array,
    messageAt: number,
    signature: Uint8Array,
    signatureAt: number,
    publicKey: Uint8Array,
    publicKeyAt: number
  ): boolean {
    try {
      return schnorr.verify(
        signature.subarray(signatureAt, signatureAt + 64),
        message.subarray(messageAt, messageAt + 32),
        publicKey.subarray(publicKeyAt, publicKeyAt + 32)
      )
    } catch {
      return false
    }
  }
}

const Fp = schnorr.Point.Fp
const Fn = schnorr.Point.Fn

/** One attempt in four succeeds; all 256 fail with probability 10^-32. */
const MAX_ATTEMPTS = 256

const draw = (entropy: Uint8Array, secret: Uint8Array, counter: number): Uint8Array =>
  sha256
    .create()
    .update(entropy)
    .update(secret)
    .update(Uint8Array.of(counter, counter >> 8, 0, 0))
    .digest()
