/** Bytes of other implementations, both ways. */
import { Common, type Direction, Frame, Mining, Protocol, TemplateDistribution } from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import vectors from "./vectors/messages.json" with { type: "json" }

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const { toClient, toServer } = Protocol.extend(TemplateDistribution.protocol, Common.setupMessages)

describe.each(vectors)("$name of another implementation", (vector) => {
  const direction = (vector.to === "server" ? toServer : toClient) as Direction<{ readonly _tag: string }>
  const bytes = hex(vector.header + vector.payload)

  test("is read", () => {
    const message = direction.decode(Frame.read(bytes)!)
    expect(message && Schema.encodeSync(direction.json)(message)).toEqual(vector.message)
  })

  test("is written", () => {
    const message = Schema.decodeUnknownSync(direction.json)(vector.message)
    expect(Buffer.from(direction.encode(message)).toString("hex")).toBe(vector.header + vector.payload)
  })
})

test("headers of frames without payload are read", () => {
  for (const type of [0x71, 0x72]) {
    expect(Frame.read(Uint8Array.of(0, 0, type, 0, 0, 0))).toEqual({
      extensionType: 0,
      messageType: type,
      payload: new Uint8Array(0)
    })
  }
})

/** SubmitSharesExtended, typed in by hand from sections 3.2 and 5.3.12. */
const shareFrame = [
  ["0080", "1b", "1b0000"],
  ["01000000", "02000000", "03000000", "efbeadde", "40d6645f", "e0ffff3f"],
  ["02", "abcd"]
]
  .flat()
  .join("")
const share = Mining.SubmitSharesExtended.make({
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 0xdeadbeef,
  ntime: 0x5f64d640,
  version: 0x3fffffe0,
  extranonce: Uint8Array.of(0xab, 0xcd)
})

test("a channel message is written with the channel bit and read with and without it", () => {
  const { toServer } = Mining.protocol
  expect(Buffer.from(toServer.encode(share)).toString("hex")).toBe(shareFrame)
  const frame = Frame.read(hex(shareFrame))!
  expect(toServer.decode(frame)).toEqual(share)
  expect(toServer.decode({ ...frame, extensionType: 0 })).toEqual(share)
})

test("a worker's name behind a share is a tail, in either byte order of the TLV's header", () => {
  const { toServer } = Mining.protocol
  for (const tlv of ["0200010a00576f726b65725f303031", "000201000a576f726b65725f303031"]) {
    const encoded = toServer.encode(share, hex(tlv))
    expect(Buffer.from(encoded).toString("hex")).toBe(shareFrame.replace("1b0000", "2a0000") + tlv)
    const frame = Frame.read(encoded)!
    expect(toServer.decode(frame)).toEqual(share)
    expect(toServer.decodeWithTail(frame)).toEqual({ message: share, tailAt: 27 })
    expect(Buffer.from(frame.payload.subarray(27)).toString("hex")).toBe(tlv)
  }
})
