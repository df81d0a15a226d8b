/**
 * Points of secp256k1, y^2 = x^3 + 7, in projective coordinates: (X : Y : Z) is (X / Z, Y / Z), infinity is (0 : 1 : 0).
 *
 * Addition and doubling are the complete formulas of Renes, Costello and Batina ("Complete addition formulas for prime
 * order elliptic curves", 2015, algorithms 7 to 9 with b = 7): they are right for every pair of points, equal, opposite
 * or infinite, so nothing here has special cases and nothing a secret does can reach one.
 *
 * A point is named by the address of its three field elements. A result may lie where an operand lies.
 */
import { FIELD_SIZE } from "./field"
import * as F from "./field"

/** Bytes from one point to the next. */
export const POINT_SIZE: usize = 3 * FIELD_SIZE
export const Y: usize = FIELD_SIZE
export const Z: usize = 2 * FIELD_SIZE

/** 3 * b */
const B3: u64 = 21

/** The generator (SEC 2, 2.4.1). */
export const GENERATOR: usize = memory.data<u32>([
  0x16f81798, 0xf940ad8, 0x138a3656, 0x17f9b65b, 0x10b07029, 0x114ae743, 0xeb15681, 0xfdf3b97, 0x79be66, 0, 0x1b10d4b8,
  0x23e847f, 0x1550667, 0xf68914d, 0x108a8fd1, 0x1dfe0708, 0x11957693, 0xee4d478, 0x483ada, 0, 1, 0, 0, 0, 0, 0, 0, 0,
  0, 0
])
/** A cube root of 1 in the field: (beta * x, y) = lambda * (x, y). */
export const BETA: usize = memory.data<u32>([
  0x119501ee, 0x9cb6143, 0x1d626570, 0x92ea25, 0x34e99cf, 0x3cf561a, 0x1c41b991, 0x56caf80, 0x7ae96a, 0
])

export function setInfinity(r: usize): void {
  F.setSmall(r, 0)
  F.setSmall(r + Y, 1)
  F.setSmall(r + Z, 0)
}

export function copy(r: usize, p: usize): void {
  for (let i: usize = 0; i < POINT_SIZE; i += 8) store<u64>(r + i, load<u64>(p + i))
}

/** r = p where the mask is all ones, and stays where it is 0. */
export function move(r: usize, p: usize, mask: u64): void {
  for (let i: usize = 0; i < POINT_SIZE; i += 8) {
    const old: u64 = load<u64>(r + i)
    store<u64>(r + i, old ^ ((old ^ load<u64>(p + i)) & mask))
  }
}

/** r = -r where the mask is all ones, and stays where it is 0. */
export function negateWhere(r: usize, mask: u64): void {
  F.negate(t0, r + Y)
  F.move(r + Y, t0, mask)
}

/** 1 where p is infinity, otherwise 0. */
export function isInfinity(p: usize): u32 {
  return F.isZero(p + Z)
}

/** r = p + q (algorithm 7) */
export function add(r: usize, p: usize, q: usize): void {
  F.mul(t0, p, q)
  F.mul(t1, p + Y, q + Y)
  F.mul(t2, p + Z, q + Z)
  F.add(t3, p, p + Y)
  F.add(t4, q, q + Y)
  F.mul(t3, t3, t4)
  F.add(t4, t0, t1)
  F.sub(t3, t3, t4)
  F.add(t4, p + Y, p + Z)
  F.add(t5, q + Y, q + Z)
  F.mul(t4, t4, t5)
  F.add(t5, t1, t2)
  F.sub(t4, t4, t5)
  F.add(t5, p, p + Z)
  F.add(t6, q, q + Z)
  F.mul(t5, t5, t6)
  F.add(t6, t0, t2)
  F.sub(t6, t5, t6)
  F.mulSmall(t2, t2, B3)
  finishAdd(r)
}

/** r = p + (x, y), an affine point of two field elements, which cannot be infinity (algorithm 8) */
export function addAffine(r: usize, p: usize, xy: usize): void {
  F.mul(t0, p, xy)
  F.mul(t1, p + Y, xy + Y)
  F.add(t3, xy, xy + Y)
  F.add(t4, p, p + Y)
  F.mul(t3, t3, t4)
  F.add(t4, t0, t1)
  F.sub(t3, t3, t4)
  F.mul(t4, xy + Y, p + Z)
  F.add(t4, t4, p + Y)
  F.mul(t6, xy, p + Z)
  F.add(t6, t6, p)
  F.mulSmall(t2, p + Z, B3)
  finishAdd(r)
}

/** What the two additions share: of t0 = XX', t1 = YY', t2 = 3bZZ', t3 = XY' + X'Y, t4 = YZ' + Y'Z, t6 = XZ' + X'Z. */
function finishAdd(r: usize): void {
  F.mulSmall(t0, t0, 3)
  F.add(t5, t1, t2)
  F.sub(t1, t1, t2)
  F.mulSmall(t6, t6, B3)
  F.mul(r, t4, t6)
  F.mul(t2, t3, t1)
  F.sub(r, t2, r)
  F.mul(t6, t6, t0)
  F.mul(t1, t1, t5)
  F.add(r + Y, t1, t6)
  F.mul(t0, t0, t3)
  F.mul(t5, t5, t4)
  F.add(r + Z, t5, t0)
}

/** r = 2p (algorithm 9) */
export function double(r: usize, p: usize): void {
  F.square(t0, p + Y)
  F.mulSmall(t3, t0, 8)
  F.mul(t1, p + Y, p + Z)
  F.square(t2, p + Z)
  F.mulSmall(t2, t2, B3)
  F.mul(t4, p, p + Y)
  F.mul(t5, t2, t3)
  F.add(t6, t0, t2)
  F.mul(r + Z, t1, t3)
  F.mulSmall(t2, t2, 3)
  F.sub(t0, t0, t2)
  F.mul(t6, t0, t6)
  F.add(r + Y, t5, t6)
  F.mul(t1, t0, t4)
  F.add(r, t1, t1)
}

/** Writes x and y, two field elements; both 0 for infinity. */
export function toAffine(xy: usize, p: usize): void {
  F.invert(t0, p + Z)
  F.mul(xy, p, t0)
  F.mul(xy + Y, p + Y, t0)
}

/** 1 where y^2 = x^3 + 7, otherwise 0. */
export function isOnCurve(xy: usize): u32 {
  rightSide(t0, xy)
  F.square(t1, xy + Y)
  return F.isEqual(t0, t1)
}

/**
 * Makes r the point of that x, with Z = 1 and an even y (BIP340's lift_x). Gives 1 where there is one, otherwise 0. What
 * r holds without one is no point.
 */
export function liftX(r: usize, x: usize): u32 {
  F.copy(r, x)
  rightSide(t0, r)
  const exists: u32 = F.squareRoot(r + Y, t0)
  negateWhere(r, 0 - (F.isOdd(r + Y) as u64))
  F.setSmall(r + Z, 1)
  return exists
}

/** r = x^3 + 7 */
export function rightSide(r: usize, x: usize): void {
  F.square(t1, x)
  F.mul(t1, t1, x)
  F.setSmall(t2, 7)
  F.add(r, t1, t2)
}

/** Forgets the last points. */
export function clear(): void {
  memory.fill(t0, 0, 7 * FIELD_SIZE)
}

const t0: usize = memory.data(280, 8)
const t1: usize = t0 + FIELD_SIZE
const t2: usize = t0 + 2 * FIELD_SIZE
const t3: usize = t0 + 3 * FIELD_SIZE
const t4: usize = t0 + 4 * FIELD_SIZE
const t5: usize = t0 + 5 * FIELD_SIZE
const t6: usize = t0 + 6 * FIELD_SIZE
