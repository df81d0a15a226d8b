/**
 * Writes the files of `vectors/` anew: `node packages/conformance/test/write-vectors.ts`. Encodings that the file of
 * handshakes has already stay as they are, as ElligatorSwift draws them at random.
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, bytesToNumberBE, hexToBytes } from "@noble/curves/utils.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { readFileSync, writeFileSync } from "node:fs"
import { makeHandshake, makeRefusals } from "@sluice/testing/handshake-vectors"
import { makeInvalidMessages, makeMessages } from "./make-messages.ts"
import { makeTlvs } from "./make-tlvs.ts"
import type { HandshakeInputs } from "@sluice/testing/reference-handshake"

const at = (name: string): URL => new URL(`../vectors/${name}.json`, import.meta.url)
const write = (name: string, value: unknown): void =>
  writeFileSync(at(name), `${JSON.stringify(value, undefined, 2)}\n`)

const secret = (title: string, name: string): string =>
  bytesToHex(sha256(new TextEncoder().encode(`${title}: ${name}`)))
const encoding = (secretKey: string): string =>
  bytesToHex(elligatorSwift.encode(bytesToNumberBE(schnorr.getPublicKey(hexToBytes(secretKey)))))

const known = (() => {
  try {
    const { handshakes } = JSON.parse(readFileSync(at("handshake"), "utf8")) as {
      readonly handshakes: ReadonlyArray<{ readonly title: string; readonly inputs: HandshakeInputs }>
    }
    return new Map(handshakes.map(({ inputs, title }) => [title, inputs]))
  } catch {
    return new Map<string, HandshakeInputs>()
  }
})()

const inputsOf = (title: string, validFrom: number, notValidAfter: number): HandshakeInputs => {
  const initiatorEphemeralSecret = secret(title, "initiator, ephemeral")
  const responderEphemeralSecret = secret(title, "responder, ephemeral")
  const responderStaticSecret = secret(title, "responder, static")
  return (
    known.get(title) ?? {
      initiatorEphemeralSecret,
      initiatorEphemeralEncoding: encoding(initiatorEphemeralSecret),
      responderEphemeralSecret,
      responderEphemeralEncoding: encoding(responderEphemeralSecret),
      responderStaticSecret,
      responderStaticEncoding: encoding(responderStaticSecret),
      authoritySecret: secret(title, "authority"),
      certificate: { version: 0, validFrom, notValidAfter }
    }
  )
}

const first = inputsOf("a certificate of one hour", 1_700_000_000, 1_700_003_600)
const second = inputsOf("a certificate that ends with the clock's 32 bits", 0, 0xffff_ffff)
// The reference implementation draws no randomness for encodings; with these, peers/ holds it against all the bytes.
const third = inputsOf("encodings as libsecp256k1 makes them without randomness", 1_700_000_000, 1_700_003_600)
write("handshake", {
  protocolName: "Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256",
  handshakes: [
    makeHandshake("a certificate of one hour", first),
    makeHandshake("a certificate that ends with the clock's 32 bits", second),
    makeHandshake("encodings as libsecp256k1 makes them without randomness", third)
  ],
  refusals: { handshake: "a certificate of one hour", cases: makeRefusals(first) }
})
write("messages", makeMessages())
write("invalid-messages", makeInvalidMessages())
write("tlvs", makeTlvs())
