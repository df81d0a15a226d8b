/** What `npm run fuzz` throws at both sides of the Noise handshake (specification, section 4.5). */
import { CertificateBytes, Handshake } from "@sluice/core"
import { curveModule, WasmCurve } from "@sluice/embedded"
import { AuthorityKey, Certificate } from "@sluice/noise"
import { Redacted } from "effect"
import { ok } from "node:assert/strict"
import type { FuzzTarget } from "./target.ts"

// In WebAssembly: twenty times as many handshakes as noble makes.
const curve = new WasmCurve(await curveModule())
const secret = new Uint8Array(32).fill(7)
const entropy = new Uint8Array(32).fill(9)
const authoritySecretKey = Redacted.make(new Uint8Array(32).fill(3))
const authorityKey = AuthorityKey.publicKeyOf(authoritySecretKey)
const NOW = 1_800_000_000

/** A handshake that is right: what each side sends, and the certificate that is encrypted in act 2. */
const handshake = (() => {
  const staticKey = new Uint8Array(64)
  const publicKey = new Uint8Array(32)
  ok(curve.createEllSwift(secret, entropy, staticKey, 0) && curve.xOnly(staticKey, 0, publicKey, 0), "no key")
  const certificate = Certificate.encode(
    Certificate.sign({
      staticKey: publicKey,
      validFrom: NOW - 100,
      notValidAfter: NOW + 100,
      authoritySecretKey,
      auxiliary: entropy
    })
  )
  const act1 = new Uint8Array(Handshake.ACT1_SIZE)
  new Handshake.Initiator(curve).start(secret, entropy, act1, 0)
  const act2 = new Uint8Array(Handshake.ACT2_SIZE)
  new Handshake.Responder(curve, secret, staticKey, certificate).respond(act1, 0, secret, entropy, act2, 0)
  return { act1, act2, certificate, staticKey }
})()

/**
 * By its length an input is an act 1, the plain certificate of a server, which is then encrypted as it should be, or an act 2.
 * An initiator goes on with those that are right to the last bit, and with no other.
 */
const run = (input: Uint8Array): void => {
  const { staticKey } = handshake
  if (input.length < CertificateBytes.CERTIFICATE_SIZE) {
    const act1 = new Uint8Array(Handshake.ACT1_SIZE)
    act1.set(input.subarray(0, Handshake.ACT1_SIZE))
    const responder = new Handshake.Responder(curve, secret, staticKey, handshake.certificate)
    const code = responder.respond(act1, 0, secret, entropy, new Uint8Array(Handshake.ACT2_SIZE), 0)
    ok(Number.isInteger(code), "the responder gives no code")
    return
  }
  const initiator = new Handshake.Initiator(curve)
  initiator.start(secret, entropy, new Uint8Array(Handshake.ACT1_SIZE), 0)
  let act2 = input.slice(0, Handshake.ACT2_SIZE)
  if (input.length < Handshake.ACT2_SIZE) {
    act2 = new Uint8Array(Handshake.ACT2_SIZE)
    const server = new Handshake.Responder(curve, secret, staticKey, input.slice(0, CertificateBytes.CERTIFICATE_SIZE))
    ok(server.respond(handshake.act1, 0, secret, entropy, act2, 0) === 0, "a responder does not answer")
  }
  const code = initiator.finish(act2, 0, authorityKey, NOW, 10)
  const isRight = Buffer.compare(act2, handshake.act2) === 0
  ok((code === 0) === isRight, code === 0 ? "a made-up server is taken" : "a server is refused")
}

export const handshakeTarget: FuzzTarget = {
  name: "handshake",
  run,
  seeds: () => [
    new Uint8Array(Handshake.ACT1_SIZE),
    new Uint8Array(Handshake.ACT2_SIZE),
    handshake.act1,
    handshake.act2,
    handshake.certificate
  ]
}
