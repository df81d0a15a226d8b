/** Schnorr signatures of 32-byte messages (BIP340). A public key is the 32-byte x-coordinate of a point with even y. */
import * as Ecdh from "./ecdh"
import * as F from "./field"
import * as Multiply from "./multiply"
import * as P from "./point"
import * as S from "./scalar"
import * as Hash from "./tagged-hash"

const challengeTag = Hash.tagPrefix("BIP0340/challenge")
const auxTag = Hash.tagPrefix("BIP0340/aux")
const nonceTag = Hash.tagPrefix("BIP0340/nonce")

/** "Verification": everything here is public. */
export function verifyVar(message: usize, signature: usize, publicKey: usize): bool {
  if ((F.fromBytes(key, publicKey) & P.liftX(key, key)) === 0) return false
  if ((F.fromBytes(r, signature) & S.fromBytes(s, signature + 32)) === 0) return false
  challenge(e, signature, publicKey, message)
  // R = s * G - e * P
  S.negateWhere(e, ~(0 as u64))
  Multiply.multiplyVar(key, key, e)
  Multiply.multiplyGenerator(point, s)
  P.add(point, point, key)
  if (P.isInfinity(point) !== 0) return false
  P.toAffine(point, point)
  return F.isOdd(point + P.Y) === 0 && F.isEqual(point, r) !== 0
}

/**
 * "Default Signing": writes 64 bytes, from 32 bytes of auxiliary randomness. False where the secret is not 1 to n - 1.
 * Constant time but for that answer.
 */
export function sign(message: usize, secret: usize, aux: usize, out: usize): bool {
  const valid: u32 = S.fromBytes(d, secret) & (S.isZero(d) ^ 1)
  if (valid !== 0) {
    Multiply.multiplyGenerator(point, d)
    P.toAffine(point, point)
    F.toBytes(publicBytes, point)
    S.negateWhere(d, 0 - (F.isOdd(point + P.Y) as u64))
    // t = d xor hash(aux), k = hash(t || P || message)
    Hash.startTagged(auxTag)
    Hash.append(aux, 32)
    Hash.finish(masked)
    S.toBytes(nonce, d)
    for (let i: usize = 0; i < 32; i += 8) store<u64>(masked + i, load<u64>(masked + i) ^ load<u64>(nonce + i))
    Hash.startTagged(nonceTag)
    Hash.append(masked, 32)
    Hash.append(publicBytes, 32)
    Hash.append(message, 32)
    Hash.finish(nonce)
    // That k is 0 has probability 2^-256; the signature would then show the secret.
    S.fromBytes(k, nonce)
    if (S.isZero(k) !== 0) unreachable()
    Multiply.multiplyGenerator(point, k)
    P.toAffine(point, point)
    S.negateWhere(k, 0 - (F.isOdd(point + P.Y) as u64))
    F.toBytes(signature, point)
    challenge(e, signature, publicBytes, message)
    S.mul(e, e, d)
    S.add(s, e, k)
    S.toBytes(signature + 32, s)
    memory.copy(out, signature, 64)
  }
  clear()
  return valid !== 0
}

/** e = hash(R || P || message) modulo n */
function challenge(e: usize, rBytes: usize, keyBytes: usize, message: usize): void {
  Hash.startTagged(challengeTag)
  Hash.append(rBytes, 32)
  Hash.append(keyBytes, 32)
  Hash.append(message, 32)
  Hash.finish(hashed)
  S.fromBytes(e, hashed)
}

/** Leaves no trace of a secret in this module's memory. */
function clear(): void {
  memory.fill(s, 0, 320)
  memory.fill(point, 0, 280)
  Ecdh.clear()
}

const point: usize = memory.data(280, 8)
const key: usize = point + P.POINT_SIZE
const r: usize = key + P.POINT_SIZE
const s: usize = memory.data(320, 8)
const e: usize = s + 32
const d: usize = s + 64
const k: usize = s + 96
const hashed: usize = s + 128
const masked: usize = s + 160
const nonce: usize = s + 192
const publicBytes: usize = s + 224
const signature: usize = s + 256
