/**
 * The handshake of the specification's section 4.5 step by step over noble alone, with every intermediate value: what the
 * transcripts of `vectors/handshake.json` are made from. It shares nothing with the library.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { schnorr } from "@noble/curves/secp256k1.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"

/** The inputs of a handshake, in hexadecimal. An encoding is 64 bytes, one of many for its secret. */
export interface HandshakeInputs {
  readonly initiatorEphemeralSecret: string
  readonly initiatorEphemeralEncoding: string
  readonly responderEphemeralSecret: string
  readonly responderEphemeralEncoding: string
  readonly responderStaticSecret: string
  readonly responderStaticEncoding: string
  readonly authoritySecret: string
  readonly certificate: { readonly version: number; readonly validFrom: number; readonly notValidAfter: number }
}

/** One step; `h`, `ck` and `k` are those after it. */
export interface Step {
  readonly by: "both" | "initiator" | "responder"
  readonly step: string
  readonly [value: string]: string | number
}

const EMPTY = new Uint8Array(0)
/** BIP340's auxiliary randomness, fixed so that signatures are the same on every run. */
const NO_AUXILIARY = new Uint8Array(32)

const hkdf = (chainingKey: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] => {
  const temporary = hmac(sha256, chainingKey, input)
  const first = hmac(sha256, temporary, Uint8Array.of(1))
  return [first, hmac(sha256, temporary, concatBytes(first, Uint8Array.of(2)))]
}

const nonceOf = (counter: number): Uint8Array => {
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true)
  return nonce
}

export const certificateOf = (
  { version, validFrom, notValidAfter }: HandshakeInputs["certificate"],
  staticSecret: Uint8Array,
  authoritySecret: Uint8Array
) => {
  const dates = new Uint8Array(10)
  const view = new DataView(dates.buffer)
  view.setUint16(0, version, true)
  view.setUint32(2, validFrom, true)
  view.setUint32(6, notValidAfter, true)
  const digest = sha256(concatBytes(dates, schnorr.getPublicKey(staticSecret)))
  const signature = schnorr.sign(digest, authoritySecret, NO_AUXILIARY)
  return { digest: bytesToHex(digest), signature: bytesToHex(signature), bytes: concatBytes(dates, signature) }
}

/** The whole transcript: both sides' steps, what is sent, and the keys of the two directions. */
export const transcribe = (inputs: HandshakeInputs) => {
  const secretOf = (side: "initiatorEphemeral" | "responderEphemeral" | "responderStatic") =>
    hexToBytes(inputs[`${side}Secret`])
  const encodingOf = (side: "initiatorEphemeral" | "responderEphemeral" | "responderStatic") =>
    hexToBytes(inputs[`${side}Encoding`])
  const authoritySecret = hexToBytes(inputs.authoritySecret)
  const certificate = certificateOf(inputs.certificate, secretOf("responderStatic"), authoritySecret)
  const steps: Array<Step> = []

  const name = new TextEncoder().encode("Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256")
  let ck = sha256(name)
  let h = sha256(ck)
  let k = EMPTY
  const note = (by: Step["by"], step: string, values: Record<string, Uint8Array | number> = {}): void => {
    const state = { ...values, h, ck, ...(k.length > 0 && { k }) }
    const texts = Object.entries(state).map(([key, value]) => [
      key,
      typeof value === "number" ? value : bytesToHex(value)
    ])
    steps.push({ by, step, ...Object.fromEntries(texts) })
  }
  const mixHash = (data: Uint8Array): void => {
    h = sha256(concatBytes(h, data))
  }
  /** Both sides compute the same shared secret; the reference insists on it. */
  const mixKey = (ours: "responderEphemeral" | "responderStatic", step: string): void => {
    const theirs = encodingOf("initiatorEphemeral")
    const key = encodingOf(ours)
    const shared = elligatorSwift.getSharedSecretBip324(secretOf(ours), theirs, key, false)
    const twin = elligatorSwift.getSharedSecretBip324(secretOf("initiatorEphemeral"), key, theirs, true)
    if (bytesToHex(shared) !== bytesToHex(twin)) throw new Error("the two sides do not agree on their shared secret")
    const [nextCk, nextK] = hkdf(ck, shared)
    ck = new Uint8Array(nextCk)
    k = new Uint8Array(nextK)
    note("both", step, { sharedSecret: shared })
  }
  const encryptAndHash = (plaintext: Uint8Array, step: string): Uint8Array => {
    const associatedData = h
    const ciphertext = chacha20poly1305(k, nonceOf(0), associatedData).encrypt(plaintext)
    mixHash(ciphertext)
    note("responder", step, { nonce: 0, associatedData, plaintext, ciphertext })
    return ciphertext
  }

  note("both", "begin: ck = SHA256(protocol name), h = SHA256(ck), no prologue")
  const act1 = encodingOf("initiatorEphemeral")
  mixHash(act1)
  note("initiator", "act 1, e: MixHash(initiator's ephemeral encoding)", { data: act1 })
  mixHash(EMPTY)
  note("initiator", "act 1, payload: MixHash(nothing)")
  const ephemeral = encodingOf("responderEphemeral")
  mixHash(ephemeral)
  note("responder", "act 2, e: MixHash(responder's ephemeral encoding)", { data: ephemeral })
  mixKey("responderEphemeral", "act 2, ee: MixKey(ECDH of the two ephemeral keys)")
  const sealedStatic = encryptAndHash(encodingOf("responderStatic"), "act 2, s: EncryptAndHash(static encoding)")
  mixKey("responderStatic", "act 2, es: MixKey(ECDH of initiator's ephemeral and responder's static key)")
  const sealedCertificate = encryptAndHash(certificate.bytes, "act 2, SIGNATURE_NOISE_MESSAGE: EncryptAndHash")
  const [toResponder, toInitiator] = hkdf(ck, EMPTY)
  return {
    certificate,
    steps,
    act1,
    act2: concatBytes(ephemeral, sealedStatic, sealedCertificate),
    toResponder: new Uint8Array(toResponder),
    toInitiator: new Uint8Array(toInitiator)
  }
}

/** Frames of one direction, encrypted one after the other as section 4.6 tells: the header, then blocks of 65,519 bytes. */
export class Sealer {
  #counter = 0
  readonly #key: Uint8Array
  constructor(key: Uint8Array) {
    this.#key = key
  }
  seal(frame: Uint8Array): Uint8Array {
    const parts = [this.#block(frame.subarray(0, 6))]
    for (let at = 6; at < frame.length; at += 65_519) parts.push(this.#block(frame.subarray(at, at + 65_519)))
    return concatBytes(...parts)
  }
  #block(plaintext: Uint8Array): Uint8Array {
    return chacha20poly1305(this.#key, nonceOf(this.#counter++), EMPTY).encrypt(plaintext)
  }
}
