/** SHA-256 as device builds have it (assembly/sha256-block.ts), which is less general than core's, against OpenSSL's. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { build } from "../assembly/compile.ts"
import { Random } from "./random.ts"

const exports = new WebAssembly.Instance(new WebAssembly.Module(await build("device-harness")), {})
  .exports as unknown as {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly bufferAt: () => number
  readonly sha256: (length: number) => void
  readonly searchHeader: (at: number) => void
  readonly search: (first: number, count: number, targetAt: number) => number
  readonly hashHeader: (at: number, out: number) => void
  readonly hashTwice: (at: number, length: number, out: number) => number
}
const at = exports.bufferAt()
const buffer = new Uint8Array(exports.memory.buffer, at, 2048)
const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest()
const random = new Random(11)
const randomBytes = (length: number): Uint8Array =>
  new Uint8Array(Buffer.concat(Array.from({ length: Math.ceil(length / 32) }, () => random.bytes()))).slice(0, length)

describe("SHA-256 of device builds", () => {
  it("hashes messages of every length from 0 to 300 bytes", () => {
    for (let length = 0; length <= 300; length++) {
      const message = randomBytes(length)
      buffer.set(message)
      exports.sha256(length)
      expect(Buffer.compare(buffer.subarray(1024, 1056), sha256(message)), `${length} bytes`).toBe(0)
    }
  })

  it("hashes twice what base58check ends with, up to 256 bytes", () => {
    for (const length of [0, 34, 55, 56, 64, 256]) {
      const message = randomBytes(length)
      buffer.set(message)
      expect(exports.hashTwice(at, length, at + 512)).toBe(1)
      expect(Buffer.compare(buffer.subarray(512, 544), sha256(sha256(message))), `${length} bytes`).toBe(0)
    }
    for (const length of [-1, 257]) expect(exports.hashTwice(at, length, at + 512)).toBe(0)
  })

  it("finds of each header the first nonce whose hash meets the target", () => {
    for (let round = 0; round < 20; round++) {
      const header = Buffer.from(randomBytes(80))
      const first = random.below(2 ** 31)
      // A hash below 2^250 is met once in 64 nonces.
      const target = new Uint8Array(32).fill(255)
      target[31] = 3
      let expected = 0
      for (let hash = new Uint8Array(32).fill(255); hash[31]! > 3; expected++) {
        header.writeUInt32LE(first + expected, 76)
        hash = new Uint8Array(sha256(sha256(header)))
        buffer.set(header)
        exports.hashHeader(at, at + 128)
        expect(Buffer.compare(buffer.subarray(128, 160), hash)).toBe(0)
      }
      buffer.set(target, 256)
      exports.searchHeader(at)
      expect(exports.search(first, 10_000, at + 256)).toBe(expected - 1)
      expect(exports.search(first, expected - 1, at + 256)).toBe(-1)
    }
  })
})
