/**
 * ElligatorSwift (BIP324, "ElligatorSwift encoding of curve X coordinates"): 64 bytes that look random, two field
 * elements u and t, which stand for the x-coordinate of a point; every 64 bytes stand for one, and every x-coordinate has
 * about 2^256 encodings.
 *
 * Decoding and encoding take variable time: an encoding is sent in the clear, and who sees it can decode it. What the
 * time of encoding tells besides is how many candidates for u were refused, and those come from a hash of entropy.
 */
import { ecdhX } from "./ecdh"
import * as Ecdh from "./ecdh"
import * as F from "./field"
import { FIELD_SIZE } from "./field"
import * as Multiply from "./multiply"
import * as P from "./point"
import * as S from "./scalar"
import * as Hash from "./tagged-hash"

/** c, the square root of -3 that is a square, 1 / 2, and (1 - c) / 2 and (1 + c) / 2 */
const C: usize = memory.data<u32>([
  0x1cd5f852, 0xc693d70, 0x53b351f, 0x1eda2bb4, 0x1962cc61, 0x186153cb, 0x77c8cdd, 0x1526a0fe, 0xa2d2b, 0
])
const HALF: usize = memory.data<u32>([
  0x1ffffe18, 0x1ffffffb, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x7fffff, 0
])
const HALF_1_MINUS_C: usize = memory.data<u32>([
  0x119501ef, 0x9cb6143, 0x1d626570, 0x92ea25, 0x34e99cf, 0x3cf561a, 0x1c41b991, 0x56caf80, 0x7ae96a, 0
])
const HALF_1_PLUS_C: usize = memory.data<u32>([
  0xe6afa41, 0x16349eb4, 0x29d9a8f, 0x1f6d15da, 0x1cb16630, 0x1c30a9e5, 0x3be466e, 0x1a93507f, 0x851695, 0
])

/** Attempts at an encoding, of which one in four succeeds: that all fail has probability 10^-32. */
const MAX_ATTEMPTS: u32 = 256

const ecdhTag = Hash.tagPrefix("bip324_ellswift_xonly_ecdh")

/** XSwiftEC: writes the 32-byte x-coordinate that 64 bytes encode. */
export function decodeVar(ellSwift: usize, out: usize): void {
  F.fromBytes(u, ellSwift)
  F.fromBytes(t, ellSwift + 32)
  xSwiftEcVar()
  F.toBytes(out, x)
}

/**
 * Writes a 64-byte encoding of the secret's public key. Attempt i takes u = SHA256(entropy || secret || U32 2i) and the
 * case from the last three bits of SHA256(entropy || secret || U32 2i + 1). False where the secret is not 1 to n - 1.
 */
export function create(secret: usize, entropy: usize, out: usize): bool {
  const valid: u32 = S.fromBytes(scalar, secret) & (S.isZero(scalar) ^ 1)
  let done: u32 = 0
  if (valid !== 0) {
    Multiply.multiplyGenerator(point, scalar)
    P.toAffine(point, point)
    for (let attempt: u32 = 0; attempt < MAX_ATTEMPTS && done === 0; attempt++) {
      draw(secret, entropy, 2 * attempt)
      F.fromBytes(u, drawn)
      draw(secret, entropy, 2 * attempt + 1)
      F.copy(x, point)
      if (F.isZero(u) === 0) done = inverseVar(load<u8>(drawn, 31) & 7) & (F.isZero(t) ^ 1)
    }
    if (done !== 0) {
      F.toBytes(out, u)
      F.toBytes(out + 32, t)
    }
  }
  clear()
  return done !== 0
}

/** XSwiftECInv: writes the 32 bytes of the t with which u encodes x in that case (0 to 7). False where there is none. */
export function encodeCaseVar(xBytes: usize, uBytes: usize, ellCase: u32, out: usize): bool {
  F.fromBytes(x, xBytes)
  F.fromBytes(u, uBytes)
  if (inverseVar(ellCase) === 0) return false
  F.toBytes(out, t)
  return true
}

/**
 * BIP324's v2_ecdh, 32 bytes: the tagged hash of the initiator's encoding, the responder's and the shared x-coordinate.
 * False where the secret is not 1 to n - 1.
 */
export function ecdh(theirs: usize, ours: usize, secret: usize, initiator: bool, out: usize): bool {
  decodeVar(theirs, shared)
  const valid: bool = ecdhX(shared, secret, shared)
  if (valid) {
    Hash.startTagged(ecdhTag)
    Hash.append(initiator ? ours : theirs, 64)
    Hash.append(initiator ? theirs : ours, 64)
    Hash.append(shared, 32)
    Hash.finish(out)
  }
  clear()
  return valid
}

/** x = XSwiftEC(u, t): of three candidates, the first that is on the curve. Changes u and t as BIP324 remaps them. */
function xSwiftEcVar(): void {
  if (F.isZero(u) !== 0) F.setSmall(u, 1)
  if (F.isZero(t) !== 0) F.setSmall(t, 1)
  P.rightSide(a, u)
  F.square(b, t)
  F.add(v, a, b)
  if (F.isZero(v) !== 0) {
    F.add(t, t, t)
    F.square(b, t)
  }
  // X = (u^3 + 7 - t^2) / 2t and Y = (X + t) / cu, with one inversion: of 2t * cu.
  F.sub(a, a, b)
  F.add(b, t, t)
  F.mul(v, C, u)
  F.mul(s, b, v)
  F.invert(s, s)
  F.mul(w, s, v)
  F.mul(a, a, w)
  F.mul(w, s, b)
  F.add(v, a, t)
  F.mul(b, v, w)
  // u + 4Y^2
  F.square(w, b)
  F.mulSmall(w, w, 4)
  F.add(x, u, w)
  if (isXVar(x)) return
  // (-X/Y - u) / 2
  F.invert(w, b)
  F.mul(w, w, a)
  F.add(x, w, u)
  F.negate(x, x)
  F.mul(x, x, HALF)
  if (isXVar(x)) return
  // (X/Y - u) / 2
  F.sub(x, w, u)
  F.mul(x, x, HALF)
}

/** t = XSwiftECInv(x, u, case); 1 where there is one, otherwise 0. x is on the curve. */
function inverseVar(ellCase: u32): u32 {
  P.rightSide(a, u)
  if ((ellCase & 2) === 0) {
    // v = x, s = -(u^3 + 7) / (u^2 + uv + v^2), unless -x - u is on the curve
    F.add(b, x, u)
    F.negate(b, b)
    if (isXVar(b)) return 0
    F.copy(v, x)
    F.square(s, b)
    F.mul(w, u, v)
    F.sub(s, s, w)
    F.invert(s, s)
    F.mul(s, s, a)
    F.negate(s, s)
  } else {
    // s = x - u, r = sqrt(-s * (4 * (u^3 + 7) + 3 * s * u^2)), v = (r / s - u) / 2
    F.sub(s, x, u)
    if (F.isZero(s) !== 0) return 0
    F.square(b, u)
    F.mul(b, b, s)
    F.mulSmall(b, b, 3)
    F.mulSmall(a, a, 4)
    F.add(a, a, b)
    F.mul(a, a, s)
    F.negate(a, a)
    if (F.squareRoot(b, a) === 0) return 0
    if ((ellCase & 1) !== 0 && F.isZero(b) !== 0) return 0
    F.invert(v, s)
    F.mul(v, v, b)
    F.sub(v, v, u)
    F.mul(v, v, HALF)
  }
  if (F.squareRoot(w, s) === 0) return 0
  // t = +-w * (u * (1 -+ c) / 2 + v)
  F.mul(t, u, (ellCase & 1) !== 0 ? HALF_1_PLUS_C : HALF_1_MINUS_C)
  F.add(t, t, v)
  F.mul(t, t, w)
  if ((ellCase & 5) === 0 || (ellCase & 5) === 5) F.negate(t, t)
  return 1
}

/** Whether x is the x-coordinate of a point. */
function isXVar(x: usize): bool {
  P.rightSide(root, x)
  return F.squareRoot(root, root) !== 0
}

function draw(secret: usize, entropy: usize, counter: u32): void {
  Hash.start()
  Hash.append(entropy, 32)
  Hash.append(secret, 32)
  Hash.appendU32(counter)
  Hash.finish(drawn)
}

/** Leaves no trace of a secret in this module's memory. */
function clear(): void {
  memory.fill(u, 0, 9 * FIELD_SIZE)
  memory.fill(point, 0, P.POINT_SIZE)
  memory.fill(scalar, 0, 96)
  Ecdh.clear()
}

const u: usize = memory.data(360, 8)
const t: usize = u + FIELD_SIZE
const x: usize = u + 2 * FIELD_SIZE
const a: usize = u + 3 * FIELD_SIZE
const b: usize = u + 4 * FIELD_SIZE
const v: usize = u + 5 * FIELD_SIZE
const s: usize = u + 6 * FIELD_SIZE
const w: usize = u + 7 * FIELD_SIZE
const root: usize = u + 8 * FIELD_SIZE
const point: usize = memory.data(120, 8)
const scalar: usize = memory.data(96, 8)
const drawn: usize = scalar + 32
const shared: usize = scalar + 64
