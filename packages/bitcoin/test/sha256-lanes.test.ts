import { assert, describe, it } from "@effect/vitest"
import { Merkle, Sha256 } from "@sluice/core"
import { randomBytes } from "node:crypto"
import {
  FIRST_FREE,
  foldPath,
  hashMessages,
  hashPairs,
  lanesMemory,
  pad,
  paddedSize,
  readDisplayHashes
} from "../src/hashing/sha256-lanes.ts"
import { Schema } from "effect"
import { doubleSha256, doubleSha256All, hashToDisplay } from "../src/index.ts"

describe("hashing in lanes", () => {
  it("equals core's sha256d for every number of pairs, in place or not", () => {
    for (let count = 0; count <= 9; count++) {
      for (const distance of [0, 32, 64 * 16]) {
        const pairs = randomBytes(64 * count)
        const memory = lanesMemory(FIRST_FREE + 64 * 64)
        memory.set(pairs, FIRST_FREE + distance)
        hashPairs(FIRST_FREE + distance, FIRST_FREE, count)
        for (let i = 0; i < count; i++) {
          const expected = new Uint8Array(32)
          Sha256.sha256d(pairs, i * 64, 64, expected, 0)
          const found = Uint8Array.from(memory.subarray(FIRST_FREE + 32 * i, FIRST_FREE + 32 * i + 32))
          assert.deepStrictEqual(found, expected, `hash ${i} of ${count}`)
        }
      }
    }
  })

  it("equals core's sha256d for messages of any length", () => {
    for (const length of [0, 1, 55, 56, 63, 64, 80, 119, 120, 200, 1000]) {
      for (const count of [1, 2, 4, 5]) {
        const size = paddedSize(length)
        const [from, to] = [FIRST_FREE, FIRST_FREE + 8 * size]
        const memory = lanesMemory(to + 8 * 32)
        memory.fill(0xee, FIRST_FREE)
        const messages = Array.from({ length: count }, () => randomBytes(length))
        messages.forEach((message, i) => {
          memory.set(message, from + i * size)
          pad(memory, from + i * size, length)
        })
        hashMessages(from, size, count, to)
        messages.forEach((message, i) => {
          const expected = new Uint8Array(32)
          Sha256.sha256d(message, 0, length, expected, 0)
          const found = Uint8Array.from(memory.subarray(to + 32 * i, to + 32 * i + 32))
          assert.deepStrictEqual(found, expected, `message ${i} of ${count}, ${length} bytes`)
        })
      }
    }
  })

  it("folds a merkle path into any number of hashes", () => {
    for (let count = 0; count <= 9; count++) {
      for (const depth of [0, 1, 2, 14]) {
        const [hashes, nodes] = [randomBytes(32 * count), randomBytes(32 * depth)]
        const memory = lanesMemory(FIRST_FREE + 1024)
        memory.set(nodes, FIRST_FREE)
        memory.set(hashes, FIRST_FREE + 512)
        foldPath(FIRST_FREE + 512, count, FIRST_FREE, depth)
        for (let i = 0; i < count; i++) {
          const expected = Uint8Array.from(hashes.subarray(32 * i, 32 * i + 32))
          Merkle.merkleFold(expected, 0, nodes, 0, depth)
          const at = FIRST_FREE + 512 + 32 * i
          assert.deepStrictEqual(Uint8Array.from(memory.subarray(at, at + 32)), expected, `${i} of ${count}, ${depth}`)
        }
      }
    }
  })

  it("works after the memory has grown", () => {
    const before = lanesMemory(1).byteLength
    const memory = lanesMemory(before + 1)
    assert.isAbove(memory.byteLength, before)
    const expected = new Uint8Array(32)
    Sha256.sha256d(new Uint8Array(64), 0, 64, expected, 0)
    memory.fill(0, FIRST_FREE, FIRST_FREE + 256)
    hashPairs(FIRST_FREE, FIRST_FREE, 1)
    assert.deepStrictEqual(Uint8Array.from(memory.subarray(FIRST_FREE, FIRST_FREE + 32)), expected)
  })
})

describe("hashes read from hex in lanes", () => {
  it("are reversed", () => {
    const hashes = Array.from({ length: 20 }, () => new Uint8Array(randomBytes(32)))
    const memory = lanesMemory(FIRST_FREE + 20 * 96)
    memory.write(hashes.map(hashToDisplay).join(""), FIRST_FREE + 20 * 32, "latin1")
    assert.isTrue(readDisplayHashes(FIRST_FREE + 20 * 32, FIRST_FREE, 20))
    hashes.forEach((hash, i) =>
      assert.deepStrictEqual(Uint8Array.from(memory.subarray(FIRST_FREE + 32 * i, FIRST_FREE + 32 * i + 32)), hash)
    )
  })

  it("are refused with any byte but a lower-case digit at any place", () => {
    const memory = lanesMemory(FIRST_FREE + 96)
    const digits = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0))
    for (let place = 0; place < 64; place++) {
      for (let byte = 0; byte < 256; byte++) {
        memory.fill("7", FIRST_FREE + 32, FIRST_FREE + 96)
        memory[FIRST_FREE + 32 + place] = byte
        assert.strictEqual(
          readDisplayHashes(FIRST_FREE + 32, FIRST_FREE, 1),
          digits.includes(byte),
          `${byte} at ${place}`
        )
      }
    }
  })
})

describe("hashes of many messages", () => {
  const Messages = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 700 }))).check(
    Schema.isMaxLength(40)
  )
  it.prop("are those of each, in their order, whatever their lengths", { lengths: Messages }, ({ lengths }) => {
    const messages = lengths.map((length, index) =>
      Uint8Array.from({ length }, (_, at) => (at * 7 + index * 13 + length) & 255)
    )
    const all = doubleSha256All(messages)
    assert.strictEqual(all.length, 32 * messages.length)
    messages.forEach((message, index) => {
      assert.deepStrictEqual([...all.subarray(32 * index, 32 * index + 32)], [...doubleSha256(message)])
    })
  })

  it("are right for messages of one length that do not fill the last group, and for long ones", () => {
    const messages = [100, 100, 100, 100, 100, 400_000, 119, 120].map((length, index) =>
      new Uint8Array(length).fill(index + 1)
    )
    const all = doubleSha256All(messages)
    messages.forEach((message, index) => {
      assert.deepStrictEqual([...all.subarray(32 * index, 32 * index + 32)], [...doubleSha256(message)])
    })
  })
})
