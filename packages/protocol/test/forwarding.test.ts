/** A proxy forwards messages of unknown extensions (section 3.4.1). */
import { it } from "@effect/vitest"
import { EncodeError, Frame, Message, Mining, Protocol, U32, U8, WorkerIdentity } from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"

const SetFanSpeed = Message.make("SetFanSpeed", {
  type: 0x1b,
  to: "both",
  channel: true,
  extension: 0x4abc,
  spec: "ours",
  fields: { channelId: U32, percent: U8 }
})
const { toServer } = Protocol.forwarding(Mining.protocol)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const frameOf = (extensionType: number, payload: ReadonlyArray<number>): Frame => ({
  extensionType,
  messageType: 0x1b,
  payload: Uint8Array.from(payload)
})

test("a channel message of an unknown extension is read with its channel id and forwarded with only the id changed", () => {
  const encoded = SetFanSpeed.codec.encode(SetFanSpeed.make({ channelId: 0x01020304, percent: 80 }))
  const message = toServer.decode(Frame.read(encoded)!)!
  expect(message).toEqual({
    _tag: "ForeignMessage",
    extension: 0x4abc,
    type: 0x1b,
    channelId: 0x01020304,
    content: Uint8Array.of(80)
  })
  expect(hex(toServer.encode(message))).toBe(hex(encoded))
  if (message._tag !== "ForeignMessage") throw new Error("not reached")
  const mapped = toServer.encode({ ...message, channelId: 0xfffefdfc })
  expect(hex(mapped)).toBe(hex(encoded).replace("04030201", "fcfdfeff"))
  expect(toServer.encodedSize(message)).toBe(encoded.length)
  const out = new Uint8Array(20)
  expect(toServer.encodeInto(message, out, 2)).toBe(encoded.length)
  expect(hex(out.subarray(2, 2 + encoded.length))).toBe(hex(encoded))
})

test.each([
  ["of an unknown extension and for the connection", frameOf(0x4abc, [1, 0, 0, 0, 80])],
  ["for a channel that it does not name", frameOf(0xcabc, [1, 0, 0])],
  ["of an unknown type of the core's", { ...frameOf(0x8000, [1, 0, 0, 0]), messageType: 0x1e }]
])("a message %s is discarded", (_, frame) => {
  expect(toServer.decode(frame)).toBeUndefined()
  expect(toServer.decodeWithTail(frame)).toBeUndefined()
})

test("known messages are read as usual, and messages of extensions that were not negotiated are forwarded", () => {
  const extended = Protocol.forwarding(Protocol.extend(Mining.protocol, [SetFanSpeed]))
  const encoded = SetFanSpeed.codec.encode(SetFanSpeed.make({ channelId: 1, percent: 80 }))
  expect(extended.toServer.decode(Frame.read(encoded)!)?._tag).toBe("SetFanSpeed")
  const without = Protocol.negotiated(extended, [WorkerIdentity.extension]).toServer
  expect(without.decode(Frame.read(encoded)!)?._tag).toBe("ForeignMessage")
  const share = Mining.SubmitSharesStandard.make({
    channelId: 1,
    sequenceNumber: 2,
    jobId: 3,
    nonce: 4,
    ntime: 5,
    version: 6
  })
  expect(without.decode(Frame.read(without.encode(share))!)).toEqual(share)
})

test("a message that is too long for a frame or for the buffer is an EncodeError", () => {
  const long = {
    _tag: "ForeignMessage",
    extension: 1,
    type: 1,
    channelId: 1,
    content: new Uint8Array(Frame.maxPayload - 3)
  } as const
  expect(() => toServer.encode(long)).toThrow(EncodeError)
  expect(() => toServer.encodeInto({ ...long, content: new Uint8Array(9) }, new Uint8Array(18), 0)).toThrow(EncodeError)
})

describe("any message of an unknown extension", () => {
  it.prop(
    "comes back from its bytes as they were",
    {
      content: Schema.Uint8Array.check(Schema.isMaxLength(200)),
      extension: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0x7fff })),
      channelId: U32
    },
    ({ channelId, content, extension }) => {
      const message = { _tag: "ForeignMessage", extension, type: 7, channelId, content } as const
      const frame = Frame.read(toServer.encode(message))!
      expect(toServer.decode(frame)).toEqual(message)
      expect(toServer.decode(frame, { copy: true })).toEqual(message)
    },
    { arbitrary: { runs: 100 } }
  )
})
