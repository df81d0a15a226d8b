/**
 * Work on secrets takes the same way for every secret: a build of the module reports the address of every load and store
 * and the outcome of every condition (of `if`, `br_if`, `br_table` and `select`), and the whole sequence must be the same. That is the WebAssembly;
 * what an engine makes of it, the test cannot see.
 */
import { assert, describe, it } from "@effect/vitest"
import binaryen from "assemblyscript/binaryen"
import { compile } from "../assembly/compile.ts"
import { type Exports, Machine, toBytes } from "./machine.ts"
import { N, Random } from "./random.ts"

interface Trace {
  steps: number
  hash: number
}

const trace: Trace = { steps: 0, hash: 0 }

const note = (value: number): void => {
  trace.steps++
  trace.hash = Math.imul(trace.hash ^ value, 0x01000193) + (trace.hash >>> 17)
}

const access = (id: number, _bytes: number, offset: number, address: number): number => {
  note(id)
  note(offset + address)
  return address
}
const condition = (taken: number): number => {
  note(taken)
  return taken
}
const value = (_id: number, passed: number | bigint): number | bigint => passed
const names = ["i32", "i64", "f32", "f64"]
const env = {
  condition,
  load_ptr: access,
  store_ptr: access,
  memory_grow_pre: value,
  memory_grow_post: value,
  ...Object.fromEntries(names.flatMap((type) => [`load_val_${type}`, `store_val_${type}`].map((name) => [name, value])))
}

const { text } = await compile("harness", ["--runPasses", "instrument-memory"])
const [head, ...functions] = text.split(/^(?= \(func )/m)
const imported = head!.replace(
  /^ \(import /m,
  ' (import "env" "condition" (func $condition (param i32) (result i32)))\n$&'
)
const conditions = /^ *(if|br_if|br_table|select)\b/gm
const reporting = functions.join("").replace(conditions, "call $condition\n$&")
if (functions.join("").match(conditions)!.length < 100) throw new Error("the text of the module has too few conditions")
const instrumented = binaryen.parseText(imported + reporting)
instrumented.setFeatures(binaryen.Features.All)
const bytes = new Uint8Array(instrumented.emitBinary())
const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env })
const machine = new Machine(instance.exports as unknown as Exports)

const traceOf = (name: string, ...args: ReadonlyArray<Uint8Array | number>): Trace => {
  trace.steps = 0
  trace.hash = 0
  machine.call(name, ...args)
  return { ...trace }
}

const random = new Random(11)
const secrets = [1n, 2n, 8n, N - 1n, N - 2n, (N - 1n) / 2n, (N + 1n) / 2n, 2n ** 128n, 2n ** 255n]
const bytesOfSecrets = [...secrets.map(toBytes), random.bytes(), random.bytes(), random.bytes()]

const assertOneWay = (trace: (secret: Uint8Array) => Trace): void => {
  const first = trace(bytesOfSecrets[0]!)
  assert.isAbove(first.steps, 50_000)
  for (const secret of bytesOfSecrets) assert.deepStrictEqual(trace(secret), first)
}

describe("the same way through the module for every secret", () => {
  const theirs = new Uint8Array([...random.bytes(), ...random.bytes()])
  const ours = new Uint8Array([...random.bytes(), ...random.bytes()])

  it("in ECDH over ElligatorSwift", () => {
    assertOneWay((secret) => traceOf("ecdh", theirs, ours, secret, 1))
  })

  it("in multiples of the generator", () => {
    assertOneWay((secret) => traceOf("multiply", 2, new Uint8Array(64), secret))
  })

  it("in signing", () => {
    const [message, aux] = [random.bytes(), random.bytes()]
    assertOneWay((secret) => traceOf("sign", message, secret, aux))
  })

  it("which is not so where scalars are public: the trace does tell", () => {
    const [one, other] = bytesOfSecrets.slice(-2)
    assert.notDeepEqual(traceOf("multiply", 1, theirs, one!), traceOf("multiply", 1, theirs, other!))
  })
})
