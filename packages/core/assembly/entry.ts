/**
 * The WebAssembly build's entry: the tests' harness, the arena's address, and a curve whose functions the host imports.
 * This file is AssemblyScript, which `tsc` does not read.
 */
export * from "../test/harness"
import { arena, useCurve } from "../test/harness"
import { Curve } from "../src/curve"

declare function createEllSwift(secret: usize, entropy: usize, out: usize): bool
declare function ecdh(theirs: usize, ours: usize, secret: usize, initiator: bool, out: usize): bool
declare function xOnly(ellSwift: usize, out: usize): bool
declare function verify(message: usize, signature: usize, publicKey: usize): bool

class HostCurve extends Curve {
  createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: i32): bool {
    return createEllSwift(secret.dataStart, entropy.dataStart, out.dataStart + outAt)
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
    return xOnly(ellSwift.dataStart + at, out.dataStart + outAt)
  }
  verify(
    message: Uint8Array,
    messageAt: i32,
    signature: Uint8Array,
    signatureAt: i32,
    publicKey: Uint8Array,
    publicKeyAt: i32
  ): bool {
    return verify(message.dataStart + messageAt, signature.dataStart + signatureAt, publicKey.dataStart + publicKeyAt)
  }
}

useCurve(new HostCurve())

/** Where the arena lies in the module's memory. */
export function arenaAt(): usize {
  return arena.dataStart
}
