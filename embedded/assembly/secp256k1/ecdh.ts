/** Diffie-Hellman over secp256k1: the x-coordinate of a secret multiple of somebody's point. */
import * as F from "./field"
import * as Multiply from "./multiply"
import * as P from "./point"
import * as S from "./scalar"

/**
 * Writes the 32-byte x-coordinate of secret * (x, y), the point given as 64 bytes. False where the secret is not 1 to
 * n - 1, a coordinate is not below p or the point is not on the curve.
 */
export function ecdh(publicKey: usize, secret: usize, out: usize): bool {
  const inField: u32 = F.fromBytes(point, publicKey) & F.fromBytes(point + P.Y, publicKey + 32)
  F.setSmall(point + P.Z, 1)
  if ((inField & P.isOnCurve(point)) === 0) return false
  return multiplyToX(point, secret, out)
}

/** The same of the point with the x-coordinate given as 32 bytes, either of the two: both have the same multiples' x. */
export function ecdhX(x: usize, secret: usize, out: usize): bool {
  const inField: u32 = F.fromBytes(point, x)
  if ((inField & P.liftX(point, point)) === 0) return false
  return multiplyToX(point, secret, out)
}

/** Constant time but for the answer. */
function multiplyToX(point: usize, secret: usize, out: usize): bool {
  const valid: u32 = S.fromBytes(scalar, secret) & (S.isZero(scalar) ^ 1)
  if (valid !== 0) {
    Multiply.multiply(point, point, scalar)
    P.toAffine(point, point)
    F.toBytes(out, point)
  }
  clear()
  return valid !== 0
}

/** Leaves no trace of a secret in this module's memory. */
export function clear(): void {
  memory.fill(scalar, 0, S.SCALAR_SIZE)
  memory.fill(point, 0, P.POINT_SIZE)
  Multiply.clear()
  P.clear()
  S.clear()
  F.clear()
}

const point: usize = memory.data(120, 8)
const scalar: usize = memory.data(32, 8)
