/**
 * Every part of the module against plain bigint arithmetic or @noble/curves and @scure/btc-signer, over random inputs.
 * The tests run a few thousand cases; more of them, of all checks or of those with a word in their name:
 *
 *     npm run differential -w embedded -- --total 100000 [--seed 7]
 *     npm run differential -w embedded -- --cases 10000 [--seed 7] [--only field]
 *
 * `--total` divides its cases as the tests do, more of what is fast; `--cases` runs as many of every check.
 */
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js"
import { Handshake } from "@sluice/core"
import { NobleCurve } from "@sluice/noise"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import assert from "node:assert/strict"
import { parseArgs } from "node:util"
import { curveModule, WasmCurve } from "@sluice/embedded"
import { type Machine, makeMachine, toBytes, toNumber } from "./machine.ts"
import { N, P, Random } from "./random.ts"

export interface Check {
  readonly name: string
  /** How many of the suite's cases: noble's points take milliseconds. */
  readonly cases: number
  readonly run: (random: Random) => void
}

const { Point } = secp256k1
const Fp = Point.Fp

export const pointBytes = (point: typeof Point.BASE): Uint8Array =>
  point.is0() ? new Uint8Array(64) : point.toBytes(false).subarray(1)

export const checksOf = (machine: Machine, wasm: WasmCurve): ReadonlyArray<Check> => {
  const noble = new NobleCurve()

  const field = (random: Random): void => {
    const [x, y] = [random.number(), random.number()]
    const operations = [x + y, x - y, x * y, x * x, -x, undefined, 21n * x]
    for (const [operation, expected] of operations.entries()) {
      const canonical = machine.call("field", operation, toBytes(x), toBytes(y))
      assert.equal(canonical, x < P && y < P ? 1 : 0)
      if (expected !== undefined) assert.equal(machine.number(), Fp.create(expected), `operation ${operation}`)
      else assert.equal(Fp.create(machine.number() * x), Fp.create(x) === 0n ? 0n : 1n)
    }
    const isSquare = machine.call("field", 7, toBytes(x), toBytes(y)) === 1
    assert.equal(isSquare, Fp.create(x) === 0n || Fp.pow(Fp.create(x), (P - 1n) / 2n) === 1n)
    if (isSquare) assert.equal(machine.number(), Fp.sqrt(Fp.create(x)))
  }

  /** Limbs as great as they may be, each with some bits off. */
  const looseField = (random: Random): void => {
    const limbs = [0, 1].map(() =>
      Array.from({ length: 9 }, (_, i) => {
        const most = i < 8 ? 2 ** 29 + 2 ** 15 : 2 ** 24 + 2 ** 5
        const choice = random.below(4)
        if (choice === 0) return most
        if (choice === 1) return 0
        return Number(toNumber(random.bytes()) % BigInt(most + 1))
      })
    )
    const value = (of: ReadonlyArray<number>): bigint =>
      of.reduce((sum, limb, i) => sum + (BigInt(limb) << BigInt(29 * i)), 0n)
    const words = limbs.map((of) => new Uint8Array(Uint32Array.from(of).buffer))
    const [x, y] = [value(limbs[0]!), value(limbs[1]!)]
    machine.call("fieldLoose", words[0]!, words[1]!)
    assert.equal(machine.number(0), Fp.create(x * y))
    assert.equal(machine.number(32), Fp.create(x * x))
    assert.equal(machine.number(64), Fp.create(x - y))
    assert.equal(machine.number(96), Fp.create(21n * (x + y)))
  }

  const scalar = (random: Random): void => {
    const [x, y] = [random.number(), random.number()]
    for (const [operation, expected] of [x + y, x * y, -x].entries()) {
      assert.equal(machine.call("scalar", operation, toBytes(x), toBytes(y)), x < N ? 1 : 0)
      assert.equal(machine.number(), ((expected % N) + N) % N, `operation ${operation}`)
    }
    assert.equal(machine.call("scalar", 3, toBytes(x), toBytes(y)), x % N > (N - 1n) / 2n ? 1 : 0)
    const signs = machine.call("scalarSplit", toBytes(x))
    const [a, b] = [machine.number(0), machine.number(32)]
    assert.ok(a < 2n ** 128n && b < 2n ** 128n)
    const sum = (signs & 1 ? -a : a) + (signs & 2 ? -b : b) * LAMBDA
    assert.equal((((sum - x) % N) + N) % N, 0n)
  }

  /** Random points, among them equal, opposite and infinite ones. */
  const point = (random: Random): void => {
    const p = random.below(8) === 0 ? Point.ZERO : Point.BASE.multiplyUnsafe(random.scalar())
    const relation = random.below(6)
    const q =
      relation === 0
        ? p
        : relation === 1
          ? p.negate()
          : relation === 2
            ? Point.ZERO
            : Point.BASE.multiplyUnsafe(random.scalar())
    machine.call("points", pointBytes(p), pointBytes(q))
    assert.deepEqual(machine.result(64), pointBytes(p.add(q)))
    assert.deepEqual(machine.result(64, 64), pointBytes(q))
    if (!q.is0()) {
      machine.call("addAffine", pointBytes(p), pointBytes(q))
      assert.deepEqual(machine.result(64), pointBytes(p.add(q)))
    }
    machine.call("double", pointBytes(p))
    assert.deepEqual(machine.result(64), pointBytes(p.double()))
  }

  const multiply = (random: Random): void => {
    const k = random.number()
    const p = Point.BASE.multiplyUnsafe(random.scalar())
    const [kp, kg] = [p.multiplyUnsafe(k % N), Point.BASE.multiplyUnsafe(k % N)]
    for (const [way, expected] of [kp, kp, kg].entries()) {
      machine.call("multiply", way, pointBytes(p), toBytes(k))
      assert.deepEqual(machine.result(64), pointBytes(expected), `way ${way}`)
    }
  }

  const ellSwift = (random: Random): void => {
    const encoding = new Uint8Array([...toBytes(random.number()), ...toBytes(random.number())])
    const [ours, theirs] = [new Uint8Array(32), new Uint8Array(32)]
    assert.ok(wasm.xOnly(encoding, 0, ours, 0) && noble.xOnly(encoding, 0, theirs, 0))
    assert.deepEqual(ours, theirs)
    const x = random.below(2) === 0 ? ours : schnorr.getPublicKey(toBytes(random.scalar()))
    const u = random.number()
    if (u % P === 0n) return
    for (let ellCase = 0; ellCase < 8; ellCase++) {
      const expected = elligatorSwift._inv(toNumber(x), u % P, ellCase)
      const found = machine.call("ellSwiftCase", x, toBytes(u), ellCase) !== 0
      assert.equal(found ? machine.number() : undefined, expected, `case ${ellCase}`)
    }
  }

  const createAndEcdh = (random: Random): void => {
    const [secret, entropy] = [toBytes(random.scalar()), random.bytes()]
    const [ours, theirs] = [new Uint8Array(64), new Uint8Array(64)]
    assert.ok(wasm.createEllSwift(secret, entropy, ours, 0) && noble.createEllSwift(secret, entropy, theirs, 0))
    assert.deepEqual(ours, theirs)
    const peer = new Uint8Array([...toBytes(random.number()), ...toBytes(random.number())])
    const initiator = random.below(2) === 0
    assert.ok(wasm.ecdh(peer, 0, ours, 0, secret, initiator, ours, 0))
    assert.ok(noble.ecdh(peer, 0, theirs, 0, secret, initiator, theirs, 0))
    assert.deepEqual(ours.subarray(0, 32), theirs.subarray(0, 32))
  }

  /** Signatures byte for byte, and both verdicts on them, whole or with one bit changed. */
  const signature = (random: Random): void => {
    const [message, secret, aux] = [random.bytes(), toBytes(random.scalar()), random.bytes()]
    const signed = new Uint8Array(64)
    assert.ok(wasm.sign(message, secret, aux, signed, 0))
    assert.deepEqual(signed, schnorr.sign(message, secret, aux))
    const publicKey = schnorr.getPublicKey(secret)
    assert.ok(wasm.verify(message, 0, signed, 0, publicKey, 0))
    for (const bytes of [message, signed, publicKey]) {
      const [at, bit] = [random.below(bytes.length), random.below(8)]
      bytes[at]! ^= 1 << bit
      const verdict = wasm.verify(message, 0, signed, 0, publicKey, 0)
      assert.equal(verdict, noble.verify(message, 0, signed, 0, publicKey, 0))
      assert.equal(verdict, false)
      bytes[at]! ^= 1 << bit
    }
  }

  /** Both roles on one curve each: the bytes of both acts and of a frame must be those of noble against noble. */
  const handshake = (random: Random): void => {
    const [ephemeral, entropy, staticSecret] = [toBytes(random.scalar()), random.bytes(), toBytes(random.scalar())]
    const [responderSecret, responderEntropy] = [toBytes(random.scalar()), random.bytes()]
    const staticKey = new Uint8Array(64)
    assert.ok(noble.createEllSwift(staticSecret, entropy, staticKey, 0))
    const certificate = new Uint8Array(74).fill(random.below(256))
    const outcomes = [
      [wasm, noble],
      [noble, wasm],
      [wasm, wasm]
    ].map(([ours, theirs]) => {
      const initiator = new Handshake.Initiator(ours!)
      const responder = new Handshake.Responder(theirs!, staticSecret, staticKey, certificate)
      const [act1, act2] = [new Uint8Array(64), new Uint8Array(234)]
      assert.equal(initiator.start(ephemeral, entropy, act1, 0), 0)
      assert.equal(responder.respond(act1, 0, responderSecret, responderEntropy, act2, 0), 0)
      const code = initiator.finish(act2, 0, staticSecret, 0, 0)
      return { act1, act2, code, key: initiator.remoteStaticKey, certificate: initiator.certificate }
    })
    assert.deepEqual(outcomes[1], outcomes[0])
    assert.deepEqual(outcomes[2], outcomes[0])
    // The certificate's bytes came through: what was refused is its version or signature, after all keys agreed.
    assert.deepEqual(outcomes[0]!.certificate, certificate)
  }

  return [
    { name: "field operations", cases: 1500, run: field },
    { name: "field operations on loose limbs", cases: 3000, run: looseField },
    { name: "scalar operations", cases: 1500, run: scalar },
    { name: "point addition and doubling", cases: 300, run: point },
    { name: "point multiplication", cases: 150, run: multiply },
    { name: "ElligatorSwift, decoded and encoded", cases: 150, run: ellSwift },
    { name: "ElligatorSwift, created, and ECDH", cases: 100, run: createAndEcdh },
    { name: "Schnorr signatures", cases: 60, run: signature },
    { name: "handshakes", cases: 20, run: handshake }
  ]
}

const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      cases: { type: "string", default: "1000" },
      total: { type: "string" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" }
    }
  })
  const checks = checksOf(await makeMachine(), new WasmCurve(await curveModule())).filter(({ name }) =>
    name.includes(values.only)
  )
  const share = Number(values.total) / checks.reduce((sum, { cases }) => sum + cases, 0)
  let done = 0
  for (const { cases, name, run } of checks) {
    const count = values.total === undefined ? Number(values.cases) : Math.ceil(cases * share)
    const started = performance.now()
    const random = new Random(Number(values.seed))
    for (let i = 0; i < count; i++) run(random)
    done += count
    console.log(`${name}: ${count} cases agree (${((performance.now() - started) / 1000).toFixed(0)} s)`)
  }
  console.log(`${done} cases agree, seed ${values.seed}`)
}
