import { describe, expect, test } from "vitest"
import { escaped, isPrintable, printable } from "../src/index.ts"

/** A character of each kind that cannot be seen, with its name. */
const unseen: ReadonlyArray<readonly [string, string]> = [
  ["a line feed", "\n"],
  ["an escape", "\u001b"],
  ["an 8-bit control sequence", "\u009b"],
  ["a right-to-left override", "\u202e"],
  ["a right-to-left isolate", "\u2067"],
  ["a space without a width", "\u200b"],
  ["a byte order mark", "\ufeff"],
  ["a line separator", "\u2028"],
  ["a paragraph separator", "\u2029"],
  ["a byte that is not UTF-8", "\udcff"],
  ["a tag", "\u{e0041}"]
]

describe("a peer's text", () => {
  test.each(unseen)("with %s is replaced in names, and written out as JSON does in lines", (_, character) => {
    const text = `a${character}b`
    expect(isPrintable(text)).toBe(false)
    expect(printable(text)).toBe("a\ufffdb")
    expect(escaped(text)).toMatch(/^a(\\u[0-9a-f]{4}){1,2}b$/)
    expect(JSON.parse(`"${escaped(text)}"`)).toBe(text)
    expect(JSON.parse(escaped(JSON.stringify({ text })))).toEqual({ text })
  })

  test("that can be seen stays as it is", () => {
    for (const text of ["alice.rig 1", "é 🐙 水", "bc1q…", "❤️", ""]) {
      expect([printable(text), escaped(text), isPrintable(text)]).toEqual([text, text, true])
    }
  })
})
