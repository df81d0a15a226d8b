/** The module together with its parts, behind a flat interface through which the tests drive them one by one. */
export * from "./curve"
import { ecdh as pointEcdh, ecdhX as xEcdh } from "./secp256k1/ecdh"
import { encodeCaseVar } from "./secp256k1/ellswift"
import * as F from "./secp256k1/field"
import * as Multiply from "./secp256k1/multiply"
import * as P from "./secp256k1/point"
import * as S from "./secp256k1/scalar"

const a: usize = memory.data(720, 8)
const b: usize = a + 120
const c: usize = a + 240
const k: usize = a + 360
const l: usize = a + 400

/** Field operations on 32-byte numbers: 0 add, 1 sub, 2 mul, 3 square, 4 negate, 5 invert, 6 times 21, 7 root. */
export function field(operation: i32, x: usize, y: usize, out: usize): u32 {
  const canonical: u32 = F.fromBytes(a, x) & F.fromBytes(b, y)
  let answer: u32 = canonical
  if (operation === 0) F.add(c, a, b)
  else if (operation === 1) F.sub(c, a, b)
  else if (operation === 2) F.mul(c, a, b)
  else if (operation === 3) F.square(c, a)
  else if (operation === 4) F.negate(c, a)
  else if (operation === 5) F.invert(c, a)
  else if (operation === 6) F.mulSmall(c, a, 21)
  else answer = F.squareRoot(c, a)
  F.toBytes(out, c)
  return answer
}

/**
 * x * y, x * x, x - y and 21 * (x + y) of elements given as they lie in memory: nine words each in, four numbers out.
 */
export function fieldLoose(x: usize, y: usize, out: usize): void {
  memory.copy(a, x, 36)
  memory.copy(b, y, 36)
  F.mul(c, a, b)
  F.toBytes(out, c)
  F.square(c, a)
  F.toBytes(out + 32, c)
  F.sub(c, a, b)
  F.toBytes(out + 64, c)
  F.add(c, a, b)
  F.mulSmall(c, c, 21)
  F.toBytes(out + 96, c)
}

/** Scalar operations on 32-byte numbers: 0 add, 1 mul, 2 negate, 3 is it high. Gives whether x was below n, or 3. */
export function scalar(operation: i32, x: usize, y: usize, out: usize): u32 {
  const canonical: u32 = S.fromBytes(k, x)
  S.fromBytes(l, y)
  if (operation === 0) S.add(k, k, l)
  else if (operation === 1) S.mul(k, k, l)
  else if (operation === 2) S.negateWhere(k, ~(0 as u64))
  S.toBytes(out, k)
  return operation === 3 ? S.isHigh(k) : canonical
}

/** Writes the sizes of the two halves, 32 bytes each; gives their signs. */
export function scalarSplit(x: usize, out: usize): u32 {
  S.fromBytes(k, x)
  const signs: u32 = S.split(l, l + 32, k)
  S.toBytes(out, l)
  S.toBytes(out + 32, l + 32)
  return signs
}

/** Points are 64 bytes, infinity 64 zeros. Writes p + q, and behind it infinity + q by the formula for affine q. */
export function points(p: usize, q: usize, out: usize): void {
  readPoint(a, p)
  const affine: bool = readPoint(b, q)
  P.add(c, a, b)
  writePoint(out, c)
  P.setInfinity(a)
  if (affine) P.addAffine(a, a, b)
  writePoint(out + 64, a)
}

/** p + q for a q that is not infinity, by the formula for affine q */
export function addAffine(p: usize, q: usize, out: usize): void {
  readPoint(a, p)
  readPoint(b, q)
  P.addAffine(a, a, b)
  writePoint(out, a)
}

export function double(p: usize, out: usize): void {
  readPoint(a, p)
  P.double(a, a)
  writePoint(out, a)
}

/** x * p by each way there is: 0 multiply, 1 multiplyVar, 2 multiplyGenerator. */
export function multiply(way: i32, p: usize, x: usize, out: usize): void {
  readPoint(a, p)
  S.fromBytes(k, x)
  if (way === 0) Multiply.multiply(c, a, k)
  else if (way === 1) Multiply.multiplyVar(c, a, k)
  else Multiply.multiplyGenerator(c, k)
  writePoint(out, c)
}

export function ecdhPoint(publicKey: usize, secret: usize, out: usize): bool {
  return pointEcdh(publicKey, secret, out)
}
export function ecdhX(x: usize, secret: usize, out: usize): bool {
  return xEcdh(x, secret, out)
}
export function ellSwiftCase(x: usize, u: usize, ellCase: u32, out: usize): bool {
  return encodeCaseVar(x, u, ellCase, out)
}

/** Gives false for infinity. */
function readPoint(r: usize, from: usize): bool {
  F.fromBytes(r, from)
  F.fromBytes(r + P.Y, from + 32)
  F.setSmall(r + P.Z, 1)
  if (F.isZero(r + P.Y) === 0) return true
  P.setInfinity(r)
  return false
}

function writePoint(to: usize, p: usize): void {
  P.toAffine(c, p)
  F.toBytes(to, c)
  F.toBytes(to + 32, c + P.Y)
}
