/** core's `Curve` inside the module: secp256k1 of this package, on the arrays' own memory. */
import { Curve } from "../../../packages/core/src/curve"
import { create, decodeVar, ecdh } from "../secp256k1/ellswift"
import { verifyVar } from "../secp256k1/schnorr"

export class ModuleCurve extends Curve {
  createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: i32): bool {
    return create(secret.dataStart, entropy.dataStart, out.dataStart + outAt)
  }
  ecdh(
    theirs: Uint8Array,
    theirsAt: i32,
    ours: Uint8Array,
    oursAt: i32,
    secret: Uint8Array,
    initiator: bool,
    out: Uint8Array,
    outAt: i32
  ): bool {
    return ecdh(
      theirs.dataStart + theirsAt,
      ours.dataStart + oursAt,
      secret.dataStart,
      initiator,
      out.dataStart + outAt
    )
  }
  xOnly(ellSwift: Uint8Array, at: i32, out: Uint8Array, outAt: i32): bool {
    decodeVar(ellSwift.dataStart + at, out.dataStart + outAt)
    return true
  }
  verify(
    message: Uint8Array,
    messageAt: i32,
    signature: Uint8Array,
    signatureAt: i32,
    publicKey: Uint8Array,
    publicKeyAt: i32
  ): bool {
    return verifyVar(
      message.dataStart + messageAt,
      signature.dataStart + signatureAt,
      publicKey.dataStart + publicKeyAt
    )
  }
}
