/** Makes `vectors/handshake.json` of packages/conformance from its inputs. A test compares the file with the result. */
import { schnorr } from "@noble/curves/secp256k1.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js"
import { createBase58check } from "@scure/base"
import { compactHex } from "./compact-json.ts"
import { type HandshakeInputs, Sealer, transcribe } from "./reference-handshake.ts"

const base58check = createBase58check(sha256)

const frameOf = (extensionType: number, type: number, payload: Uint8Array): Uint8Array => {
  const header = new Uint8Array(6)
  const view = new DataView(header.buffer)
  view.setUint16(0, extensionType, true)
  header[2] = type
  view.setUint16(3, payload.length & 0xffff, true)
  header[5] = payload.length >> 16
  return concatBytes(header, payload)
}

const filled = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)

/** Plain frames in the order in which they are sent, with sizes around the edges of a block. */
const FRAMES: ReadonlyArray<readonly [from: "initiator" | "responder", frame: Uint8Array]> = [
  ["initiator", frameOf(0, 0x00, hexToBytes("0002000200000000000764656661756c740d05000000000000"))],
  ["responder", frameOf(0, 0x01, hexToBytes("020000000000"))],
  ["initiator", frameOf(0x8000, 0x1a, hexToBytes("010000002a00000007000000efbeadde00f16b6a00000020"))],
  ["responder", frameOf(0x4abc, 0x00, filled(0, 0))],
  ["responder", frameOf(0x4abc, 0x01, filled(1, 0x5a))],
  ["initiator", frameOf(0x4abc, 0x02, filled(65_519, 0x11))],
  ["responder", frameOf(0x4abc, 0x03, filled(65_520, 0x22))],
  ["initiator", frameOf(0x4abc, 0x04, filled(131_039, 0x33))]
]

/** Ciphertext above this size is given as its SHA-256. */
const LONGEST_WIRE = 512

export const makeHandshake = (title: string, inputs: HandshakeInputs) => {
  const { act1, act2, certificate, steps, toInitiator, toResponder } = transcribe(inputs)
  const sealers = { initiator: new Sealer(toResponder), responder: new Sealer(toInitiator) }
  const authorityPublicKey = schnorr.getPublicKey(hexToBytes(inputs.authoritySecret))
  return {
    title,
    inputs,
    authorityPublicKey: bytesToHex(authorityPublicKey),
    authorityPublicKeyText: base58check.encode(concatBytes(Uint8Array.of(1, 0), authorityPublicKey)),
    authoritySecretText: base58check.encode(hexToBytes(inputs.authoritySecret)),
    responderStaticKey: bytesToHex(schnorr.getPublicKey(hexToBytes(inputs.responderStaticSecret))),
    certificate: { ...certificate, bytes: bytesToHex(certificate.bytes) },
    steps,
    act1: bytesToHex(act1),
    act2: bytesToHex(act2),
    keys: { initiatorToResponder: bytesToHex(toResponder), responderToInitiator: bytesToHex(toInitiator) },
    frames: FRAMES.map(([from, frame]) => {
      const wire = sealers[from].seal(frame)
      return {
        from,
        plain: compactHex(bytesToHex(frame)),
        wireLength: wire.length,
        ...(wire.length > LONGEST_WIRE ? { wireSha256: bytesToHex(sha256(wire)) } : { wire: bytesToHex(wire) })
      }
    })
  }
}

/** Invalid act 2's that an initiator must refuse, with the error. Each is made from the inputs of a valid one. */
export const makeRefusals = (inputs: HandshakeInputs) => {
  const { certificate } = inputs
  const authorityPublicKey = bytesToHex(schnorr.getPublicKey(hexToBytes(inputs.authoritySecret)))
  const now = certificate.validFrom + 1
  const good = transcribe(inputs).act2
  const flipped = (at: number): Uint8Array => good.map((byte, index) => (index === at ? byte ^ 1 : byte))
  const refusal = (title: string, error: string, act2: Uint8Array, changes: object = {}) => ({
    title,
    error,
    act2: bytesToHex(act2),
    authorityPublicKey,
    now,
    ...changes
  })
  const other = bytesToHex(schnorr.getPublicKey(filled(32, 0x77)))
  const versioned = transcribe({ ...inputs, certificate: { ...certificate, version: 1 } }).act2
  return [
    refusal("the ephemeral key was changed on its way", "bad-static-key-tag", flipped(0)),
    refusal("the encrypted static key was changed", "bad-static-key-tag", flipped(64)),
    refusal("the static key's tag was changed", "bad-static-key-tag", flipped(143)),
    refusal("the encrypted certificate was changed", "bad-certificate-tag", flipped(144)),
    refusal("the certificate's tag was changed", "bad-certificate-tag", flipped(233)),
    refusal("a certificate of version 1", "certificate-version", versioned),
    refusal("another authority than the one expected", "bad-signature", good, { authorityPublicKey: other }),
    refusal("one second too early", "not-yet-valid", good, { now: certificate.validFrom - 1 }),
    refusal("one second too late", "expired", good, { now: certificate.notValidAfter + 1 }),
    refusal("one byte is missing", "too-short", good.subarray(0, 233))
  ]
}
