/** Declaring messages: what others can add, and what is refused when it is loaded. */
import {
  DecodeError,
  ExtensionsNegotiation,
  Frame,
  Message,
  Mining,
  Option,
  Protocol,
  Seq0_255,
  Str0_255,
  U16,
  U32,
  U8,
  wireTypeOf
} from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, expectTypeOf, test } from "vitest"

const { RequestExtensions, RequestExtensionsSuccess } = ExtensionsNegotiation

/** A message for a channel, of somebody's own extension. */
const SetFanSpeed = Message.make("SetFanSpeed", {
  type: 0x1b,
  to: "both",
  channel: true,
  extension: 0x4abc,
  spec: "ours",
  fields: { channelId: U32, percent: U8 }
})

describe("a protocol with extensions", () => {
  const extended = Protocol.extend(Mining.protocol, [RequestExtensions, RequestExtensionsSuccess, SetFanSpeed])

  test("knows their messages by extension and type, next to the core's", () => {
    const request = RequestExtensions.make({ requestId: 9, requestedExtensions: [2, 0x4abc] })
    const encoded = extended.toServer.encode(request)
    expect(Buffer.from(encoded).toString("hex")).toBe(["010000080000", "0900", "0200", "0200", "bc4a"].join(""))
    expect(extended.toServer.decode(Frame.read(encoded)!)).toEqual(request)
    expect(extended.toServer.find(0x0001, 0x00)?.name).toBe("RequestExtensions")
    expect(extended.toServer.find(0x0000, 0x10)?.name).toBe("OpenStandardMiningChannel")
    expect(extended.toClient.find(0x0001, 0x00)).toBeUndefined()
    expect(Mining.protocol.toServer.decode(Frame.read(encoded)!)).toBeUndefined()
  })

  test("writes the channel bit of an extension's message and ignores it in the look-up", () => {
    const message = SetFanSpeed.make({ channelId: 5, percent: 80 })
    const encoded = extended.toServer.encode(message)
    expect(Buffer.from(encoded).toString("hex")).toBe(["bcca1b050000", "05000000", "50"].join(""))
    const frame = Frame.read(encoded)!
    expect(Frame.extension(frame)).toBe(0x4abc)
    expect(Frame.isChannelMessage(frame)).toBe(true)
    expect(extended.toClient.decode({ ...frame, extensionType: 0x4abc })).toEqual(message)
  })

  test("has a union type of core and extension messages", () => {
    type ToServer = Exclude<ReturnType<typeof extended.toServer.decode>, undefined>
    expectTypeOf<Extract<ToServer, { _tag: "SetFanSpeed" }>>().toEqualTypeOf<typeof SetFanSpeed.Type>()
    expectTypeOf<Extract<ToServer, { _tag: "SubmitSharesStandard" }>>().toEqualTypeOf<Mining.SubmitSharesStandard>()
    expectTypeOf<Extract<ToServer, { _tag: "RequestExtensions.Success" }>>().toEqualTypeOf<never>()
  })
})

test("a wire type may be refined without losing its layout", () => {
  const Port = U16.check(Schema.isGreaterThan(0), Schema.isLessThan(50_000))
  expect(wireTypeOf(Port)).toBe(wireTypeOf(U16))
  expect(wireTypeOf(Schema.Number)).toBeUndefined()
})

describe("a declaration", () => {
  const declare = (name: string, changes: Partial<Parameters<typeof Message.make>[1]>) => () =>
    Message.make(name, { type: 1, to: "both", channel: false, spec: "", fields: { a: U8 }, ...changes })

  test.each([
    ["a type that is no byte", declare("A", { type: 256 })],
    ["an extension with the channel bit", declare("A", { extension: 0x8001 })],
    ["a channel message without a channel's id", declare("A", { channel: true })],
    ["a field that is no identifier", declare("A", { fields: { "a-b": U8 } })],
    ["a field with code in its name", declare("A", { fields: { "a;process.exit()": U8 } })],
    ["a name with code in it", declare("A`+x+`", {})],
    ["a field without a wire type", declare("A", { fields: { a: Schema.Number } })],
    ["an option of an option", () => Option(Option(U8))],
    ["a list of lists", () => Seq0_255(Seq0_255(U8))],
    [
      "two messages of one number",
      () => Protocol.make({ id: 0, name: "", messages: [declare("A", {})(), declare("B", {})()] })
    ],
    [
      "two messages of one name",
      () => Protocol.make({ id: 0, name: "", messages: [declare("A", {})(), declare("A", { type: 2 })()] })
    ]
  ])("with %s is refused when it is made", (_, make) => {
    expect(make).toThrow(/A|OPTION|SEQ/)
  })

  test("may name its fields as JavaScript names its own variables", () => {
    const names = [
      "b",
      "e",
      "p",
      "m",
      "o",
      "s",
      "i",
      "n0",
      "v0",
      "last",
      "size",
      "view",
      "scratch",
      "readText",
      "class",
      "await"
    ]
    const fields = Object.fromEntries(
      names.flatMap((name) => [
        [name, Str0_255],
        [`${name}2`, Seq0_255(U16)]
      ])
    )
    const Odd = Message.make("Odd", { type: 1, to: "both", channel: false, spec: "", fields })
    const value = Odd.make(
      Object.fromEntries(Object.keys(fields).map((name) => [name, name.endsWith("2") ? [1, 2] : name]))
    )
    expect(Odd.codec.decode(Odd.codec.encode(value).subarray(6))).toEqual(value)
  })

  test("may have no fields at all", () => {
    const Empty = Message.make("Empty", { type: 1, to: "both", channel: false, spec: "", fields: {} })
    expect(Odd(Empty)).toEqual({ _tag: "Empty" })
    function Odd(message: typeof Empty) {
      return message.codec.decode(message.codec.encode(message.make({})).subarray(6))
    }
  })
})

test("the error of a decoder is an error of its message alone", () => {
  expect(() => SetFanSpeed.codec.decode(new Uint8Array(4))).toThrow(DecodeError)
})
