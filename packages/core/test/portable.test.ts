/** The portable rules (scripts/portable-rules.ts): each fires where it should, and the package keeps them. */
import { execFile } from "node:child_process"
import { readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { findProblems } from "../../../scripts/portable-rules.ts"
import { check, sources } from "../assembly/compile.ts"

const run = promisify(execFile)
const root = fileURLToPath(new URL("../../../", import.meta.url))

const rules = (text: string): ReadonlyArray<string> =>
  findProblems([{ name: "fixture.ts", text }]).map(({ rule }) => rule)

/** A function's body in which b is bytes, w words, x and y integers, r and s f64. */
const body = (statements: string): string =>
  `export function f(b: Uint8Array, w: Int32Array, x: i32, y: i32, r: f64, s: f64): void { ${statements} }`

const refused: ReadonlyArray<readonly [rule: string, what: string, text: string]> = [
  // Code that both compilers accept with different meanings.
  ["overflow", "a sum without | 0", body("const z: i32 = x + y")],
  ["overflow", "a difference without | 0", body("w[0] = x - y")],
  ["overflow", "a sum that is returned", "export function f(x: i32, y: i32): i32 { return x + y }"],
  ["overflow", "a sum that is compared", body("if (x + y < 3) return")],
  [
    "overflow",
    "a sum of words as an argument",
    "function g(x: i32): void {} export function f(x: i32): void { g(x + x) }"
  ],
  ["overflow", "a sum under a comparison under |", body("const z: bool = (x + 1 < y) === true")],
  ["overflow", "a sum of integers added to an f64", body("const t: f64 = r + (x + y)")],
  ["overflow", "x += y", body("let z: i32 = x; z += y")],
  ["overflow", "x *= y", body("let z: i32 = x; z *= 3")],
  ["overflow", "counting in a field", "class A { n: i32 = 0; f(): void { this.n++ } }"],
  ["overflow", "counting in an element", body("w[0]++")],
  ["overflow", "the negative of a word", body("const z: i32 = -x")],
  ["product", "a product of two words", body("const z: i32 = (x * y) | 0")],
  ["product", "a product with a large literal", body("const z: i32 = (x * 0x9e3779b9) | 0")],
  ["overflow", "a product without | 0", body("const z: i32 = x * 5")],
  ["division", "an integer division", body("const z: i32 = (x / 2) | 0")],
  ["division", "a remainder", body("const z: i32 = x % 7")],
  ["unsigned-shift", "x >>> 0", body("const z: i32 = x >>> 0")],
  ["unsigned-shift", "x >>> y", body("const z: i32 = x >>> y")],
  ["byte", "a shifted element", body("const z: i32 = b[0] << 8")],
  ["byte", "an element with | 0, which is still 8 bits wide", body("const z: i32 = (b[0] | 0) << 8")],
  ["byte", "an element as argument", "function g(x: i32): void {} export function f(b: Uint8Array): void { g(b[0]) }"],
  ["byte", "an element that is compared", body("if (b[0] === 3) return")],
  [
    "byte",
    "an element of a field",
    "class A { b: Uint8Array = new Uint8Array(1); f(): i32 { return this.b[0] << 1 } }"
  ],
  [
    "byte",
    "an element of an alias",
    "class A { b: Uint8Array = new Uint8Array(1); f(): void { const c = this.b; if (c[0] > 1) return } }"
  ],
  ["byte", "a word stored among bytes", body("b[0] = x")],
  ["byte", "a literal that is no byte", body("b[0] = 256")],
  ["byte", "arithmetic on a stored byte", body("b[0] ^= 1")],
  ["byte", "a variable of 8 bits", body("const z: u8 = x as u8")],
  ["cast", "as u8 elsewhere", body("const z: i32 = x as u8")],
  ["cast", "as i32 without | 0", body("const z: i32 = r as i32")],
  ["cast", "as f64", body("const z: f64 = x as f64")],
  ["literal", "comparing with a literal above 2^31 - 1", body("if (x === 0x80000000) return")],
  ["literal", "a constant above 2^31 - 1", "export const A: i32 = 0xffffffff"],
  ["annotation", "a number without a type", body("const z = x")],
  ["annotation", "an element without a type", body("const z = w[0]")],
  ["annotation", "a field without a type", "class A { n = 0 }"],
  ["annotation", "a parameter without a type", "export function f(x): void {}"],
  ["annotation", "a function without a return type", "export function f(x: i32) {}"],
  ["loose-equality", "==", body("if (x == y) return")],
  [
    "element",
    "an element of something unknown",
    "import { a } from './a.ts'; export function f(): void { const z: i32 = a[0] }"
  ],
  // Code outside of the subset.
  ["subset", "an arrow function", body("g(() => 1)")],
  ["subset", "a function in a function", body("function h(): void {}")],
  ["subset", "a function as a value", body("w.fill(function (): void {})")],
  ["subset", "a union", "export function f(x: i32 | bool): void {}"],
  ["subset", "optional chaining", "class A { f(): void { this?.f() } }"],
  ["subset", "??", body("const z: i32 = x ?? y")],
  ["subset", "a spread", body("f(...w)")],
  ["subset", "destructuring", body("const [z] = w")],
  ["subset", "an object literal", body("const z: i32 = { a: 1 }")],
  ["subset", "a string", body("f('a')")],
  ["subset", "a template", body("f(`a`)")],
  ["subset", "a bigint", body("const z: i32 = 1n")],
  ["subset", "null", body("const z: i32 = null")],
  ["subset", "throw", body("throw x")],
  ["subset", "try", body("try { } catch { }")],
  ["subset", "for of", body("for (const z of w) { }")],
  ["subset", "async", "export async function f(): void {}"],
  ["subset", "an enum", "enum A { B }"],
  ["subset", "a decorator", "@a class A {}"],
  ["subset", "number", "export function f(x: number): void {}"],
  ["subset", "boolean", "export function f(x: boolean): void {}"],
  ["subset", "any", "export function f(x: any): void {}"],
  ["subset", "a Map", "export function f(x: Map): void {}"],
  ["subset", "generics", "export function f(x: Uint8Array<ArrayBuffer>): void {}"],
  ["subset", "an array", "export function f(x: i32[]): void {}"],
  ["subset", "typeof", body("if (typeof x === y) return")],
  ["subset", "a default value", "export function f(x: i32 = 1): void {}"],
  ["subset", "an optional parameter", "export function f(x?: i32): void {}"],
  ["subset", "new Map", "const m = new Map()"],
  ["subset", "!", body("const z: i32 = w[0]!")],
  ["allocation", "new in a function", body("const z = new Uint8Array(3)")],
  ["allocation", "new in a method", "class A { f(): void { const z = new Int32Array(3) } }"],
  ["method", "subarray", body("f(b.subarray(1))")],
  ["global", "Math", body("const z: i32 = Math.imul(x, y)")],
  ["global", "Infinity", body("const z: f64 = Infinity")],
  ["import", "a package", "import { a } from 'effect'"],
  ["import", "a type", "import type { A } from './a.ts'"],
  ["syntax", "what does not parse", "export function {"]
]

const allowed: ReadonlyArray<readonly [what: string, text: string]> = [
  ["sums under | 0, masks and shifts", body("w[0] = (x + y - 1) | 0; w[1] = (x + y) & 255; w[2] = (x + 1) << 3")],
  ["sums as indexes", body("w[x + 1] = w[x - y]")],
  [
    "offsets as arguments",
    "function g(at: i32): void {} export function f(at: i32, outAt: i32): void { g(at + 4); g(outAt + (at << 2)) }"
  ],
  ["a product with a small literal", body("w[0] = (x * 5) | 0")],
  [
    "f64 arithmetic",
    body("const t: f64 = r * s + x - r / s; let u: f64 = 0.0; u += t; u *= 2.0; w[0] = ((-u) as i32) | 0")
  ],
  ["bytes by way of i32", body("const z: i32 = b[0]; b[1] = z as u8; b[2] = (z >> 8) as u8; b[3] = b[4]; b[5] = 0x80")],
  ["a byte returned as i32", "export function f(b: Uint8Array): i32 { return b[0] }"],
  ["unsigned shifts", body("w[0] = x >>> 3; w[1] = (x << y) | (x >>> (32 - y))")],
  [
    "large literals under bitwise operators and in tables",
    "export const T: i32[] = [0xffffffff]; export function f(w: Int32Array): void { w[0] = 0x80000000; w[1] = w[0] ^ 0x80000000 }"
  ],
  [
    "fields that are inherited",
    "class A { readonly b: Uint8Array = new Uint8Array(2) } class B extends A { f(): i32 { return this.b[0] } }"
  ],
  [
    "files in another folder",
    "import { a } from '../a.ts'; import { b } from './c/b.ts'; export function f(): void {}"
  ],
  ["loops", body("for (let i: i32 = 0; i < x; i += 4) w[i] = y; let n: i32 = 0; while (n < 3) n++")],
  [
    "classes",
    "class A { private readonly b: Uint8Array = new Uint8Array(2); n: i32; constructor(n: i32) { this.n = n } f(): bool { const b = this.b; b.fill(0, 1, 2); const c: i32 = b[0]; return c === this.n } }"
  ]
]

describe("the portable rules", () => {
  it.each(refused)("%s: %s", (rule, _what, text) => {
    expect(rules(text)).toContain(rule)
  })

  it.each(allowed)("allow %s", (_what, text) => {
    expect(rules(text)).toEqual([])
  })

  it("name the file, the line, the column and the reason", () => {
    const text = "export function f(x: i32): i32 {\n  return x + x\n}\n"
    expect(findProblems([{ name: "packages/core/src/a.ts", text }])).toEqual([
      {
        file: "packages/core/src/a.ts",
        line: 2,
        column: 10,
        rule: "overflow",
        reason: "`+` wraps at 32 bits in asc and not in JavaScript; end it in `| 0`"
      }
    ])
  })

  it("are kept by every file of the package", async () => {
    const files = (await sources()).map(async (name) => ({
      name,
      text: await readFile(join(root, "packages/core", name), "utf8")
    }))
    expect(findProblems(await Promise.all(files))).toEqual([])
  })
})

describe("both compilers", () => {
  it("accept every file: asc", async () => {
    const compiled = await check()
    expect(compiled.report).toBe("")
    expect(compiled.ok).toBe(true)
    expect(compiled.wasm.length).toBeGreaterThan(0)
  })

  it("accept every file: tsc", async () => {
    const options = ["-p", "packages/core", "--noEmit", "--emitDeclarationOnly", "false", "--composite", "false"]
    const tsc = run(process.execPath, ["node_modules/typescript/bin/tsc", ...options], { cwd: root })
    expect((await tsc.catch((error) => error)).stdout).toBe("")
  })
})

it("the check prints what is wrong, and exits with 1", async () => {
  const file = join(tmpdir(), `portable-${process.pid}.ts`)
  await writeFile(file, body("const z: i32 = x + y"))
  try {
    const failed = await run(process.execPath, ["scripts/portable.ts", file], { cwd: root }).catch((error) => error)
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain(`${file}:1:`)
    expect(failed.stderr).toContain("overflow")
    await writeFile(file, body("const z: i32 = (x + y) | 0"))
    expect((await run(process.execPath, ["scripts/portable.ts", file], { cwd: root })).stdout).toContain("portable")
  } finally {
    await rm(file)
  }
})
