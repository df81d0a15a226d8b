/** Each wire type at both ends of its range, and one step beyond. */
import * as Protocol from "@sluice/protocol"
import { DecodeError, EncodeError, Message, Option, Seq0_255, Seq0_64K } from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"

const { B0_16M, B0_255, B0_32, B0_64K, Bool, F32, PubKey, Signature, Str0_255, U16, U24, U256, U32, U64, U8 } = Protocol

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x5a)
const repeat = <T>(length: number, value: T): ReadonlyArray<T> => Array.from({ length }, () => value)

interface Limits<T> {
  readonly name: string
  readonly type: Protocol.WireSchema<T>
  /** Values, each with the bytes it takes. */
  readonly fits: ReadonlyArray<readonly [value: T, size: number]>
  readonly refused: ReadonlyArray<unknown>
}

const limitsOf = <T>(
  type: Protocol.WireSchema<T>,
  fits: Limits<T>["fits"],
  refused: ReadonlyArray<unknown>
): Limits<unknown> => ({ name: Protocol.wireTypeOf(type)!.name, type, fits, refused })

const all: ReadonlyArray<Limits<unknown>> = [
  limitsOf(U8, [[0, 1], [0xff, 1]], [-1, 0x100, 0.5, NaN, "1", 1n, undefined, null]), // prettier-ignore
  limitsOf(
    U16,
    [
      [0, 2],
      [0xffff, 2]
    ],
    [-1, 0x10000, 1.5, Infinity, undefined]
  ),
  limitsOf(
    U24,
    [
      [0, 3],
      [0xffffff, 3]
    ],
    [-1, 0x1000000, 1.5, undefined]
  ),
  limitsOf(
    U32,
    [
      [0, 4],
      [0x7fffffff, 4],
      [0x80000000, 4],
      [0xffffffff, 4]
    ],
    [-1, 2 ** 32, 1.5, NaN, undefined]
  ),
  limitsOf(
    U64,
    [
      [0n, 8],
      [2n ** 63n, 8],
      [2n ** 64n - 1n, 8]
    ],
    [-1n, 2n ** 64n, 1, "1", undefined]
  ),
  limitsOf(
    F32,
    [
      [0, 4],
      [1.5, 4],
      [-Infinity, 4],
      [Infinity, 4],
      [NaN, 4],
      [2 ** -149, 4]
    ],
    ["1", 1n, undefined]
  ),
  limitsOf(
    Bool,
    [
      [true, 1],
      [false, 1]
    ],
    []
  ),
  limitsOf(U256, [[bytes(32), 32]], [bytes(31), bytes(33), bytes(0), undefined, "5a"]),
  limitsOf(PubKey, [[bytes(32), 32]], [bytes(31), bytes(33)]),
  limitsOf(Signature, [[bytes(64), 64]], [bytes(63), bytes(65)]),
  limitsOf(
    B0_32,
    [
      [bytes(0), 1],
      [bytes(32), 33]
    ],
    [bytes(33), undefined, null]
  ),
  limitsOf(
    B0_255,
    [
      [bytes(0), 1],
      [bytes(255), 256]
    ],
    [bytes(256)]
  ),
  limitsOf(
    B0_64K,
    [
      [bytes(0), 2],
      [bytes(65_535), 65_537]
    ],
    [bytes(65_536)]
  ),
  limitsOf(
    B0_16M,
    [
      [bytes(0), 3],
      [bytes(65_536), 65_539]
    ],
    []
  ),
  limitsOf(
    Str0_255,
    [
      ["", 1],
      ["a".repeat(255), 256],
      ["é".repeat(127), 255],
      ["\udcff", 2],
      ["😀", 5]
    ],
    ["a".repeat(256), "é".repeat(128), "\ud800", "a\udc7f", "\udd00", "\ude00x", undefined, 1]
  ),
  limitsOf(
    Option(U32),
    [
      [undefined, 1],
      [0, 5],
      [0xffffffff, 5]
    ],
    [-1, 2 ** 32, null]
  ),
  limitsOf(
    Option(B0_32),
    [
      [undefined, 1],
      [bytes(0), 2],
      [bytes(32), 34]
    ],
    [bytes(33)]
  ),
  limitsOf(
    Seq0_255(U256),
    [
      [[], 1],
      [repeat(255, bytes(32)), 1 + 255 * 32]
    ],
    [repeat(256, bytes(32)), [bytes(31)]]
  ),
  limitsOf(
    Seq0_255(Str0_255),
    [
      [[], 1],
      [["a", "", "é"], 1 + 2 + 1 + 3]
    ],
    [["a".repeat(256)], ["\ud800"]]
  ),
  limitsOf(
    Seq0_64K(U32),
    [
      [[], 2],
      [repeat(65_535, 7), 2 + 65_535 * 4]
    ],
    [repeat(65_536, 7), [1, -1]]
  ),
  limitsOf(Seq0_64K(U16), [[[0, 0xffff], 6]], [[0x10000]]),
  limitsOf(Seq0_64K(B0_16M), [[[bytes(0), bytes(3)], 2 + 3 + 6]], []),
  limitsOf(Seq0_64K(Bool), [[[true, false], 4]], []),
  limitsOf(Seq0_64K(U64), [[[1n, 2n ** 64n - 1n], 18]], [[-1n]]),
  limitsOf(Seq0_64K(F32), [[[1.5, NaN], 10]], [])
]

describe.each(all)("$name", ({ fits, name, refused, type }) => {
  const One = Message.make("One", {
    type: 0,
    to: "both",
    channel: false,
    spec: "",
    fields: { before: U8, value: type }
  })
  const protocol = Protocol.Protocol.make({ id: 0, name: "Test", messages: [One] }).toServer
  const message = (value: unknown) => One.make({ before: 1, value })

  test.each(fits.map(([value, size], index) => ({ value, size, index })))(
    "value $index takes $size bytes and comes back",
    ({ size, value }) => {
      expect(protocol.encodedSize(message(value))).toBe(6 + 1 + size)
      const encoded = protocol.encode(message(value))
      expect(encoded.length).toBe(6 + 1 + size)
      expect(protocol.decode(Protocol.Frame.read(encoded)!)).toEqual(message(value))
      for (const length of [1, Math.floor(size / 2), size]) {
        const payload = encoded.subarray(6, 6 + length)
        expect(() => protocol.decode({ extensionType: 0, messageType: 0, payload })).toThrow(DecodeError)
      }
    }
  )

  test.each(refused.map((value, index) => ({ value, index })))("value $index is refused by name", ({ value }) => {
    const error = (() => {
      try {
        protocol.encode(message(value))
      } catch (error) {
        return error
      }
      return undefined
    })()
    expect(error).toBeInstanceOf(EncodeError)
    expect(error).toMatchObject({ messageName: "One", field: "value" })
    expect((error as EncodeError).limit).toContain(name)
    expect(() => protocol.encodeInto(message(value), new Uint8Array(9_000_000), 0)).toThrow(EncodeError)
  })

  test("the longest value has the size that the declaration gives", () => {
    expect(One.maxPayload).toBe(1 + Protocol.maxWireSize(Protocol.wireTypeOf(type)!))
    for (const [, size] of fits) expect(One.maxPayload).toBeGreaterThanOrEqual(1 + size)
  })
})

describe("reading", () => {
  const decodeOne = (type: Protocol.WireSchema<unknown>, ...payload: ReadonlyArray<number>) => {
    const One = Message.make("One", { type: 0, to: "both", channel: false, spec: "", fields: { value: type } })
    return One.codec.decode(Uint8Array.from(payload)).value
  }

  test("a BOOL is its lowest bit", () => {
    expect([0x00, 0x01, 0xfe, 0xff].map((byte) => decodeOne(Bool, byte))).toEqual([false, true, false, true])
  })

  test("an OPTION of two is an error, even if both are there", () => {
    expect(() => decodeOne(Option(U8), 2, 7, 8)).toThrow(DecodeError)
    expect(decodeOne(Option(U8), 1, 7)).toBe(7)
    expect(decodeOne(Option(U8), 0)).toBeUndefined()
  })

  test("a B0_32 of 33 is an error, even if all of it is there", () => {
    expect(() => decodeOne(B0_32, 33, ...bytes(33))).toThrow(DecodeError)
  })

  test("integers are little-endian and unsigned", () => {
    expect(decodeOne(U16, 1, 2)).toBe(0x0201)
    expect(decodeOne(U24, 1, 2, 0x83)).toBe(0x830201)
    expect(decodeOne(U32, 1, 2, 3, 0x84)).toBe(0x84030201)
    expect(decodeOne(U64, 1, 2, 3, 4, 5, 6, 7, 0x88)).toBe(0x8807060504030201n)
  })

  test("an F32 is read by its bits, NaN and infinity included", () => {
    expect(decodeOne(F32, 0, 0, 0xc0, 0x3f)).toBe(1.5)
    expect(decodeOne(F32, 0, 0, 0x80, 0x7f)).toBe(Infinity)
    expect(decodeOne(F32, 1, 0, 0x80, 0xff)).toBeNaN()
    expect(decodeOne(F32, 1, 0, 0, 0)).toBe(2 ** -149)
  })
})

test("JSON keeps numbers that it cannot express, as strings", () => {
  const { json } = Protocol.Mining.UpdateChannel
  for (const nominalHashRate of [NaN, Infinity, -Infinity, -0, 0, 1.5]) {
    const message = { _tag: "UpdateChannel", channelId: 1, nominalHashRate, maximumTarget: bytes(32) } as const
    const text = JSON.stringify(Schema.encodeSync(json)(message))
    expect(Schema.decodeUnknownSync(json)(JSON.parse(text)).nominalHashRate).toBe(nominalHashRate)
  }
})

test("a number is rounded to the nearest F32 when it is written", () => {
  const message = Protocol.Mining.UpdateChannel.make({ channelId: 1, nominalHashRate: 1e12, maximumTarget: bytes(32) })
  const { toServer } = Protocol.Mining.protocol
  const decoded = toServer.decode(Protocol.Frame.read(toServer.encode(message))!)
  expect(decoded).toMatchObject({ nominalHashRate: Math.fround(1e12) })
})

describe("a message that fits no frame", () => {
  const { toClient } = Protocol.TemplateDistribution.protocol
  const message = (sizes: ReadonlyArray<number>) =>
    Protocol.TemplateDistribution.RequestTransactionDataSuccess.make({
      templateId: 1n,
      excessData: bytes(0),
      transactionList: sizes.map((size) => new Uint8Array(size))
    })
  const overhead = 8 + 2 + 2 + 3

  test("is encoded up to 2^24 - 1 bytes and refused above", () => {
    const longest = toClient.encode(message([0xffffff - overhead]))
    expect(Protocol.Frame.read(longest)?.payload.length).toBe(0xffffff)
    expect(() => toClient.encode(message([0xffffff - overhead + 1]))).toThrow(EncodeError)
    expect(() => toClient.encode(message([0x1000000]))).toThrow(EncodeError)
    expect(() => toClient.encode(message([0xffffff - overhead]), new Uint8Array(1))).toThrow(EncodeError)
  })

  test("bounds what its direction accepts", () => {
    expect(toClient.maxPayload).toBe(0xffffff)
    expect(Protocol.TemplateDistribution.protocol.toServer.maxPayload).toBe(8 + 4 + 4 + 4 + 2 + 65_535)
  })
})

describe("a caller's buffer", () => {
  const { toServer } = Protocol.Mining.protocol
  const message = Protocol.Mining.CloseChannel.make({ channelId: 1, reasonCode: "bye" })
  const size = toServer.encodedSize(message)

  test.each([
    ["too short", size - 1, 0],
    ["too short from there", size + 3, 4],
    ["before its beginning", size, -1],
    ["nowhere", size, NaN]
  ])("that is %s is refused", (_, length, at) => {
    expect(() => toServer.encodeInto(message, new Uint8Array(length), at)).toThrow(EncodeError)
  })

  test("of the exact size is enough", () => {
    expect(toServer.encodeInto(message, new Uint8Array(size), 0)).toBe(size)
  })
})

test("a message of the other direction, or none at all, is refused", () => {
  const { toServer } = Protocol.Mining.protocol
  for (const value of [{ _tag: "SetTarget" }, { _tag: "toString" }, {}]) {
    expect(() => toServer.encode(value as never)).toThrow(EncodeError)
    expect(() => toServer.encodedSize(value as never)).toThrow(EncodeError)
  }
})

test("a message without one of its fields is refused by the field's name", () => {
  const { toServer } = Protocol.Mining.protocol
  const message = { _tag: "SubmitSharesExtended", channelId: 1, sequenceNumber: 1, jobId: 1, nonce: 1, ntime: 1 }
  expect(() => toServer.encode({ ...message, version: 1 } as never)).toThrow(
    expect.objectContaining({ _tag: "EncodeError", field: "extranonce" })
  )
})
