import { assert, describe, it } from "@effect/vitest"
import { CipherState, FrameLayout } from "@sluice/core"
import type { Frame } from "@sluice/protocol"
import { FrameReader } from "../src/frames/frame-reader.ts"
import { seal } from "../src/noise/seal.ts"
import { Schema } from "effect"

const KEY = new Uint8Array(32).fill(9)

const cipher = (): CipherState => {
  const state = new CipherState()
  state.setKey(KEY, 0)
  return state
}

const encode = (frame: Frame): Uint8Array => {
  const bytes = new Uint8Array(6 + frame.payload.length)
  FrameLayout.writeFrameHeader(bytes, 0, frame.extensionType, frame.messageType, frame.payload.length)
  bytes.set(frame.payload, 6)
  return bytes
}

const frameOf = (length: number, messageType = 0x1a): Frame => {
  const payload = new Uint8Array(length)
  for (let i = 0; i < length; i++) payload[i] = (i * 31) ^ (i >> 8)
  return { extensionType: 0x8000, messageType, payload }
}

/** Encodes frames for the wire, and makes a reader for them. */
const wires = {
  plain: {
    bytes: (frames: ReadonlyArray<Frame>) => concat(frames.map(encode)),
    reader: (limit: number) => new FrameReader(undefined, limit)
  },
  noise: {
    bytes: (frames: ReadonlyArray<Frame>) => {
      const [first, ...rest] = frames.map(encode)
      return first === undefined ? new Uint8Array(0) : seal(cipher(), [first, ...rest])
    },
    reader: (limit: number) => new FrameReader(cipher(), limit)
  }
}

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Cuts bytes into chunks of these sizes, repeated as needed. Each chunk is a buffer of its own. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>): Array<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

const read = (reader: FrameReader, chunks: ReadonlyArray<Uint8Array>): Array<Frame> => {
  const frames: Array<Frame> = []
  for (const chunk of chunks) reader.push(chunk, frames)
  return frames
}

const Payload = Schema.Uint8Array.check(Schema.isBetweenLength(0, 300))
const AnyFrame = Schema.Struct({
  extensionType: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })),
  messageType: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xff })),
  payload: Payload
})
const Sizes = Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 700 })))

describe.each(["plain", "noise"] as const)("FrameReader, %s", (kind) => {
  const wire = wires[kind]

  it.prop(
    "gives the same frames for any cut of the bytes",
    [Schema.Array(AnyFrame), Sizes],
    ([frames, sizes]) => {
      const reader = wire.reader(1000)
      assert.deepStrictEqual(read(reader, cut(wire.bytes(frames), sizes)), frames)
      assert.isUndefined(reader.failure)
      assert.strictEqual(reader.pendingBytes, 0)
    },
    { arbitrary: { runs: 300 } }
  )

  it.each([0, 1, 65_518, 65_519, 65_520, 131_037, 131_038, 131_039, 200_000])(
    "reads a payload of %i bytes, whole and in pieces, between two others",
    (length) => {
      const frames = [frameOf(3), frameOf(length), frameOf(0), frameOf(5)]
      const bytes = wire.bytes(frames)
      for (const sizes of [[bytes.length], [65_536], [1000, 1], [28 + length]]) {
        assert.deepStrictEqual(read(wire.reader(0xffffff), cut(bytes, sizes)), frames)
      }
    }
  )

  it("does not copy a frame that lies in one chunk", () => {
    const chunk = wire.bytes([frameOf(10), frameOf(200)])
    for (const { payload } of read(wire.reader(1000), [chunk])) assert.strictEqual(payload.buffer, chunk.buffer)
  })

  it("refuses a frame above the limit as soon as its header has come, and reads nothing behind it", () => {
    const bytes = wire.bytes([frameOf(100), frameOf(101), frameOf(1)])
    const reader = wire.reader(100)
    const frames = read(reader, cut(bytes, [1]))
    assert.deepStrictEqual(frames, [frameOf(100)])
    assert.strictEqual(reader.failure?._tag, "FrameTooLong")
    assert.include(reader.failure?.message, "of 101 bytes; at most 100")
    reader.limitPayload(1000)
    assert.deepStrictEqual(read(reader, [bytes]), [])
  })

  it("accepts longer frames after the limit was raised", () => {
    const reader = wire.reader(100)
    const bytes = wire.bytes([frameOf(100), frameOf(5000)])
    const first = bytes.length - wire.bytes([frameOf(5000)]).length
    assert.strictEqual(read(reader, [bytes.slice(0, first)]).length, 1)
    reader.limitPayload(5000)
    assert.deepStrictEqual(read(reader, [bytes.slice(first)]), [frameOf(5000)])
  })

  it("allocates memory for received bytes, not for the announced length", () => {
    const claims = wire.bytes([frameOf(0xffffff)]).slice(0, 40)
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 64 }, () => {
      const reader = wire.reader(0xffffff)
      reader.push(claims.slice(), [])
      return reader
    })
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 16_384)
    for (const reader of readers) assert.strictEqual(reader.pendingBytes, 40)
  })
})

describe("FrameReader, noise", () => {
  it.prop(
    "gives the frames before a changed bit, and none after it",
    [Schema.NonEmptyArray(AnyFrame), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffff })), Sizes],
    ([frames, where, sizes]) => {
      const bytes = wires.noise.bytes(frames)
      const bit = where % (bytes.length * 8)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      const reader = wires.noise.reader(1000)
      const got = read(reader, cut(bytes, sizes))
      const sizesOf = frames.map(
        ({ payload }) => FrameLayout.ENCRYPTED_HEADER_SIZE + FrameLayout.encryptedPayloadLength(payload.length)
      )
      let intact = 0
      for (let end = 0; intact < frames.length; intact++) {
        end += sizesOf[intact]!
        if (end > bit >> 3) break
      }
      assert.deepStrictEqual(got, frames.slice(0, intact))
      assert.strictEqual(reader.failure?._tag, "Undecryptable")
    },
    { arbitrary: { runs: 200 } }
  )

  it("refuses a replayed frame", () => {
    const bytes = wires.noise.bytes([frameOf(10)])
    const reader = wires.noise.reader(1000)
    assert.strictEqual(read(reader, [bytes.slice(), bytes.slice()]).length, 1)
    assert.strictEqual(reader.failure?._tag, "Undecryptable")
  })
})
