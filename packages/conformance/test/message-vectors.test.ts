/** Every message of the specification against `vectors/messages.json` and `vectors/invalid-messages.json`. */
import {
  Common,
  DecodeError,
  type Direction,
  ExtensionsNegotiation,
  Frame,
  JobDeclaration,
  Mining,
  Protocol,
  TemplateDistribution
} from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import invalidVectors from "../vectors/invalid-messages.json" with { type: "json" }
import vectors from "../vectors/messages.json" with { type: "json" }
import { compactHex, expand, expandHex, type Json } from "@sluice/testing/compact-json"
import { makeInvalidMessages, makeMessages } from "./make-messages.ts"

type AnyDirection = Direction<{ readonly _tag: string }>

const negotiation = Protocol.make({ id: 0, name: "", messages: ExtensionsNegotiation.messages })
const protocols = {
  mining: Protocol.extend(Mining.protocol, Common.setupMessages),
  "job-declaration": Protocol.extend(JobDeclaration.protocol, Common.setupMessages),
  "template-distribution": Protocol.extend(TemplateDistribution.protocol, Common.setupMessages),
  "extensions-negotiation": negotiation
} as const

const directionOf = (protocol: string, to: string): AnyDirection => {
  const { toClient, toServer } = protocols[protocol as keyof typeof protocols]
  return (to === "client" ? toClient : toServer) as unknown as AnyDirection
}

test("the files equal the output of the field-by-field encoder for all declared messages", () => {
  expect(makeMessages()).toEqual(vectors)
  expect(makeInvalidMessages()).toEqual(invalidVectors)
})

const all = vectors.flatMap(({ messages, protocol }) => messages.map((message) => ({ protocol, ...message })))

describe.each(all)("$name ($protocol)", ({ protocol, ...message }) => {
  const direction = directionOf(protocol, message.to)

  test.each(["smallest", "typical", "largest"] as const)("%s: bytes to value, JSON and back", (size) => {
    const { frame, json } = message[size]
    const bytes = expandHex(frame)
    const read = Frame.read(bytes)!
    expect(read).toMatchObject({ extensionType: message.extensionType, messageType: message.messageType })
    const decoded = direction.decode(read)!
    // Compared as text and as bytes: a matcher takes minutes over 16 MB.
    const text = JSON.stringify(Schema.encodeSync(direction.json)(decoded))
    expect(text === JSON.stringify(expand(json as Json))).toBe(true)
    expect(Buffer.compare(direction.encode(decoded), bytes)).toBe(0)
    const fromJson = Schema.decodeUnknownSync(direction.json)(expand(json as Json))
    expect(Buffer.compare(direction.encode(fromJson), bytes)).toBe(0)
    expect(direction.encodedSize(decoded)).toBe(bytes.length)
  })
})

const allInvalid = invalidVectors.flatMap(({ messages, protocol }) =>
  messages.map((message) => ({ protocol, ...message }))
)

test.each(allInvalid)("$name ($protocol): what is wrong is said, with its field and place", (message) => {
  const direction = directionOf(message.protocol, message.to)
  for (const { error, field, frame, offset, title } of message.invalid) {
    const thrown = caught(() => direction.decode(Frame.read(expandHex(frame))!))
    expect(thrown, title).toBeInstanceOf(DecodeError)
    expect(thrown, title).toMatchObject({ messageName: message.name, field, offset })
    const isTooLong = /a length of/.test((thrown as DecodeError).actual)
    expect(isTooLong, title).toBe(error === "too-long")
  }
  for (const { frame, json, title } of message.unusual) {
    const decoded = direction.decode(Frame.read(expandHex(frame))!)!
    expect(JSON.stringify(Schema.encodeSync(direction.json)(decoded)), title).toBe(JSON.stringify(expand(json as Json)))
  }
})

const caught = (action: () => unknown): unknown => {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

test("the compact form of bytes is read back unchanged", () => {
  for (const digits of [
    "",
    "00",
    "ab".repeat(300),
    `ab${"bb".repeat(99)}`,
    `0102${"03".repeat(90)}04${"05".repeat(70)}`
  ]) {
    expect(Buffer.from(expandHex(compactHex(digits))).toString("hex")).toBe(digits)
  }
})
