/** The generated codecs (packages/core/src/messages) are those of the declarations, and read and write the same bytes. */
import { Arbitrary, Effect } from "effect"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import type { Message, WireType } from "@sluice/protocol"
import * as common from "../../packages/core/src/messages/common.ts"
import * as extensionsNegotiation from "../../packages/core/src/messages/extensions-negotiation.ts"
import * as jobDeclaration from "../../packages/core/src/messages/job-declaration.ts"
import * as mining from "../../packages/core/src/messages/mining.ts"
import * as templateDistribution from "../../packages/core/src/messages/template-distribution.ts"
import { DECODE_LIMIT, DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM } from "../../packages/core/src/messages/wire.ts"
import { codecChapters, messageCodecFiles, words } from "../../scripts/message-codecs.ts"
import { Random } from "./random.ts"

/** What every generated class is, its fields being 32-bit words. */
interface MessageCodec {
  [word: string]: unknown
  decode(b: Uint8Array, from: number, end: number): number
  encode(source: Uint8Array, b: Uint8Array, from: number, end: number): number
}

const modules: Readonly<Record<string, object>> = {
  common,
  mining,
  "job-declaration": jobDeclaration,
  "template-distribution": templateDistribution,
  "extensions-negotiation": extensionsNegotiation
}

const all = codecChapters.flatMap(({ file, messages }) =>
  messages.map((message) => {
    const found = modules[file] as Readonly<Record<string, new () => MessageCodec>>
    return { title: `${message.name} (${file})`, message, Codec: found[message.name.replaceAll(".", "")]! }
  })
)

it.each(messageCodecFiles().map(({ path, text }) => ({ path, text, name: path.split("/").slice(-2).join("/") })))(
  "$name is up to date; `npm run message-codecs` writes it",
  ({ path, text }) => {
    expect(readFileSync(path, "utf8")).toBe(text)
  }
)

describe.each(all)("$title", ({ Codec, message }) => {
  const values = Effect.runSync(Arbitrary.sampleEffect(message.arbitrary, { count: 30, seed: 1 }))
  const payloads = values.map((value) => message.codec.encode(value).slice(6))
  const codec = new Codec()

  it("finds the fields of encoded messages, wherever they stand", () => {
    values.forEach((value, i) => {
      const payload = payloads[i]!
      const buffer = new Uint8Array(payload.length + 20).fill(0xee)
      buffer.set(payload, 7)
      expect(codec.decode(buffer, 7, buffer.length)).toBe(7 + payload.length)
      for (const { name, type } of message.layout) {
        expect(readField(codec, buffer, name, type)).toEqual(wireForm((value as Record<string, unknown>)[name], type))
      }
    })
  })

  it("writes the bytes that it has read, and none around them", () => {
    for (const payload of payloads) {
      codec.decode(payload, 0, payload.length)
      const out = new Uint8Array(payload.length + 20).fill(0xee)
      expect(codec.encode(payload, out, 7, out.length - 13)).toBe(7 + payload.length)
      expect(Buffer.compare(out.subarray(7, 7 + payload.length), payload)).toBe(0)
      expect(out.subarray(0, 7).every((byte) => byte === 0xee)).toBe(true)
      expect(out.subarray(7 + payload.length).every((byte) => byte === 0xee)).toBe(true)
    }
  })

  it("refuses what is cut off, and an output without room", () => {
    for (const payload of payloads) {
      codec.decode(payload, 0, payload.length)
      for (const length of cuts(payload.length)) {
        expect(codec.encode(payload, new Uint8Array(length), 0, length)).toBe(ENCODE_ROOM)
      }
      for (const length of cuts(payload.length)) expect(codec.decode(payload, 0, length)).toBe(DECODE_SHORT)
    }
  })

  it("accepts and refuses random bytes as the declaration's codec does", () => {
    const random = new Random(message.type)
    for (let i = 0; i < 50; i++) {
      const payload = payloads[i % payloads.length]!.slice()
      if (payload.length > 0) payload[random.below(Math.min(payload.length, 80))] = random.below(256)
      const read = codec.decode(payload, 0, payload.length)
      expect(read >= 0 || read === DECODE_SHORT || read === DECODE_LIMIT).toBe(true)
      expect(read >= 0).toBe(accepts(message, payload))
    }
  })

  it("refuses to write lengths and counts that no message has", () => {
    const payload = payloads[0]!
    for (const { name, type } of message.layout.filter(({ type }) => "prefix" in type)) {
      const [word] = words(name, type).filter((word) => /^has|Count$|Length$/.test(word))
      for (const count of [-1, "max" in type ? type.max + 1 : 0]) {
        codec.decode(payload, 0, payload.length)
        codec[word!] = count
        expect(codec.encode(payload, new Uint8Array(payload.length), 0, payload.length)).toBe(ENCODE_LIMIT)
      }
    }
  })
})

const accepts = (message: Message, payload: Uint8Array): boolean => {
  try {
    message.codec.decode(payload)
    return true
  } catch {
    return false
  }
}

/** Some lengths that are too short, the first and the last among them. */
const cuts = (length: number): ReadonlyArray<number> =>
  length === 0 ? [] : [...new Set([0, Math.floor(length / 3), Math.floor(length / 2), length - 1])]

/** A field as numbers and bytes, as its words give it. */
const readField = (codec: MessageCodec, b: Uint8Array, name: string, type: WireType): unknown => {
  const word = (suffix: string) => codec[`${name}${suffix}`] as number
  switch (type._tag) {
    case "Unsigned":
    case "Boolean":
      return word("") >>> 0
    case "Unsigned64":
      return [word("Low") >>> 0, word("High") >>> 0]
    case "Float32":
      return word("Bits") >>> 0
    case "Fixed":
      return hex(b.subarray(word("At"), word("At") + type.size))
    case "Bytes":
    case "Text":
      return hex(b.subarray(word("At"), word("At") + word("Length")))
    case "Option": {
      const has = codec[`has${name[0]!.toUpperCase()}${name.slice(1)}`]
      return has === 1 ? [readField(codec, b, name, type.item)] : []
    }
    case "Sequence": {
      const item = type.item
      if (!("size" in item)) return [word("Count"), word("Size")]
      return Array.from({ length: word("Count") }, (_, i) =>
        hex(b.subarray(word("At") + i * item.size, word("At") + (i + 1) * item.size))
      )
    }
  }
}

/** The same of a message's value. */
const wireForm = (value: unknown, type: WireType): unknown => {
  switch (type._tag) {
    case "Unsigned":
      return value
    case "Boolean":
      return value === true ? 1 : 0
    case "Unsigned64":
      return [Number((value as bigint) & 0xffffffffn), Number((value as bigint) >> 32n)]
    case "Float32":
      return new Uint32Array(Float32Array.of(value as number).buffer)[0]
    case "Fixed":
    case "Bytes":
      return hex(value as Uint8Array)
    case "Text":
      return hex(textBytes(value as string))
    case "Option":
      return value === undefined ? [] : [wireForm(value, type.item)]
    case "Sequence": {
      const items = value as ReadonlyArray<unknown>
      const item = type.item
      if ("size" in item) return items.map((one) => hex(itemBytes(one, item.size)))
      const prefix = "prefix" in item ? item.prefix : 0
      return [items.length, items.reduce<number>((sum, one) => sum + prefix + (one as Uint8Array).length, 0)]
    }
  }
}

const itemBytes = (item: unknown, size: number): Uint8Array => {
  if (item instanceof Uint8Array) return item
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, item as number, true)
  return bytes.subarray(0, size)
}

/** UTF-8, and the bytes that were not as the lone surrogates that stand for them (packages/protocol/src/codec/text.ts). */
const textBytes = (text: string): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      [...text].map((character) => {
        const code = character.codePointAt(0)!
        return code >= 0xdc80 && code <= 0xdcff ? Uint8Array.of(code & 0xff) : Buffer.from(character, "utf8")
      })
    )
  )

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
