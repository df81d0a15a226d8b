/** ChaCha20-Poly1305 as device builds have it, over the integer Poly1305 (assembly/poly1305.ts). */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { build } from "../assembly/compile.ts"
import { Random } from "./random.ts"

const exports = new WebAssembly.Instance(new WebAssembly.Module(await build("device-harness")), {})
  .exports as unknown as {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly bufferAt: () => number
  readonly seal: (adLength: number, length: number) => void
  readonly open: (adLength: number, length: number) => number
}
const buffer = new Uint8Array(exports.memory.buffer, exports.bufferAt(), 2048)
const TEXT = 1024

const put = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, text: Uint8Array): void => {
  buffer.set(key, 0)
  buffer.set(nonce, 32)
  buffer.set(ad, 64)
  buffer.set(text, TEXT)
}
const seal = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array): Uint8Array => {
  put(key, nonce, ad, plain)
  exports.seal(ad.length, plain.length)
  return buffer.slice(TEXT, TEXT + plain.length + 16)
}
const open = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined => {
  put(key, nonce, ad, sealed)
  return exports.open(ad.length, sealed.length - 16) === 0 ? undefined : buffer.slice(TEXT, TEXT + sealed.length - 16)
}

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

interface Vector {
  readonly tcId: number
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: "valid" | "invalid" | "acceptable"
}
const file = new URL("../../packages/core/test/vectors/wycheproof_chacha20_poly1305_test.json", import.meta.url)
const { testGroups } = JSON.parse(readFileSync(file, "utf8")) as {
  readonly testGroups: ReadonlyArray<{ readonly ivSize: number; readonly tests: ReadonlyArray<Vector> }>
}
const vectors = testGroups.filter(({ ivSize }) => ivSize === 96).flatMap(({ tests }) => tests)

describe("ChaCha20-Poly1305 of device builds", () => {
  it("does what Wycheproof's vectors say", () => {
    expect(vectors.length).toBeGreaterThan(250)
    for (const { aad, ct, iv, key, msg, result, tag, tcId } of vectors) {
      const given = [bytes(key), bytes(iv), bytes(aad)] as const
      const opened = open(...given, bytes(ct + tag))
      expect(opened && Buffer.from(opened).toString("hex"), `vector ${tcId}`).toBe(result === "valid" ? msg : undefined)
      if (result === "valid") expect(seal(...given, bytes(msg))).toEqual(bytes(ct + tag))
    }
  })

  it("gives @noble/ciphers' bytes for messages of every length, and refuses each with a bit changed", () => {
    const random = new Random(9)
    for (let length = 0; length < 700; length++) {
      const [key, nonce] = [random.bytes(), random.bytes().slice(0, 12)]
      const ad = random.bytes().slice(0, random.below(33))
      const plain = new Uint8Array(length).map(() => [0, 255, random.below(256)][length % 3]!)
      const sealed = chacha20poly1305(key, nonce, ad).encrypt(plain)
      expect(Buffer.compare(seal(key, nonce, ad, plain), sealed)).toBe(0)
      const broken = sealed.slice()
      broken[random.below(broken.length)]! ^= 1 << random.below(8)
      expect(open(key, nonce, ad, broken)).toBeUndefined()
    }
  })
})
