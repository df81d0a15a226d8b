/** TLVs behind messages: declared, put on, sent, read in either byte order, and refused where they do not fit. */
import { it } from "@effect/vitest"
import {
  B0_255,
  DecodeError,
  EncodeError,
  Extension,
  Frame,
  Message,
  Mining,
  Protocol,
  readTail,
  RestBytes,
  RestText,
  Tlv,
  U16,
  U32,
  WorkerIdentity
} from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"

const { UserIdentity } = WorkerIdentity

/** Somebody's own: two TLVs on shares of either kind, one of them also on CloseChannel. */
const Temperature = Tlv.make("Temperature", {
  extension: 0x4abc,
  type: 0x01,
  on: [Mining.SubmitSharesExtended, Mining.SubmitSharesStandard],
  spec: "ours",
  fields: { milliKelvin: U32, sensor: U16 }
})
const Note = Tlv.make("Note", {
  extension: 0x4abc,
  type: 0x00,
  on: [Mining.SubmitSharesExtended, Mining.CloseChannel],
  spec: "ours",
  fields: { author: B0_255, text: RestBytes(40) }
})
const Ours = Extension.make({ id: 0x4abc, name: "ours", spec: "ours", tlvs: [Temperature, Note] })

const share = Mining.SubmitSharesExtended.make({
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 4,
  ntime: 5,
  version: 6,
  extranonce: Uint8Array.of(0xab, 0xcd)
})
const plain = Mining.protocol.toServer
const worker = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension]).toServer
const both = Protocol.negotiated(Mining.protocol, [Ours, WorkerIdentity.extension]).toServer

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))
/** The share's frame with these bytes behind it. */
const withTail = (tail: string): Frame => Frame.read(plain.encode(share, bytes(tail)))!
const tailOf = (encoded: Uint8Array): string => hex(encoded.subarray(plain.encodedSize(share)))

describe("a worker's name", () => {
  const named = UserIdentity.put(share, { userIdentity: "Worker_001" })

  test("is attached to the share, whose fields stay the same", () => {
    expect(UserIdentity.get(named)).toEqual({ _tag: "UserIdentity", userIdentity: "Worker_001" })
    expect(UserIdentity.get(share)).toBeUndefined()
    expect(Object.keys(named)).toEqual(Object.keys(share))
    expect(JSON.stringify(Schema.encodeSync(plain.json)(named))).toBe(
      JSON.stringify(Schema.encodeSync(plain.json)(share))
    )
    const renamed = UserIdentity.put(named, { userIdentity: "other" })
    expect(UserIdentity.get(renamed)?.userIdentity).toBe("other")
    expect(UserIdentity.get(named)?.userIdentity).toBe("Worker_001")
  })

  test("is sent little-endian if it was negotiated, and not sent otherwise", () => {
    expect(tailOf(worker.encode(named))).toBe("0200010a00576f726b65725f303031")
    expect(worker.encodedSize(named)).toBe(worker.encode(named).length)
    expect(hex(plain.encode(named))).toBe(hex(plain.encode(share)))
    expect(hex(worker.encode(share))).toBe(hex(plain.encode(share)))
    // The frame stays the core's, for a channel (section 3.4.1).
    expect(hex(worker.encode(named).subarray(0, 3))).toBe("00801b")
  })

  test.each([
    ["little-endian", "0200010a00576f726b65725f303031", "Worker_001"],
    ["big-endian, as the specification prints it", "000201000a576f726b65725f303031", "Worker_001"],
    ["empty, little-endian", "0200010000", ""],
    ["empty, big-endian", "0002010000", ""],
    ["of 32 bytes", `0200012000${"78".repeat(32)}`, "x".repeat(32)],
    ["not in UTF-8", "0200010100ff", "\udcff"],
    ["behind a TLV that is not known", "bc4a020200aabb 0200010200 6162", "ab"],
    ["before one", "0200010200 6162 0500020000", "ab"],
    ["behind one, big-endian", "4abc020002aabb00020100026162", "ab"],
    ["before bytes that are no TLV", "0200010200616200", "ab"],
    ["given twice: the first counts", "0200010100 61 0200010100 62", "a"]
  ])("is read %s", (_, tail, name) => {
    const message = worker.decode(withTail(tail))!
    expect(UserIdentity.get(message)?.userIdentity).toBe(name)
    expect(message).toMatchObject({ ...share })
    expect(UserIdentity.get(plain.decode(withTail(tail))!)).toBeUndefined()
  })

  test.each([
    ["of 33 bytes", `0200012100${"78".repeat(33)}`],
    ["of 33 bytes, big-endian", `0002010021${"78".repeat(33)}`],
    ["longer than its payload", "0200010a0061"],
    ["longer than its payload, big-endian", "000201000a61"]
  ])("%s makes its message one to be rejected", (_, tail) => {
    expect(() => worker.decode(withTail(tail))).toThrow(DecodeError)
    expect(() => worker.decode(withTail(tail))).toThrow(/^SubmitSharesExtended: TLV UserIdentity at offset 32 should/)
    expect(plain.decode(withTail(tail))).toEqual(share)
  })

  test.each([
    ["nothing", ""],
    ["less than a header", "020001"],
    ["padding", "00".repeat(64)],
    ["TLVs that are not known", "bc4a0202000101030000 0000"],
    ["a TLV that is not known and longer than its payload", "bc4a02ffff01"],
    ["a TLV of the extension that it does not have", "0200070100ff"]
  ])("is not there where there is %s", (_, tail) => {
    const message = worker.decode(withTail(tail))!
    expect(message).toEqual(share)
    expect(UserIdentity.get(message)).toBeUndefined()
  })

  test("does not follow other messages, not even with the right bytes", () => {
    const close = Mining.CloseChannel.make({ channelId: 1, reasonCode: "x" })
    const frame = Frame.read(plain.encode(close, bytes("0200010a00576f726b65725f303031")))!
    expect(UserIdentity.get(worker.decode(frame)!)).toBeUndefined()
    // @ts-expect-error: it is declared for SubmitSharesExtended alone
    expect(hex(worker.encode(UserIdentity.put(close, { userIdentity: "x" })))).toBe(hex(worker.encode(close)))
  })

  test("that is too long cannot be sent", () => {
    expect(() => worker.encode(UserIdentity.put(share, { userIdentity: "x".repeat(33) }))).toThrow(EncodeError)
  })
})

describe("several TLVs", () => {
  const full = Note.put(
    UserIdentity.put(Temperature.put(share, { milliKelvin: 350_000, sensor: 1 }), { userIdentity: "w" }),
    { author: Uint8Array.of(0x61), text: Uint8Array.of(0x68, 0x69) }
  )

  test("are sent in the order of their extensions, and in the order of each extension", () => {
    expect(tailOf(both.encode(full))).toBe(
      ["0200010100 77", "bc4a010600 305705000100", "bc4a000400 01616869"].join("").replaceAll(" ", "")
    )
  })

  test("are read in any order and in either byte order", () => {
    for (const tail of [
      ["bc4a000400 01616869", "0200010100 77", "bc4a010600 305705000100"],
      ["4abc000004 01616869", "0002010001 77", "4abc010006 305705000100"]
    ]) {
      const message = both.decode(withTail(tail.join("")))!
      expect(UserIdentity.get(message)?.userIdentity).toBe("w")
      expect(Temperature.get(message)).toEqual({ _tag: "Temperature", milliKelvin: 350_000, sensor: 1 })
      expect(Note.get(message)?.text).toEqual(Uint8Array.of(0x68, 0x69))
    }
  })

  test("whose fields do not fill their value exactly are refused", () => {
    for (const tail of ["bc4a010500 3057050001", "bc4a010700 30570500010000"]) {
      expect(() => both.decode(withTail(tail))).toThrow(/TLV Temperature/)
    }
  })

  test("stand before the caller's own tail", () => {
    expect(tailOf(both.encode(UserIdentity.put(share, { userIdentity: "w" }), Uint8Array.of(0xee)))).toBe(
      "020001010077ee"
    )
    const out = new Uint8Array(100)
    const named = UserIdentity.put(share, { userIdentity: "w" })
    const size = both.encodeInto(named, out, 3)
    expect(hex(out.subarray(3, 3 + size))).toBe(hex(both.encode(named)))
  })

  test("make the longest payload longer", () => {
    const small = Protocol.make({ id: 0, name: "", messages: [Mining.SubmitSharesExtended] })
    const { toServer } = Protocol.negotiated(small, [Ours, WorkerIdentity.extension])
    expect(toServer.maxPayload).toBe(small.toServer.maxPayload + (5 + 32) + (5 + 6) + (5 + 256 + 40))
  })
})

describe("random TLVs", () => {
  it.prop(
    "are the same after encoding and decoding, as views or copies",
    {
      message: Mining.SubmitSharesExtended.arbitrary,
      identity: UserIdentity.arbitrary,
      temperature: Temperature.arbitrary,
      note: Note.arbitrary
    },
    ({ identity, message, note, temperature }) => {
      const full = Note.put(Temperature.put(UserIdentity.put(message, identity), temperature), note)
      const frame = Frame.read(both.encode(full))!
      for (const options of [{ copy: true }, { copy: false }]) {
        const read = both.decode(frame, options)!
        expect(read).toMatchObject({ ...message })
        expect([UserIdentity.get(read), Temperature.get(read), Note.get(read)]).toEqual([identity, temperature, note])
      }
      frame.payload.fill(0)
    },
    { arbitrary: { runs: 100 } }
  )

  it.prop(
    "or anything else behind a message is read or refused, and nothing but DecodeError is thrown",
    {
      tail: Schema.Uint8Array.check(Schema.isMaxLength(80)),
      first: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
    },
    ({ first, tail }) => {
      // Often a header that is known, so that the rest is looked at.
      const start = ["", "020001", "000201", "bc4a01", "4abc01", "bc4a00"][first]!
      const frame = Frame.read(plain.encode(share, new Uint8Array([...bytes(start), ...tail])))!
      try {
        expect(both.decode(frame)).toMatchObject({ ...share })
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    },
    { arbitrary: { runs: 500 } }
  )
})

test("a tail of thousands of empty TLVs is read once in each byte order, and not kept", () => {
  const tail = new Uint8Array(5 * 13_000)
  for (let at = 0; at < tail.length; at += 5) tail.set([0xbc, 0x4a, 0x09, 0, 0], at)
  const frame = Frame.read(plain.encode(share, tail))!
  const message = worker.decode(frame)!
  expect(message).toEqual(share)
  expect(readTail(frame.payload, 27, () => false).tlvs.length).toBe(13_000)
})

describe("a declaration", () => {
  const declare = (name: string, changes: object) => () =>
    Tlv.make(name, { extension: 1, type: 1, on: [Mining.CloseChannel], spec: "", fields: { a: U16 }, ...changes })

  test.each([
    ["a type that is no byte", declare("A", { type: 256 })],
    ["the core's extension", declare("A", { extension: 0 })],
    ["the channel bit", declare("A", { extension: 0x8001 })],
    ["no message to follow", declare("A", { on: [] })],
    ["a field that is no identifier", declare("A", { fields: { "a-b": U16 } })],
    ["a field without a wire type", declare("A", { fields: { a: Schema.Number } })],
    ["a field behind one that takes all the rest", declare("A", { fields: { a: RestText(5), b: U16 } })],
    [
      "a rest, of a message",
      () => Message.make("A", { type: 1, to: "both", channel: false, spec: "", fields: { a: RestText(5) } })
    ],
    ["another extension's TLV", () => Extension.make({ id: 0x4abd, name: "A", spec: "", tlvs: [Note] })],
    ["two TLVs of one type", () => Extension.make({ id: 0x4abc, name: "A", spec: "", tlvs: [Note, Note] })],
    ["a number that is none", () => Extension.make({ id: 0x8001, name: "A", spec: "" })]
  ])("with %s is refused when it is made", (_, make) => {
    expect(make).toThrow(/is wrong|needs a wire type/)
  })
})
