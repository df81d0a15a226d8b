/** Profile full: every message through the module's codecs, and both ends of Noise. */
import { schnorr } from "@noble/curves/secp256k1.js"
import { CertificateBytes, Handshake } from "@sluice/core"
import { deviceModule } from "@sluice/embedded"
import { NobleCurve } from "@sluice/noise"
import { Arbitrary, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { codecChapters, words } from "../../scripts/message-codecs.ts"
import { Random } from "./random.ts"

const exports = new WebAssembly.Instance(new WebAssembly.Module(await deviceModule("full")), {})
  .exports as unknown as Record<string, (...args: ReadonlyArray<number>) => number> & {
  readonly memory: { readonly buffer: ArrayBuffer }
}
const call = (name: string, ...args: ReadonlyArray<number>): number => Number(exports[name]!(...args))
const BUFFER_SIZE = 400_000
if (call("createBuffer", BUFFER_SIZE) !== 1) throw new Error("no buffer")
const memory = new Uint8Array(exports.memory.buffer)
const buffer = memory.subarray(call("bufferAt"), call("bufferAt") + BUFFER_SIZE)
const messages = codecChapters.flatMap(({ messages }) => messages)

/** Places in the exchange. */
const exchange = call("exchangeAt")
const place = (at: number, bytes?: Uint8Array): number => {
  if (bytes !== undefined) memory.set(bytes, exchange + at)
  return exchange + at
}

describe("profile full", () => {
  it("reads and writes every message by its number", () => {
    messages.forEach((message, number) => {
      const values = Effect.runSync(Arbitrary.sampleEffect(message.arbitrary, { count: 10, seed: 3 }))
      const all = message.layout.flatMap(({ name, type }) => words(name, type))
      expect(call("messageWords", number)).toBe(all.length)
      for (const value of values) {
        const payload = message.codec.encode(value).subarray(6)
        buffer.set(payload, 5)
        expect(call("decodeMessage", number, 5, 5 + payload.length)).toBe(5 + payload.length)
        // As C would make a message of its own: every word is set.
        const read = all.map((_, word) => call("messageWord", number, word))
        all.forEach((_, word) => exports["setMessageWord"]!(number, word, 0))
        read.forEach((value, word) => exports["setMessageWord"]!(number, word, value))
        buffer.fill(0xee, 200_000, 200_010 + payload.length)
        expect(call("encodeMessage", number, 200_000, 400_000)).toBe(200_000 + payload.length)
        expect(Buffer.compare(buffer.subarray(200_000, 200_000 + payload.length), payload)).toBe(0)
        if (payload.length > 0) expect(call("decodeMessage", number, 5, 4 + payload.length)).toBe(-1)
      }
    })
  })

  it("refuses numbers and places that are none", () => {
    expect(call("decodeMessage", messages.length, 0, 10)).toBe(-5)
    expect(call("encodeMessage", -1, 0, 10)).toBe(-5)
    expect(call("decodeMessage", 0, -1, 10)).toBe(-5)
    expect(call("decodeMessage", 0, 11, 10)).toBe(-5)
    expect(call("decodeMessage", 0, 0, BUFFER_SIZE + 1)).toBe(-5)
    expect(call("messageWord", 0, 99)).toBe(0)
    expect(call("createBuffer", 10)).toBe(0)
    expect(call("sealFrame", 0, BUFFER_SIZE - 5, 0)).toBe(-1)
    expect(call("openHeader", 0, BUFFER_SIZE - 21)).toBe(0)
    expect(call("openPayload", 1, 0, BUFFER_SIZE)).toBe(0)
  })

  it("is either end of a connection with another implementation's curve", () => {
    const random = new Random(5)
    const curve = new NobleCurve()
    const [authority, staticSecret] = [random.bytes(), random.bytes()]
    const [staticKey, x, digest, certificate] = [64, 32, 32, 74].map((size) => new Uint8Array(size)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array
    ]
    curve.createEllSwift(staticSecret, random.bytes(), staticKey, 0)
    curve.xOnly(staticKey, 0, x, 0)
    CertificateBytes.certificateDigest(0, 1000, 2000, x, 0, digest, 0)
    new DataView(certificate.buffer).setUint32(2, 1000, true)
    new DataView(certificate.buffer).setUint32(6, 2000, true)
    certificate.set(schnorr.sign(digest, authority), 10)
    const authorityKey = schnorr.getPublicKey(authority)
    const random64 = () => new Uint8Array([...random.bytes(), ...random.bytes()])
    const payload = new Uint8Array(150_000).map((_, i) => i)
    const frame = new Uint8Array([0, 0x80, 0x1f, 0xf0, 0x49, 0x02, ...payload])

    for (let connection = 0; connection < 2; connection++) {
      // The module as the server.
      exports["setServerKey"]!(place(0, staticSecret), place(32, staticKey), place(96, certificate))
      const initiator = new Handshake.Initiator(curve)
      const [act1, act2] = [new Uint8Array(64), new Uint8Array(234)]
      expect(initiator.start(random.bytes(), random.bytes(), act1, 0)).toBe(0)
      expect(call("respond", place(0, act1), place(64, random64()), place(128))).toBe(0)
      expect(memory.slice(place(64), place(64) + 64)).toEqual(new Uint8Array(64))
      act2.set(memory.subarray(place(128), place(128) + 234))
      expect(initiator.finish(act2, 0, authorityKey, 1500, 0)).toBe(0)
      buffer.set(frame, 0)
      const size = call("sealFrame", 1, 0, 160_000)
      const received = buffer.slice(160_000, 160_000 + size)
      expect(initiator.receive.openHeader(received, 0)).toBe(true)
      expect(initiator.receive.openPayload(received, 22, payload.length)).toBe(true)
      expect(Buffer.compare(received.subarray(22, 22 + payload.length), payload)).toBe(0)

      // The module as the client.
      const responder = new Handshake.Responder(curve, staticSecret, staticKey, certificate)
      expect(call("initiate", place(0, random64()), place(64))).toBe(0)
      act1.set(memory.subarray(place(64), place(64) + 64))
      expect(responder.respond(act1, 0, random.bytes(), random.bytes(), act2, 0)).toBe(0)
      const finish = (now: number) => call("finishHandshake", place(0, act2), place(240, authorityKey), now, 0)
      expect(finish(1500)).toBe(0)
      const sealed = new Uint8Array(size)
      expect(responder.send.sealFrame(frame, 0, sealed, 0)).toBe(size)
      buffer.set(sealed, 0)
      expect(call("openHeader", 0, 0)).toBe(1)
      expect(call("openPayload", 0, 22, payload.length)).toBe(1)
      expect(Buffer.compare(buffer.subarray(22, 22 + payload.length), payload)).toBe(0)
      exports["closeNoise"]!()
      buffer.set(frame, 0)
      expect(call("sealFrame", 0, 0, 160_000)).toBe(-1)
      expect(call("sealFrame", 1, 0, 160_000)).toBe(-1)
    }
  })
})
