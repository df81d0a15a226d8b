/** Strings of the wire: any bytes, through a string, and back. */
import { it } from "@effect/vitest"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { isWireText, readText, textSize, writeText } from "../src/codec/text.ts"

const read = (bytes: Uint8Array): string => readText(bytes, 0, bytes.length)

const write = (text: string): Uint8Array => {
  const out = new Uint8Array(textSize(text))
  if (writeText(text, out, 0) !== out.length) throw new Error("the size is not what is written")
  return out
}

it.prop(
  "any bytes come back from the string they make",
  { bytes: Schema.Uint8Array.check(Schema.isMaxLength(255)) },
  ({ bytes }) => {
    expect(write(read(bytes))).toEqual(bytes)
    expect(isWireText(read(bytes), 255)).toBe(true)
  },
  { arbitrary: { runs: 300, size: 60 } }
)

test("valid UTF-8 is read and written as the platform does, for every character", () => {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  for (let first = 0; first <= 0x10ffff; first += 64) {
    if (first >= 0xd800 && first <= 0xdfff) continue
    const text = String.fromCodePoint(...Array.from({ length: 60 }, (_, i) => first + i))
    const bytes = encoder.encode(text)
    if (Buffer.compare(write(text), bytes) !== 0) throw new Error(`U+${first.toString(16)} is written otherwise`)
    if (read(bytes) !== decoder.decode(bytes)) throw new Error(`U+${first.toString(16)} is read otherwise`)
  }
})

describe("bytes that are not UTF-8", () => {
  const escape = (...bytes: ReadonlyArray<number>): string => String.fromCharCode(...bytes.map((byte) => 0xdc00 + byte))

  test.each([
    ["a lone continuation", [0x80], escape(0x80)],
    ["a sequence cut off", [0xe4, 0xb8], escape(0xe4, 0xb8)],
    ["an overlong form of two bytes", [0xc0, 0x80], escape(0xc0, 0x80)],
    ["an overlong form of three bytes", [0xe0, 0x9f, 0xbf], escape(0xe0, 0x9f, 0xbf)],
    ["an overlong form of four bytes", [0xf0, 0x8f, 0xbf, 0xbf], escape(0xf0, 0x8f, 0xbf, 0xbf)],
    ["a surrogate", [0xed, 0xa0, 0x80], escape(0xed, 0xa0, 0x80)],
    ["a point past the last", [0xf4, 0x90, 0x80, 0x80], escape(0xf4, 0x90, 0x80, 0x80)],
    ["Latin-1 among ASCII", [0x6d, 0xfc, 0x6c, 0x6c], `m${escape(0xfc)}ll`],
    ["a wrong byte before a character", [0xff, 0xc3, 0xa9], `${escape(0xff)}é`]
  ])("%s becomes surrogates and comes back", (_, bytes, text) => {
    expect(read(Uint8Array.from(bytes))).toBe(text)
    expect(write(text)).toEqual(Uint8Array.from(bytes))
    expect(new TextDecoder("utf-8", { fatal: false }).decode(Uint8Array.from(bytes))).toContain("\ufffd")
  })
})

test.each([
  ["a surrogate that stands for no byte", "\ud800"],
  ["a high surrogate at the end", "a\udbff"],
  ["a low surrogate below the bytes", "\udc7f"],
  ["a low surrogate above the bytes", "\udd00"]
])("%s can not be written", (_, text) => {
  expect(textSize(text)).toBe(-1)
  expect(isWireText(text, 255)).toBe(false)
})

test("escaped bytes that together are a character are not wire text", () => {
  expect(isWireText("\udcc3\udca9", 255)).toBe(false)
  expect(read(write("\udcc3\udca9"))).toBe("é")
})
