/** Frames as people read them, and back: nothing is lost on the way. */
import { it } from "@effect/vitest"
import {
  assemble,
  AssembleError,
  describe as describeFrames,
  Extension,
  Frame,
  JobDeclaration,
  Message,
  Mining,
  Protocol,
  Tlv,
  toLine,
  U32,
  U8,
  WorkerIdentity
} from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { everyMessage } from "./directions.ts"
import vectors from "./vectors/messages.json" with { type: "json" }

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))
const join = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
/** Through JSON text, as between two programs. */
const again = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const assembleAll = (all: ReadonlyArray<unknown>): Uint8Array => join(...all.map((one) => assemble(again(one))))

const share = Mining.SubmitSharesExtended.make({
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 0xdeadbeef,
  ntime: 1_785_000_000,
  version: 0x20000000,
  extranonce: Uint8Array.of(0xab, 0xcd)
})
const shareJson = {
  _tag: "SubmitSharesExtended",
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 0xdeadbeef,
  ntime: 1_785_000_000,
  version: 0x20000000,
  extranonce: "abcd"
}
const { toServer } = Mining.protocol
const only = (frame: Uint8Array, options = {}) => {
  const [described, ...others] = describeFrames(frame, options)
  expect(others).toEqual([])
  return described!
}

describe("a frame", () => {
  test("is described with its protocol, direction and fields", () => {
    expect(only(toServer.encode(share))).toEqual({ protocol: "mining", to: "server", message: shareJson })
    expect(toLine(only(toServer.encode(share)))).toBe(
      "SubmitSharesExtended to server channelId=1 sequenceNumber=2 jobId=3 nonce=3735928559 (0xdeadbeef) " +
        "ntime=1785000000 (2026-07-25T17:20:00Z) version=536870912 (0x20000000) extranonce=abcd"
    )
  })

  test("is described with its TLVs, in either byte order", () => {
    const little = toServer.encode(share, bytes("0200010a00 576f726b65725f303031"))
    expect(only(little)).toEqual({
      protocol: "mining",
      to: "server",
      message: shareJson,
      tlvs: [{ _tag: "UserIdentity", userIdentity: "Worker_001" }]
    })
    expect(toLine(only(little))).toMatch(/ extranonce=abcd \+UserIdentity\(userIdentity="Worker_001"\)$/)
    const big = only(toServer.encode(share, bytes("000201000a 576f726b65725f303031")))
    expect(big).toMatchObject({
      tlvs: [{ _tag: "UserIdentity", userIdentity: "Worker_001" }],
      tail: "000201000a576f726b65725f303031",
      warnings: ["its TLVs are big-endian"]
    })
  })

  test.each([
    [
      "bytes behind it",
      "00801b 1e0000 01000000020000000300000004000000050000000600000002abcd ffffff",
      /3 bytes behind it are no TLV/
    ],
    [
      "an unknown TLV",
      "00801b 210000 01000000020000000300000004000000050000000600000002abcd bc4a010100ff",
      /unknown TLV: extension 0x4abc, type 0x01/
    ],
    [
      "a TLV cut off",
      "00801b 200000 01000000020000000300000004000000050000000600000002abcd 0200010500",
      /UserIdentity says that it has 5 bytes, and there are 0/
    ],
    ["a channel bit that is not set", "000018 050000 0100000000", /the channel bit is not set, and should be/],
    ["a channel bit that is set", "008004 030000 000000", /the channel bit is set, and should not be/],
    ["an unknown type", "00801e 040000 01000000", /no message is known of extension 0x0000, type 0x1e, for a channel/],
    ["an unknown extension", "bc4a00 000000", /no message is known of extension 0x4abc, type 0x00$/],
    ["half a message", "008018 040000 01000000", /CloseChannel: reasonCode at offset 4 should be/],
    [
      "a BOOL of many bits",
      "000071 2e0000 0100000000000000 03 00000020 02000000 00 ffffffff 0000000000000000 00000000 0000 00000000 00 0000000000",
      /do not tell all of its bits/
    ],
    ["a header cut off", "0000", /2 bytes at the end are no header/],
    ["a payload cut off", "000018 050000 01", /its payload has 5 bytes, and there are 1$/]
  ])("with %s is told with a warning, and comes back as it was", (_, text, warning) => {
    const frame = bytes(text)
    const described = describeFrames(frame)
    const warnings = described.flatMap(({ warnings = [] }) => warnings)
    expect(
      warnings.some((one) => warning.test(one)),
      warnings.join("\n")
    ).toBe(true)
    expect(toLine(described[0]!)).toContain("! ")
    expect(hex(assembleAll(described))).toBe(hex(frame))
  })

  test("of another protocol or direction than expected gets a warning", () => {
    const frame = toServer.encode(share)
    expect(only(frame, { to: "client" }).warnings).toEqual(["it is a message to the server"])
    expect(only(frame, { protocol: "template-distribution" }).warnings).toEqual([
      "no message of this protocol: extension 0x0000, type 0x1b is SubmitSharesExtended of another"
    ])
    const close = toServer.encode({ _tag: "CloseChannel", channelId: 1, reasonCode: "" })
    expect(only(close).to).toBeUndefined()
    expect(only(close, { to: "client" }).to).toBe("client")
  })

  test("cannot control a terminal through its strings", () => {
    const close = toServer.encode({ _tag: "CloseChannel", channelId: 1, reasonCode: "\u001b[2J\u202e\udc80\n😀" })
    expect(toLine(only(close))).toBe('CloseChannel channelId=1 reasonCode="\\u001b[2J\\u202e\\udc80\\n😀"')
  })

  test("shows the details of a refused job as text, unless they are other bytes", () => {
    const line = (errorDetails: Uint8Array) =>
      toLine(
        only(
          JobDeclaration.protocol.toClient.encode(
            JobDeclaration.DeclareMiningJobError.make({ requestId: 1, errorCode: "invalid-job", errorDetails })
          )
        )
      )
    const text = (details: string) => line(new TextEncoder().encode(details))
    expect(text("the weight is 4000001")).toMatch(/ errorDetails="the weight is 4000001"$/)
    expect(text("\u001b[2J")).toMatch(/ errorDetails=1b5b324a$/)
    expect(line(Uint8Array.of(0xff, 0x41))).toMatch(/ errorDetails=ff41$/)
  })

  test("has quotes around strings that look like hex or a number, and none around bytes and numbers", () => {
    const line = (userIdentity: string) =>
      toLine(
        only(
          toServer.encode({
            _tag: "OpenStandardMiningChannel",
            requestId: 1,
            userIdentity,
            nominalHashRate: NaN,
            maxTarget: new Uint8Array(32)
          })
        )
      )
    for (const text of ["abcd", "123", "", "none"])
      expect(line(text)).toContain(` userIdentity=${JSON.stringify(text)} `)
    expect(line("abcd")).toMatch(/ nominalHashRate=NaN \(.*\) maxTarget=0{64}$/)
    const named = toServer.encode(share, bytes("02000102006162"))
    expect(toLine(only(named))).toMatch(/ extranonce=abcd \+UserIdentity\(userIdentity="ab"\)$/)
  })

  test("with long fields has a short line", () => {
    const line = toLine(only(toServer.encode(share, new Uint8Array(100_000).fill(0xff))))
    expect(line.length).toBeLessThan(1000)
  })
})

describe.each(vectors)("$name of another implementation", (vector) => {
  test("is described, and assembled again", () => {
    const frame = bytes(vector.header + vector.payload)
    expect(only(frame, { protocol: "template-distribution" })).toMatchObject({
      protocol: "template-distribution",
      to: vector.to,
      message: vector.message
    })
    expect(hex(assemble(vector.message, { protocol: "template-distribution" }))).toBe(hex(frame))
  })
})

describe("a user's own extension", () => {
  const SetFanSpeed = Message.make("SetFanSpeed", {
    type: 0x00,
    to: "client",
    channel: true,
    extension: 0x4abc,
    spec: "",
    fields: { channelId: U32, percent: U8 }
  })
  const Heat = Tlv.make("Heat", {
    extension: 0x4abc,
    type: 1,
    on: [Mining.CloseChannel],
    spec: "",
    fields: { heat: U8 }
  })
  const extensions = [Extension.make({ id: 0x4abc, name: "", spec: "", messages: [SetFanSpeed], tlvs: [Heat] })]

  test("is described and assembled like all others", () => {
    const frame = SetFanSpeed.codec.encode(SetFanSpeed.make({ channelId: 1, percent: 80 }))
    const described = only(frame, { extensions })
    expect(described.message).toEqual({ _tag: "SetFanSpeed", channelId: 1, percent: 80 })
    expect(hex(assemble(again(described), { extensions }))).toBe(hex(frame))
    const close = toServer.encode({ _tag: "CloseChannel", channelId: 1, reasonCode: "" }, bytes("bc4a01010050"))
    expect(only(close, { extensions }).tlvs).toEqual([{ _tag: "Heat", heat: 80 }])
    expect(toLine(only(close, { extensions }), { extensions })).toMatch(/ reasonCode="" \+Heat\(heat=80\)$/)
    expect(hex(assemble(again(only(close, { extensions })), { extensions }))).toBe(hex(close))
  })
})

describe("a description that a person writes", () => {
  test("may be a message alone, or a message with TLVs", () => {
    expect(hex(assemble(shareJson))).toBe(hex(toServer.encode(share)))
    const named = WorkerIdentity.UserIdentity.put(share, { userIdentity: "w" })
    const expected = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension]).toServer.encode(named)
    expect(hex(assemble({ message: shareJson, tlvs: [{ _tag: "UserIdentity", userIdentity: "w" }] }))).toBe(
      hex(expected)
    )
    expect(hex(assemble({ message: shareJson, tlvs: [{ extension: 2, type: 1, value: "77" }] }))).toBe(hex(expected))
  })

  test.each([
    ["nothing", {}, /expected message/],
    ["an array", [], /Expected object/i],
    ["a name that is none", { _tag: "Share" }, /there is no message "Share"/],
    ["a name of two protocols", { _tag: "SetNewPrevHash" }, /of mining and of template-distribution: say which/],
    ["a field too few", { _tag: "CloseChannel", channelId: 1 }, /reasonCode/],
    ["a field too many", { _tag: "CloseChannel", channelId: 1, reasonCode: "", more: 1 }, /more/],
    ["a number that does not fit", { _tag: "CloseChannel", channelId: 2 ** 32, reasonCode: "" }, /channelId/],
    ["hex that is none", { bytes: "0g" }, /bytes should be hex/],
    [
      "a TLV that is none",
      { message: shareJson, tlvs: [{ _tag: "Heat" }] },
      /no TLV "Heat" behind SubmitSharesExtended/
    ],
    [
      "a TLV that is too long",
      { message: shareJson, tlvs: [{ _tag: "UserIdentity", userIdentity: "x".repeat(33) }] },
      /32 bytes/
    ],
    ["a key that is none", { message: shareJson, protocl: "mining" }, /protocl/]
  ])("is refused with what is wrong, if it is %s", (_, written, why) => {
    expect(() => assemble(written)).toThrow(AssembleError)
    expect(() => assemble(written)).toThrow(why)
  })
})

describe.each(everyMessage)("$title", ({ direction, message }) => {
  it.prop(
    "is told and made again",
    { value: message.arbitrary },
    ({ value }) => {
      const frame = direction.encode(value)
      const described = only(frame)
      expect(described.message).toEqual(again(Schema.encodeSync(message.json)(value)))
      // There are many NaNs, and JSON has one.
      if (described.payload === undefined) expect(described.warnings).toBeUndefined()
      expect(hex(assemble(again(described)))).toBe(hex(frame))
      expect(toLine(described)).not.toMatch(/\n/)
    },
    { arbitrary: { runs: 10 } }
  )
})

const Bytes = Schema.Uint8Array.check(Schema.isMaxLength(60))
const Type = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x77 }))
const ExtensionType = Schema.Literals([0, 0x8000, 1, 2, 0xcabc])

it.prop(
  "any bytes are told and come back as they were",
  { frames: Schema.Array(Schema.Tuple([ExtensionType, Type, Bytes])).check(Schema.isMaxLength(5)), rest: Bytes },
  ({ frames, rest }) => {
    const parts = frames.map(([extensionType, type, payload]) =>
      join(Uint8Array.of(extensionType, extensionType >> 8, type, payload.length, 0, 0), payload)
    )
    const input = join(...parts, rest)
    const described = describeFrames(input)
    expect(hex(assembleAll(described))).toBe(hex(input))
    for (const one of described) expect(toLine(one)).not.toMatch(/\n/)
  },
  { arbitrary: { runs: 300 } }
)

test("a frame with changed bytes behind the fields is described and assembled without loss", () => {
  const plain = toServer.encode(share)
  for (const tail of ["0200010000", "0002010000", "0200012100", "00", "020001020061620002010000"]) {
    const frame = toServer.encode(share, bytes(tail))
    expect(frame.length).toBe(plain.length + tail.length / 2)
    expect(hex(assembleAll(describeFrames(frame)))).toBe(hex(frame))
    expect(Frame.read(frame)).toBeDefined()
  }
})
