/** Whatever bytes come, decoding gives a message, `undefined` or a `DecodeError`, and looks at nothing but the payload. */
import { it } from "@effect/vitest"
import { DecodeError, Frame, Mining, TemplateDistribution } from "@sluice/protocol"
import { Schema } from "effect"
import { isDeepStrictEqual } from "node:util"
import { describe, expect, test } from "vitest"
import { type AnyDirection, everyMessage } from "./directions.ts"

type Outcome = { readonly message: unknown } | { readonly error: DecodeError }

const attempt = (direction: AnyDirection, frame: Frame): Outcome => {
  try {
    return { message: direction.decode(frame) }
  } catch (error) {
    if (error instanceof DecodeError) return { error }
    throw error
  }
}

/** Decodes the payload between neighbours of two kinds: if the outcome depends on them, something outside was read. */
const attemptAmong = (direction: AnyDirection, frame: Frame): Outcome => {
  const [first, second] = [0x00, 0xff].map((neighbour) => {
    const chunk = new Uint8Array(frame.payload.length + 64).fill(neighbour)
    chunk.set(frame.payload, 32)
    const payload = chunk.subarray(32, 32 + frame.payload.length)
    const outcome = attempt(direction, { ...frame, payload })
    if ("message" in outcome) {
      for (const value of Object.values(outcome.message ?? {}).flat()) {
        if (!(value instanceof Uint8Array)) continue
        const start = value.byteOffset - payload.byteOffset
        if (start < 0 || start + value.length > payload.length) throw new Error("a field lies outside of the payload")
      }
    }
    return outcome
  })
  if (!isDeepStrictEqual(first, second)) throw new Error("the outcome depends on bytes outside of the payload")
  return first!
}

const Bytes = Schema.Uint8Array.check(Schema.isMaxLength(400))
const Position = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xff }))

describe.each(everyMessage)("$title", ({ direction, message }) => {
  const frameOf = (payload: Uint8Array): Frame => ({
    extensionType: message.extension,
    messageType: message.type,
    payload
  })

  it.prop(
    "is read from arbitrary bytes or refused",
    { payload: Bytes },
    ({ payload }) => {
      attemptAmong(direction, frameOf(payload))
    },
    { arbitrary: { runs: 100, size: 200 } }
  )

  it.prop(
    "is refused when it is cut off anywhere, with the field that is missing",
    { value: message.arbitrary },
    ({ value }) => {
      const { payload } = Frame.read(direction.encode(value))!
      for (let length = 0; length < payload.length; length++) {
        const outcome = attemptAmong(direction, frameOf(payload.subarray(0, length)))
        if (!("error" in outcome)) throw new Error(`accepted ${length} of ${payload.length} bytes`)
        const { error } = outcome
        const isRight = error.messageName === message.name && error.field in message.fields && error.offset <= length
        if (!isRight || !error.message.includes(error.expected)) throw error
      }
    },
    { arbitrary: { runs: 5, size: 10 } }
  )

  it.prop(
    "is read or refused after any byte has changed",
    { value: message.arbitrary, changes: Schema.Array(Schema.Tuple([Position, Byte])).check(Schema.isMaxLength(4)) },
    ({ changes, value }) => {
      const payload = Frame.read(direction.encode(value))!.payload.slice()
      for (const [position, byte] of changes) if (payload.length > 0) payload[position % payload.length] = byte
      attemptAmong(direction, frameOf(payload))
    },
    { arbitrary: { runs: 50 } }
  )

  it.prop(
    "is read whatever follows it, and the tail begins where it ends",
    { value: message.arbitrary, tail: Bytes },
    ({ tail, value }) => {
      const encoded = direction.encode(value)
      const longer = Frame.read(direction.encode(value, tail))!
      expect(direction.decodeWithTail(longer)).toEqual({ message: value, tailAt: encoded.length - Frame.headerSize })
      expect(longer.payload.subarray(encoded.length - Frame.headerSize)).toEqual(tail)
    },
    { arbitrary: { runs: 20 } }
  )
})

describe("frames without a declared message", () => {
  test.each([
    ["an unused type", 0x8000, 0x1e],
    ["a type of another protocol", 0, 0x71],
    ["a known type of an unknown extension", 0x0002, 0x1b],
    ["a known type of an unknown extension, for a channel", 0x8002, 0x1b],
    ["a message of the other direction", 0x8000, 0x1f]
  ])("%s gives undefined, whatever its payload", (_, extensionType, messageType) => {
    const payload = new Uint8Array(3)
    expect(Mining.protocol.toServer.decode({ extensionType, messageType, payload })).toBeUndefined()
    expect(Mining.protocol.toServer.decodeWithTail({ extensionType, messageType, payload })).toBeUndefined()
  })
})

test("a list that claims more items than the payload holds is refused before memory is allocated", () => {
  const payload = new Uint8Array(8 + 2 + 2)
  payload.set([0xff, 0xff], 10)
  const outcome = attempt(TemplateDistribution.protocol.toClient as unknown as AnyDirection, {
    extensionType: 0,
    messageType: 0x74,
    payload
  })
  expect(outcome).toMatchObject({ error: { field: "transactionList", offset: 10 } })
})

test("an error says message, field, offset, what was expected and what came", () => {
  const payload = new Uint8Array(26)
  payload[24] = 33
  const outcome = attempt(Mining.protocol.toServer as unknown as AnyDirection, {
    extensionType: 0x8000,
    messageType: 0x1b,
    payload
  })
  expect(outcome).toMatchObject({
    error: {
      _tag: "DecodeError",
      messageName: "SubmitSharesExtended",
      field: "extranonce",
      offset: 24,
      expected: "B0_32, a Uint8Array of at most 32 bytes",
      actual: "a length of 33"
    }
  })
})
