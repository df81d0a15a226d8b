/**
 * Times the elliptic curve of the handshake, single operations and all operations of each side, in WebAssembly against
 * @noble/curves with the ElligatorSwift of @scure/btc-signer.
 */
import { CertificateBytes, type Curve, Handshake } from "@sluice/core"
import { curveModule, WasmCurve } from "@sluice/embedded"
import { NobleCurve } from "@sluice/noise"
import { keep, type Case } from "./case.ts"

const wasm = new WasmCurve(await curveModule())
const noble = new NobleCurve()

const bytes = (seed: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * seed + seed)
const secret = bytes(7, 32)
const message = bytes(11, 32)
const [ours, theirs] = [new Uint8Array(64), bytes(13, 64)]
const signature = new Uint8Array(64)
const publicKey = new Uint8Array(32)
const out = new Uint8Array(234)
const certificate = new Uint8Array(74)
const [act1, act2] = [new Uint8Array(64), new Uint8Array(234)]
const ephemeral = bytes(19, 32)

const must = (right: boolean): void => {
  if (!right) throw new Error("the curve refused a valid input")
}
must(wasm.createEllSwift(secret, message, ours, 0))
must(wasm.xOnly(ours, 0, publicKey, 0))
must(wasm.sign(message, secret, message, signature, 0))

// A certificate for the years 1970 to 2106, by an authority whose key is the server's own.
const digest = new Uint8Array(32)
certificate.fill(0xff, 6, 10)
CertificateBytes.certificateDigest(0, 0, -1, publicKey, 0, digest, 0)
must(wasm.sign(digest, secret, message, certificate, 10))
must(new Handshake.Initiator(wasm).start(ephemeral, message, act1, 0) === 0)
must(new Handshake.Responder(wasm, secret, ours, certificate).respond(act1, 0, secret, message, act2, 0) === 0)

// The number of attempts of an encoding varies: each run uses the next of 64 entropies, the same ones for both curves.
const entropies = Array.from({ length: 64 }, (_, i) => bytes(2 * i + 1, 32))

const operation = (name: string, run: (curve: Curve, i: number) => boolean): Case => {
  const runner = (curve: Curve) => {
    let i = 0
    return (): void => {
      must(run(curve, i++ % 64))
      keep(out)
    }
  }
  return { name, unit: "ns/op", run: runner(wasm), baselines: [{ name: "@noble/curves", run: runner(noble) }] }
}

export const cases: ReadonlyArray<Case> = [
  operation("curve: createEllSwift", (curve, i) => curve.createEllSwift(secret, entropies[i]!, out, 0)),
  operation("curve: ecdh", (curve) => curve.ecdh(theirs, 0, ours, 0, secret, true, out, 0)),
  operation("curve: xOnly", (curve) => curve.xOnly(theirs, 0, out, 0)),
  operation("curve: verify", (curve) => curve.verify(message, 0, signature, 0, publicKey, 0)),
  operation("curve: responder's handshake", (curve, i) => {
    const responder = new Handshake.Responder(curve, secret, ours, certificate)
    return responder.respond(act1, 0, secret, entropies[i]!, out, 0) === 0
  }),
  operation("curve: initiator's handshake", (curve) => {
    const initiator = new Handshake.Initiator(curve)
    return initiator.start(ephemeral, message, out, 0) === 0 && initiator.finish(act2, 0, publicKey, 1e9, 0) === 0
  })
]
