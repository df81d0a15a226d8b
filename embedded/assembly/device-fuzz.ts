/** Profile extended and the server's end of its handshake, so that a fuzzer gets past it and can seal what it makes up. */
export * from "./device-extended"
import { Responder } from "../../packages/core/src/handshake"
import { certificateDigest } from "../../packages/core/src/certificate"
import { own } from "./device/instance"
import { ModuleCurve } from "./device/module-curve"
import { create, decodeVar } from "./secp256k1/ellswift"
import { sign } from "./secp256k1/schnorr"

const secret = new Uint8Array(32).fill(1)
const ephemeral = new Uint8Array(32).fill(2)
const entropy = new Uint8Array(32)
const ellSwift = new Uint8Array(64)
const x = new Uint8Array(32)
const digest = new Uint8Array(32)
const certificate = new Uint8Array(74)
const act1 = new Uint8Array(64)
const act2 = new Uint8Array(234)
const frame = new Uint8Array(4096)
const sealed = new Uint8Array(8192)
const responder = new Responder(new ModuleCurve(), secret, ellSwift, certificate)

/** Answers act 1, which the device has ready to send; gives where the 234 bytes of act 2 are. The server's key is the
 * authority's, too, and is set. Certificates are valid for ever. */
export function respond(): usize {
  const link = own().link
  create(secret.dataStart, entropy.dataStart, ellSwift.dataStart)
  decodeVar(ellSwift.dataStart, x.dataStart)
  memory.copy(link.authorityKey.dataStart, x.dataStart, 32)
  store<u32>(certificate.dataStart + 6, 0xffffffff)
  certificateDigest(0, 0, -1, x, 0, digest, 0)
  sign(digest.dataStart, secret.dataStart, entropy.dataStart, certificate.dataStart + 10)
  memory.copy(act1.dataStart, link.output.dataStart + link.sendAt, 64)
  responder.respond(act1, 0, ephemeral, entropy, act2, 0)
  return act2.dataStart
}

/** The address for a plain frame of at most 4,096 bytes. */
export function frameAt(): usize {
  return frame.dataStart
}
/** Seals it; gives the length of what is at `sealedAt` then. */
export function seal(): i32 {
  return responder.send.sealFrame(frame, 0, sealed, 0)
}
export function sealedAt(): usize {
  return sealed.dataStart
}
