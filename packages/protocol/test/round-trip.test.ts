/** Whatever the Schemas can hold comes back from bytes and from JSON as it was. */
import { it } from "@effect/vitest"
import { Frame, type Message } from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect } from "vitest"
import { everyMessage } from "./directions.ts"

const runs = { arbitrary: { runs: 50 } }

describe.each(everyMessage)("$title", ({ direction, message }) => {
  it.prop(
    "is the same after encoding and decoding",
    { value: message.arbitrary },
    ({ value }) => {
      const encoded = direction.encode(value)
      const frame = Frame.read(encoded)!
      expect(frame.payload.length).toBe(encoded.length - Frame.headerSize)
      expect(direction.encodedSize(value)).toBe(encoded.length)
      expect(direction.decode(frame)).toEqual(value)
      expect(direction.decode(frame, { copy: true })).toEqual(value)
      expect(Schema.is(direction.schema)(direction.decode(frame))).toBe(true)
    },
    runs
  )

  it.prop(
    "is the same after JSON and back",
    { value: message.arbitrary },
    ({ value }) => {
      const json = JSON.stringify(Schema.encodeSync(direction.json)(value))
      expect(Schema.decodeUnknownSync(direction.json)(JSON.parse(json))).toEqual(value)
    },
    runs
  )

  it.prop(
    "is written into a caller's buffer as into its own, and nothing around it is touched",
    { value: message.arbitrary },
    ({ value }) => {
      const encoded = direction.encode(value)
      const out = new Uint8Array(encoded.length + 20).fill(0xee)
      expect(direction.encodeInto(value, out, 7)).toBe(encoded.length)
      expect(out.subarray(7, 7 + encoded.length)).toEqual(encoded)
      expect(out.subarray(0, 7).every((byte) => byte === 0xee)).toBe(true)
      expect(out.subarray(7 + encoded.length).every((byte) => byte === 0xee)).toBe(true)
    },
    runs
  )

  it.prop(
    "has its fields in the order of the declaration, whether decoded or made",
    { value: message.arbitrary },
    ({ value }) => {
      const names = ["_tag", ...Object.keys(message.fields)]
      const decoded = direction.decode(Frame.read(direction.encode(value))!)!
      expect(Object.keys(decoded)).toEqual(names)
      expect(Object.keys(message.make(value))).toEqual(names)
    },
    { arbitrary: { runs: 10 } }
  )
})

describe.each(everyMessage.filter(({ message }) => hasBytes(message)))(
  "byte fields of $title",
  ({ direction, message }) => {
    it.prop(
      "are views on the payload, or copies when asked for",
      { value: message.arbitrary },
      ({ value }) => {
        const frame = Frame.read(direction.encode(value))!
        const views = direction.decode(frame)
        const copies = direction.decode(frame, { copy: true })
        for (const bytes of bytesIn(views)) expect(bytes.buffer).toBe(frame.payload.buffer)
        for (const bytes of bytesIn(copies)) expect(bytes.buffer).not.toBe(frame.payload.buffer)
        frame.payload.fill(0)
        expect(copies).toEqual(value)
      },
      { arbitrary: { runs: 20 } }
    )
  }
)

function hasBytes(message: Message): boolean {
  return message.layout.some(({ type }) => {
    const { _tag } = "item" in type ? type.item : type
    return _tag === "Bytes" || _tag === "Fixed"
  })
}

const bytesIn = (message: unknown): ReadonlyArray<Uint8Array> =>
  Object.values(message as object)
    .flat()
    .filter((value) => value instanceof Uint8Array)
