/**
 * The curve for this package's tests, over @noble/curves and @scure/btc-signer. An encoding is drawn at random once for
 * each secret and entropy and remembered, so that both builds get the same.
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { bytesToNumberBE } from "@noble/curves/utils.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { Curve } from "../src/curve.ts"

const encodings = new Map<string, Uint8Array>()

export const createEllSwift = (secret: Uint8Array, entropy: Uint8Array, out: Uint8Array): boolean =>
  attempt(() => {
    const key = Buffer.concat([secret, entropy]).toString("hex")
    const known = encodings.get(key) ?? elligatorSwift.encode(bytesToNumberBE(schnorr.getPublicKey(secret)))
    encodings.set(key, known)
    out.set(known)
  })

export const ecdh = (
  theirs: Uint8Array,
  ours: Uint8Array,
  secret: Uint8Array,
  initiator: boolean,
  out: Uint8Array
): boolean => attempt(() => out.set(elligatorSwift.getSharedSecretBip324(secret, theirs, ours, initiator)))

export const xOnly = (ellSwift: Uint8Array, out: Uint8Array): boolean =>
  attempt(() => out.set(elligatorSwift.decode(ellSwift)))

export const verify = (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean => {
  try {
    return schnorr.verify(signature, message, publicKey)
  } catch {
    return false
  }
}

const attempt = (action: () => void): boolean => {
  try {
    action()
    return true
  } catch {
    return false
  }
}

export class HostCurve extends Curve {
  createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: number): boolean {
    return createEllSwift(secret, entropy, out.subarray(outAt, outAt + 64))
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
    const theirKey = theirs.subarray(theirsAt, theirsAt + 64)
    return ecdh(theirKey, ours.subarray(oursAt, oursAt + 64), secret, initiator, out.subarray(outAt, outAt + 32))
  }
  xOnly(ellSwift: Uint8Array, at: number, out: Uint8Array, outAt: number): boolean {
    return xOnly(ellSwift.subarray(at, at + 64), out.subarray(outAt, outAt + 32))
  }
  verify(
    message: Uint8Array,
    messageAt: number,
    signature: Uint8Array,
    signatureAt: number,
    publicKey: Uint8Array,
    publicKeyAt: number
  ): boolean {
    const messageBytes = message.subarray(messageAt, messageAt + 32)
    const signatureBytes = signature.subarray(signatureAt, signatureAt + 64)
    return verify(messageBytes, signatureBytes, publicKey.subarray(publicKeyAt, publicKeyAt + 32))
  }
}
