import { assert, describe, it } from "@effect/vitest"
import { schnorr } from "@noble/curves/secp256k1.js"
import { type CipherState, FrameLayout, Handshake } from "@sluice/core"
import { AuthorityKey, Certificate, CertificateAuthority, type Credentials, Curve, entropy } from "@sluice/noise"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Hex } from "effect/encoding"
import * as Reference from "./reference-handshake.ts"
import { seeded } from "./seeded.ts"

const NOW = 1_800_000_000

/** One side each of core's machines over the default curve, with what they need. */
const setUp = Effect.gen(function* () {
  yield* TestClock.setTime(NOW * 1000)
  const random = yield* entropy
  const curve = yield* Curve.Curve
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const credentials = yield* Effect.flatMap(
    CertificateAuthority.make({ secretKey }),
    (authority) => authority.credentials
  )
  const initiator = new Handshake.Initiator(curve)
  const act1 = new Uint8Array(Handshake.ACT1_SIZE)
  assert.strictEqual(initiator.start(random(32), random(32), act1, 0), Handshake.HANDSHAKE_OK)
  const respondTo = (act1: Uint8Array, { certificate, staticKey, staticSecret }: Credentials = credentials) => {
    const responder = new Handshake.Responder(curve, Redacted.value(staticSecret), staticKey, certificate)
    const act2 = new Uint8Array(Handshake.ACT2_SIZE)
    assert.strictEqual(responder.respond(act1, 0, random(32), random(32), act2, 0), Handshake.HANDSHAKE_OK)
    return { responder, act2 }
  }
  return { publicKey, secretKey, credentials, initiator, act1, respondTo }
})

const frameOf = (length: number): Uint8Array => {
  const frame = new Uint8Array(6 + length)
  FrameLayout.writeFrameHeader(frame, 0, 0x8000, 0x1a, length)
  for (let i = 0; i < length; i++) frame[6 + i] = i * 7
  return frame
}

const exchange = (send: CipherState, receive: CipherState, length: number): void => {
  const frame = frameOf(length)
  const wire = new Uint8Array(22 + length + 64)
  const size = send.sealFrame(frame, 0, wire, 0)
  assert.isTrue(receive.openHeader(wire, 0))
  assert.deepStrictEqual(wire.slice(0, 6), frame.slice(0, 6))
  assert.isTrue(receive.openPayload(wire, 22, length))
  assert.deepStrictEqual(wire.slice(22, 22 + length), frame.slice(6))
  assert.isAtLeast(size, 22 + length)
}

describe("the handshake over the default curve", () => {
  it.effect("gives both ends keys that open each other's frames", () =>
    Effect.gen(function* () {
      const { act1, credentials, initiator, publicKey, respondTo } = yield* setUp
      const { act2, responder } = respondTo(act1)
      assert.deepStrictEqual([act1.length, act2.length], [64, 234])
      assert.strictEqual(initiator.finish(act2, 0, publicKey, NOW, 10), Handshake.HANDSHAKE_OK)
      assert.deepStrictEqual(initiator.certificate, credentials.certificate)
      assert.deepStrictEqual(initiator.remoteStaticKey, AuthorityKey.publicKeyOf(credentials.staticSecret))
      for (const length of [0, 1, 24, 300]) {
        exchange(initiator.send, responder.receive, length)
        exchange(responder.send, initiator.receive, length)
      }
    })
  )

  it.effect("depends only on the randomness", () =>
    Effect.gen(function* () {
      const bytes = Effect.map(setUp, ({ act1, respondTo }) => Hex.encode(act1) + Hex.encode(respondTo(act1).act2))
      const one = yield* Effect.provide(bytes, seeded(1))
      assert.strictEqual(yield* Effect.provide(bytes, seeded(1)), one)
      assert.notStrictEqual(yield* Effect.provide(bytes, seeded(2)), one)
    })
  )

  it.effect("completes with an independent initiator", () =>
    Effect.gen(function* () {
      const { credentials, respondTo } = yield* setUp
      const other = Reference.initiate()
      const { act2, responder } = respondTo(other.act1)
      const { message, staticKey, toInitiator, toResponder } = other.finish(act2)
      assert.deepStrictEqual(message, credentials.certificate)
      assert.deepStrictEqual(staticKey, AuthorityKey.publicKeyOf(credentials.staticSecret))

      const frame = frameOf(40)
      const wire = new Uint8Array(22 + 56)
      responder.send.sealFrame(frame, 0, wire, 0)
      const none = new Uint8Array(0)
      assert.deepStrictEqual(toInitiator.decrypt(none, wire.subarray(0, 22)), frame.slice(0, 6))
      assert.deepStrictEqual(toInitiator.decrypt(none, wire.subarray(22)), frame.slice(6))
      const reply = new Uint8Array([
        ...toResponder.encrypt(none, frame.slice(0, 6)),
        ...toResponder.encrypt(none, frame.slice(6))
      ])
      assert.isTrue(responder.receive.openHeader(reply, 0))
      assert.isTrue(responder.receive.openPayload(reply, 22, 40))
      assert.deepStrictEqual(reply.slice(22, 62), frame.slice(6))
    })
  )

  it.effect("completes with an independent responder", () =>
    Effect.gen(function* () {
      const { act1, initiator, publicKey, secretKey } = yield* setUp
      const certificate = { version: 0, validFrom: NOW - 5, notValidAfter: NOW + 5 }
      const { act2, toInitiator } = Reference.respond(act1, Redacted.value(secretKey), certificate)
      assert.strictEqual(initiator.finish(act2, 0, publicKey, NOW, 0), Handshake.HANDSHAKE_OK)
      const header = toInitiator.encrypt(new Uint8Array(0), frameOf(0))
      assert.isTrue(initiator.receive.openHeader(header, 0))
    })
  )

  it.effect("refuses a certificate of another authority, a changed one, or one that is not valid now", () =>
    Effect.gen(function* () {
      const { publicKey, secretKey } = yield* setUp
      const valid = { version: 0, validFrom: NOW - 100, notValidAfter: NOW + 100 }
      const other = schnorr.getPublicKey(schnorr.utils.randomSecretKey())
      const finish = (
        certificate: typeof valid,
        { key = publicKey, change }: { readonly key?: Uint8Array; readonly change?: (act2: Uint8Array) => void } = {}
      ): Effect.Effect<number> =>
        Effect.map(setUp, ({ act1, initiator }) => {
          const { act2 } = Reference.respond(act1, Redacted.value(secretKey), certificate)
          change?.(act2)
          const code = initiator.finish(act2, 0, key, NOW, 10)
          assert.strictEqual(initiator.send.isReady(), code === Handshake.HANDSHAKE_OK)
          return code
        })
      assert.strictEqual(yield* finish(valid), Handshake.HANDSHAKE_OK)
      assert.strictEqual(yield* finish(valid, { key: other }), Handshake.HANDSHAKE_BAD_SIGNATURE)
      assert.strictEqual(yield* finish({ ...valid, version: 1 }), Handshake.HANDSHAKE_CERTIFICATE_VERSION)
      assert.strictEqual(yield* finish({ ...valid, notValidAfter: NOW - 10 }), Handshake.HANDSHAKE_OK)
      assert.strictEqual(yield* finish({ ...valid, notValidAfter: NOW - 11 }), Handshake.HANDSHAKE_EXPIRED)
      assert.strictEqual(yield* finish({ ...valid, validFrom: NOW + 10 }), Handshake.HANDSHAKE_OK)
      assert.strictEqual(yield* finish({ ...valid, validFrom: NOW + 11 }), Handshake.HANDSHAKE_NOT_YET_VALID)
      for (const [at, code] of [
        [0, Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG],
        [63, Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG],
        [64, Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG],
        [143, Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG],
        [144, Handshake.HANDSHAKE_BAD_CERTIFICATE_TAG],
        [233, Handshake.HANDSHAKE_BAD_CERTIFICATE_TAG]
      ] as const) {
        assert.strictEqual(yield* finish(valid, { change: (act2) => (act2[at]! ^= 1) }), code, `byte ${at}`)
      }
    })
  )

  it("begins with the same constants as other implementations", () => {
    const { ck, h } = Reference.initialState()
    assert.strictEqual(Hex.encode(ck), "2eb47881208e9eee1f669f67c66ee70ea9ea88090d503fe830dc4bc83e29bf10")
    assert.strictEqual(Hex.encode(h), "922fa32e4f487c0d59caa3bed7899ce3d98db7e13dbd3b7cf2d23dd433dc6104")
    assert.strictEqual(
      Certificate.encode({ version: 0, validFrom: 0, notValidAfter: 0, signature: new Uint8Array(64) }).length,
      74
    )
  })
})
