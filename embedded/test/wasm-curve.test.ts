import { assert, describe, it } from "@effect/vitest"
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js"
import { curveModule, layerCurve, layerCurveOf, layerOf, layerWasm, WasmCurve } from "@sluice/embedded"
import { Curve, NobleCurve } from "@sluice/noise"
import { Effect, type Layer, Logger, Schema } from "effect"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { makeMachine, toBytes, toNumber } from "./machine.ts"
import { N, P, Random } from "./random.ts"
import { hex, readEcdhVectors, readVectors } from "./vectors.ts"

const bytes = await curveModule()
const curve = new WasmCurve(bytes)
const machine = await makeMachine()
const toHex = (of: Uint8Array): string => Buffer.from(of).toString("hex")

describe("WasmCurve", () => {
  it("verifies and signs as the vectors of BIP340 say", () => {
    const vectors = readVectors("bip340_test_vectors").filter((row) => row["message"]!.length === 64)
    assert.strictEqual(vectors.length, 15)
    let signed = 0
    for (const row of vectors) {
      const [message, signature] = [hex(row["message"]!), hex(row["signature"]!)]
      const valid = curve.verify(message, 0, signature, 0, hex(row["public key"]!), 0)
      assert.strictEqual(valid, row["verification result"] === "TRUE", `vector ${row["index"]}`)
      if (row["secret key"] === "") continue
      const out = new Uint8Array(66)
      assert.isTrue(curve.sign(message, hex(row["secret key"]!), hex(row["aux_rand"]!), out, 2))
      assert.deepStrictEqual(out.subarray(2), signature)
      signed++
    }
    assert.strictEqual(signed, 4)
  })

  it("decodes ElligatorSwift as the vectors of BIP324 say", () => {
    const vectors = readVectors("bip324_ellswift_decode_test_vectors")
    assert.isAbove(vectors.length, 70)
    const out = new Uint8Array(40)
    for (const row of vectors) {
      assert.isTrue(curve.xOnly(hex(`ff${row["ellswift"]}`), 1, out, 3))
      assert.strictEqual(toHex(out.subarray(3, 35)), row["x"], row["comment"])
    }
  })

  it("encodes ElligatorSwift as the vectors of BIP324 say, case by case", () => {
    const vectors = readVectors("bip324_xswiftec_inv_test_vectors")
    assert.isAbove(vectors.length, 30)
    for (const row of vectors) {
      for (let ellCase = 0; ellCase < 8; ellCase++) {
        const found = machine.call("ellSwiftCase", hex(row["x"]!), hex(row["u"]!), ellCase) !== 0
        assert.strictEqual(found ? toHex(machine.result(32)) : "", row[`case${ellCase}_t`], row["comment"])
      }
    }
  })

  it("agrees on secrets as the vectors of BIP324 say", () => {
    const vectors = readVectors("bip324_packet_encoding_test_vectors")
    assert.isAbove(vectors.length, 5)
    const out = new Uint8Array(36)
    for (const row of vectors) {
      const ours = hex(row["in_ellswift_ours"]!)
      const theirs = hex(`0000${row["in_ellswift_theirs"]}`)
      const secret = hex(row["in_priv_ours"]!)
      assert.isTrue(curve.ecdh(theirs, 2, ours, 0, secret, row["in_initiating"] === "1", out, 4))
      assert.strictEqual(toHex(out.subarray(4)), row["mid_shared_secret"])
      assert.isTrue(curve.xOnly(ours, 0, out, 0))
      assert.strictEqual(toHex(out.subarray(0, 32)), row["mid_x_ours"])
      assert.isTrue(curve.xOnly(theirs, 2, out, 0))
      assert.strictEqual(toHex(out.subarray(0, 32)), row["mid_x_theirs"])
      assert.notStrictEqual(machine.call("ecdhX", hex(row["mid_x_theirs"]!), secret), 0)
      assert.strictEqual(toHex(machine.result(32)), row["mid_x_shared"])
    }
  })

  it("multiplies points as Wycheproof's vectors of ECDH say", () => {
    // SubjectPublicKeyInfo of an uncompressed point by the curve's name; the vectors have others, to be refused.
    const prefix = "3056301006072a8648ce3d020106052b8104000a03420004"
    let multiplied = 0
    let refused = 0
    for (const vector of readEcdhVectors()) {
      if (!vector.public.startsWith(prefix) || vector.public.length !== prefix.length + 128) continue
      const secret = toBytes(BigInt(`0x0${vector.private}`))
      const agreed = machine.call("ecdhPoint", hex(vector.public.slice(prefix.length)), secret) !== 0
      // Of the "acceptable" ones, those with a changed point are off the curve.
      if (vector.result !== "acceptable")
        assert.strictEqual(agreed, vector.result === "valid", `vector ${vector.tcId}: ${vector.comment}`)
      if (agreed) {
        assert.strictEqual(toHex(machine.result(32)), vector.shared, `vector ${vector.tcId}: ${vector.comment}`)
        multiplied++
      } else refused++
    }
    assert.isAbove(multiplied, 450)
    assert.isAbove(refused, 17)
  })

  it("refuses points off the curve and coordinates that are not below p", () => {
    const { x, y } = secp256k1.Point.BASE
    const [one, yBytes] = [toBytes(1n), toBytes(y)]
    const refuses = (point: ReadonlyArray<Uint8Array>) => machine.call("ecdhPoint", join(point), one) === 0
    assert.isFalse(refuses([toBytes(x), yBytes]))
    assert.isFalse(refuses([toBytes(x), toBytes(P - y)]))
    assert.isTrue(refuses([toBytes(x), toBytes(y + 1n)]))
    assert.isTrue(refuses([toBytes(x), toBytes(0n)]))
    assert.isTrue(refuses([toBytes(0n), toBytes(0n)]))
    // 5 is the x-coordinate of no point, 1 that of one whose x + p still has 32 bytes.
    assert.strictEqual(machine.call("ecdhX", toBytes(5n), one), 0)
    assert.notStrictEqual(machine.call("ecdhX", one, one), 0)
    assert.strictEqual(machine.call("ecdhX", toBytes(P + 1n), one), 0)
    const root = secp256k1.Point.Fp.sqrt(8n)
    assert.isFalse(refuses([one, toBytes(root)]))
    assert.isTrue(refuses([toBytes(P + 1n), toBytes(root)]))
  })

  it("multiplies by scalars at the edges of every window", () => {
    const half = (N - 1n) / 2n
    const lambda = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n
    const edges = [
      0n,
      1n,
      2n,
      N - 2n,
      N - 1n,
      half - 1n,
      half,
      half + 1n,
      lambda,
      lambda + 1n,
      N - lambda,
      N - 1n - lambda
    ]
    for (let bit = 0n; bit < 256n; bit += 5n)
      edges.push((1n << bit) % N, ((1n << bit) - 1n) % N, (N - (1n << bit) + N) % N)
    for (const digit of [1n, 7n, 8n, 9n, 15n]) edges.push((digit * ((2n ** 256n - 1n) / 15n)) % N)
    const p = secp256k1.Point.BASE.multiply(1234567n)
    const of = ({ x, y }: { readonly x: bigint; readonly y: bigint }) => join([toBytes(x), toBytes(y)])
    for (const k of edges) {
      const [kp, kg] = [p.multiplyUnsafe(k), secp256k1.Point.BASE.multiplyUnsafe(k)]
      for (const [way, expected] of [kp, kp, kg].entries()) {
        machine.call("multiply", way, of(p.toAffine()), toBytes(k))
        const expectedBytes = expected.is0() ? new Uint8Array(64) : of(expected.toAffine())
        assert.deepStrictEqual(machine.result(64), expectedBytes, `way ${way}, ${k}`)
      }
    }
  })

  it("refuses secrets that are 0 or not below the order", () => {
    const out = new Uint8Array(64)
    const theirs = new Uint8Array(64).fill(7)
    for (const secret of [0n, N, N + 1n, 2n ** 256n - 1n].map(toBytes)) {
      assert.isFalse(curve.createEllSwift(secret, new Uint8Array(32), out, 0))
      assert.isFalse(curve.ecdh(theirs, 0, theirs, 0, secret, true, out, 0))
      assert.isFalse(curve.sign(new Uint8Array(32), secret, new Uint8Array(32), out, 0))
    }
    assert.deepStrictEqual(out, new Uint8Array(64))
    assert.isTrue(curve.createEllSwift(toBytes(N - 1n), new Uint8Array(32), out, 0))
    assert.isTrue(curve.ecdh(theirs, 0, theirs, 0, toBytes(N - 1n), true, out, 0))
  })

  it("reads and writes at the offsets given, and refuses arrays that are too short", () => {
    const secret = toBytes(77n)
    const message = new Uint8Array(32).fill(1)
    const out = new Uint8Array(66)
    assert.isTrue(curve.sign(message, secret, message, out, 1))
    assert.deepStrictEqual(out.subarray(1, 65), schnorr.sign(message, secret, message))
    assert.isTrue(curve.verify(message, 0, out, 1, schnorr.getPublicKey(secret), 0))
    assert.isFalse(curve.verify(message, 0, out, 0, schnorr.getPublicKey(secret), 0))
    assert.isFalse(curve.verify(message, 0, out, 3, schnorr.getPublicKey(secret), 0))
    assert.isFalse(curve.verify(message, 1, out, 1, schnorr.getPublicKey(secret), 0))
    assert.isFalse(curve.verify(message, 0, out, 1, schnorr.getPublicKey(secret), -1))
    assert.isFalse(curve.xOnly(out, 3, new Uint8Array(32), 0))
    assert.isFalse(curve.xOnly(out, 0, new Uint8Array(32), 1))
    assert.isFalse(curve.createEllSwift(secret.subarray(1), message, out, 0))
    assert.isFalse(curve.createEllSwift(secret, message.subarray(1), out, 0))
    assert.isFalse(curve.createEllSwift(secret, message, out, 3))
    assert.isFalse(curve.ecdh(out, 3, out, 0, secret, true, new Uint8Array(32), 0))
    assert.isFalse(curve.ecdh(out, 0, out, 3, secret, true, new Uint8Array(32), 0))
  })

  it.prop(
    "answers false, and never throws, for signatures and keys that are any bytes",
    [Schema.Uint8Array.check(Schema.isBetweenLength(0, 200))],
    ([any]) => {
      assert.isFalse(curve.verify(any, 0, any, 32, any, 96))
    },
    { arbitrary: { runs: 100 } }
  )

  it("leaves nothing of a secret in the module's memory", () => {
    const random = new Random(3)
    const secret = random.bytes()
    const [message, entropy, own, out] = [random.bytes(), random.bytes(), new Uint8Array(64), new Uint8Array(64)]
    const whole = machine.everything()
    const exchange = (machine.exports["exchangeAt"] as () => number)()
    // As big-endian bytes, as words (a scalar, negated or not), and as the words that SHA-256 reads of bytes.
    const words = (of: Uint8Array) => Uint8Array.from(of, (_, i) => of[i ^ 3]!)
    const formsOf = (of: Uint8Array) => [of, of.toReversed(), toBytes(N - (toNumber(of) % N)).toReversed(), words(of)]
    const traces = (of: Uint8Array): ReadonlyArray<number> => {
      whole.fill(0, exchange, exchange + 512)
      return formsOf(of).map((needle) => Buffer.from(whole.buffer).indexOf(needle.subarray(8, 24)))
    }
    const nowhere = [-1, -1, -1, -1]
    assert.notStrictEqual(machine.call("createEllSwift", secret, entropy), 0)
    own.set(machine.result(64))
    assert.deepStrictEqual(traces(secret), nowhere)
    assert.isTrue(curve.xOnly(own, 0, out, 0))
    assert.notStrictEqual(machine.call("ecdhX", out.subarray(0, 32), secret), 0)
    const sharedX = machine.result(32)
    assert.notStrictEqual(machine.call("ecdh", own, own, secret, 1), 0)
    const shared = machine.result(32)
    assert.isTrue(curve.ecdh(own, 0, own, 0, secret, true, out, 0))
    assert.deepStrictEqual(shared, out.subarray(0, 32))
    for (const left of [secret, sharedX, shared]) assert.deepStrictEqual(traces(left), nowhere)
    assert.notStrictEqual(machine.call("sign", message, secret, entropy), 0)
    assert.deepStrictEqual(traces(secret), nowhere)
  })

  it.effect("takes the place of noise's default curve as a layer", () =>
    Effect.gen(function* () {
      assert.instanceOf(yield* Curve.Curve, WasmCurve)
    }).pipe(Effect.provide(layerWasm))
  )

  it.effect("fails as a layer with what to do where the module cannot be read, or is none", () =>
    Effect.gen(function* () {
      const missing = async () => Promise.reject(new Error("ENOENT: sluice-curve.wasm"))
      const broken = async () => Uint8Array.of(0, 97, 115, 109)
      for (const [load, cause] of [
        [missing, "ENOENT"],
        [broken, "CompileError"]
      ] as const) {
        const error = yield* Effect.flip(Effect.provide(Effect.void, layerOf(load)))
        assert.strictEqual(error._tag, "CurveModuleError")
        assert.include(error.message, cause)
        assert.include(error.message, "npm run build -w embedded")
      }
    })
  )

  it.effect("as the programs' layer takes noise's default where the module cannot be loaded, with a warning", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String(message)))
    const curveOf = (layer: Layer.Layer<never>) =>
      Effect.provide(Curve.Curve, layer).pipe(Effect.provide(Logger.layer([logger])))
    return Effect.gen(function* () {
      assert.instanceOf(yield* curveOf(layerCurve), WasmCurve)
      assert.deepStrictEqual(logged, [])
      assert.instanceOf(yield* curveOf(layerCurveOf(async () => Promise.reject(new Error("ENOENT")))), NobleCurve)
      assert.strictEqual(logged.length, 1)
      assert.include(logged[0], "ENOENT")
    })
  })

  it("serves worker threads, each with an instance of its own", async () => {
    const [secret, entropy, expected] = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6), new Uint8Array(64)]
    curve.createEllSwift(secret, entropy, expected, 0)
    const work = `
      const { parentPort, workerData } = require("node:worker_threads")
      import("${new URL("../src/index.ts", import.meta.url).href}").then(({ WasmCurve }) => {
        const out = new Uint8Array(64)
        new WasmCurve(workerData.bytes).createEllSwift(workerData.secret, workerData.entropy, out, 0)
        parentPort.postMessage(out)
      })`
    const start = () => once(new Worker(work, { eval: true, workerData: { bytes, secret, entropy } }), "message")
    assert.deepStrictEqual(await Promise.all([start(), start()]), [[expected], [expected]])
  })

  it("is a module without imports, in one page of memory", () => {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {})
    const memory = instance.exports["memory"] as { readonly buffer: ArrayBuffer; grow: (pages: number) => number }
    assert.strictEqual(memory.buffer.byteLength, 65_536)
    assert.throws(() => memory.grow(1))
  })
})

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
