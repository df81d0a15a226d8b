/**
 * The curve module: the five secp256k1 operations that the handshake needs, and an exchange buffer for inputs and outputs.
 * Arguments are addresses. The module imports nothing and its memory never grows.
 */
import { create, decodeVar, ecdh as ellSwiftEcdh } from "./secp256k1/ellswift"
import { sign as signMessage, verifyVar } from "./secp256k1/schnorr"

const exchange: usize = memory.data(512, 8)

/** 512 bytes for the caller's inputs and outputs. */
export function exchangeAt(): usize {
  return exchange
}

/** core's `Curve.createEllSwift`: secret and entropy of 32 bytes, 64 bytes out. */
export function createEllSwift(secret: usize, entropy: usize, out: usize): bool {
  return create(secret, entropy, out)
}

/** core's `Curve.ecdh`: encodings of 64 bytes, a secret of 32, 32 bytes out. */
export function ecdh(theirs: usize, ours: usize, secret: usize, initiator: bool, out: usize): bool {
  return ellSwiftEcdh(theirs, ours, secret, initiator, out)
}

/** core's `Curve.xOnly`: an encoding of 64 bytes, 32 bytes out. Every encoding has an x-coordinate. */
export function xOnly(ellSwift: usize, out: usize): void {
  decodeVar(ellSwift, out)
}

/** core's `Curve.verify`: a message of 32 bytes, a signature of 64, an x-only key of 32. */
export function verify(message: usize, signature: usize, publicKey: usize): bool {
  return verifyVar(message, signature, publicKey)
}

/** BIP340 signature, 64 bytes, of a message of 32 bytes by a secret of 32 with 32 bytes of auxiliary randomness. */
export function sign(message: usize, secret: usize, aux: usize, out: usize): bool {
  return signMessage(message, secret, aux, out)
}
