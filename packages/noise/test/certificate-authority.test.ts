import { assert, describe, it } from "@effect/vitest"
import { CertificateBytes } from "@sluice/core"
import { AuthorityKey, Certificate, CertificateAuthority, NobleCurve } from "@sluice/noise"
import { Effect, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { seeded } from "./seeded.ts"

const START = 1_800_000_000

const setUp = Effect.gen(function* () {
  yield* TestClock.setTime(START * 1000)
  return yield* AuthorityKey.generate
})

describe("CertificateAuthority", () => {
  it.effect("gives a certificate for its static key, signed by the authority", () =>
    Effect.gen(function* () {
      const { publicKey, secretKey } = yield* setUp
      const { credentials } = yield* CertificateAuthority.make({ secretKey })
      const { certificate, notValidAfter, staticKey, staticSecret, validFrom } = yield* credentials
      const decoded = Certificate.decode(certificate)
      assert.strictEqual(decoded.version, 0)
      assert.strictEqual(decoded.validFrom, START - 60)
      assert.strictEqual(decoded.notValidAfter, START + 3600)
      assert.deepStrictEqual([validFrom, notValidAfter], [decoded.validFrom, decoded.notValidAfter])

      const curve = new NobleCurve()
      const xOnly = new Uint8Array(32)
      assert.isTrue(curve.xOnly(staticKey, 0, xOnly, 0))
      assert.deepStrictEqual(xOnly, AuthorityKey.publicKeyOf(staticSecret))
      const digest = new Uint8Array(32)
      CertificateBytes.certificateDigest(0, validFrom, notValidAfter, xOnly, 0, digest, 0)
      assert.isTrue(curve.verify(digest, 0, decoded.signature, 0, publicKey, 0))
      digest[0]! ^= 1
      assert.isFalse(curve.verify(digest, 0, decoded.signature, 0, publicKey, 0))
    })
  )

  it.effect("renews static key and certificate when half of the validity has passed", () =>
    Effect.gen(function* () {
      const { secretKey } = yield* setUp
      const { credentials } = yield* CertificateAuthority.make({ secretKey, validity: "10 minutes", backdate: 0 })
      const first = yield* credentials
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(yield* credentials, first)
      yield* TestClock.adjust("1 minute")
      const second = yield* credentials
      assert.strictEqual(second.validFrom, START + 300)
      assert.strictEqual(second.notValidAfter, START + 900)
      assert.notDeepEqual(second.staticKey, first.staticKey)
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* credentials).notValidAfter, START + 300 + 86_400 + 600)
    })
  )

  it.effect("renews when the clock was set back, and not to a date from the future", () =>
    Effect.gen(function* () {
      const { secretKey } = yield* setUp
      const { credentials } = yield* CertificateAuthority.make({ secretKey })
      yield* credentials
      yield* TestClock.setTime((START - 86_400) * 1000)
      assert.strictEqual((yield* credentials).validFrom, START - 86_400 - 60)
    })
  )

  it.effect("keeps its dates within 32 bits", () =>
    Effect.gen(function* () {
      const { secretKey } = yield* AuthorityKey.generate
      yield* TestClock.setTime(30_000)
      const early = yield* (yield* CertificateAuthority.make({ secretKey })).credentials
      assert.strictEqual(early.validFrom, 0)
      yield* TestClock.setTime((2 ** 32 - 10) * 1000)
      const late = yield* (yield* CertificateAuthority.make({ secretKey })).credentials
      assert.strictEqual(late.notValidAfter, 2 ** 32 - 1)
      assert.strictEqual(Certificate.decode(late.certificate).notValidAfter, 2 ** 32 - 1)
    })
  )

  it.effect("makes the same keys from the same randomness, and never prints secrets", () =>
    Effect.gen(function* () {
      const { secretKey } = yield* AuthorityKey.generate
      const make = Effect.flatMap(CertificateAuthority.make({ secretKey }), ({ credentials }) => credentials)
      const [one, two] = [yield* Effect.provide(make, seeded(7)), yield* Effect.provide(make, seeded(7))]
      assert.deepStrictEqual(one.certificate, two.certificate)
      assert.notInclude(JSON.stringify(one), JSON.stringify(Redacted.value(one.staticSecret)))
    })
  )
})

describe("Certificate", () => {
  const U32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))

  it.prop(
    "is 74 bytes that decode to what was encoded",
    [
      Schema.Struct({
        version: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })),
        validFrom: U32,
        notValidAfter: U32,
        signature: Schema.Uint8Array.check(Schema.isBetweenLength(64, 64))
      })
    ],
    ([certificate]) => {
      const bytes = Certificate.encode(certificate)
      assert.strictEqual(bytes.length, 74)
      assert.deepStrictEqual(Certificate.decode(bytes), certificate)
    }
  )
})
