import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { joinLines, type Line, LineError, LineReader } from "../src/index.ts"

const readIn = (pieces: ReadonlyArray<Uint8Array>, maxBytes?: number) => {
  const reader = new LineReader(maxBytes)
  const lines: Array<Line> = []
  for (const piece of pieces) {
    // The transport may use the bytes of a read again.
    const bytes = Buffer.from(piece)
    reader.push(bytes, lines)
    bytes.fill(0xa5)
  }
  return { lines, failure: reader.failure, pending: reader.pendingBytes }
}
const readText = (text: string, maxBytes?: number) => readIn([Buffer.from(text)], maxBytes)

describe("the reader of lines", () => {
  it("gives all lines of a read, whatever ends them", () => {
    const { lines, failure, pending } = readText('{"id":1}\n{"id":2}\r\n\r\n\n  \n{"id":3}\n{"id"')
    expect(lines).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(failure).toBeUndefined()
    expect(pending).toBe(5)
  })

  it("gives the same lines however the bytes are cut", () => {
    const texts = [
      '{"id":1,"method":"é中😀"}',
      '{"id":2}\0',
      "",
      '{"a":"\\"}{"}x',
      "nonsense",
      "[1]",
      '{"long":"abcdefghijklmnopqrstuvwxyz"}'
    ]
    const stream = fc.array(fc.constantFrom(...texts), { maxLength: 8 }).map((lines) => Buffer.from(lines.join("\n")))
    fc.assert(
      fc.property(stream, fc.array(fc.nat(20)), (bytes, cuts) => {
        const pieces: Array<Uint8Array> = []
        let at = 0
        for (const cut of cuts) pieces.push(bytes.subarray(at, (at += cut)))
        pieces.push(bytes.subarray(at))
        expect(readIn(pieces, 30)).toEqual(readIn([bytes], 30))
      }),
      { numRuns: 500 }
    )
  })

  it("drops what stands behind an object, but reads another object there", () => {
    const { failure, lines } = readText(
      ['{"id":1}\0', '\0{"id":2} x{', '{"a":"\\"}{"}{"b":[{}]}, {"c":1}', '{"id":3}']
        .map((line) => `${line}\n`)
        .join("")
    )
    expect(lines).toEqual([{ id: 1 }, { id: 2 }, { a: '"}{' }, { b: [{}] }, { id: 3 }])
    expect(failure).toBeUndefined()
  })

  it("reads UTF-8 that is split within a character", () => {
    const bytes = Buffer.from('{"id":"é😀"}\n')
    expect(readIn([...bytes].map((byte) => Uint8Array.of(byte))).lines).toEqual([{ id: "é😀" }])
  })

  it("reads an escaped U+FFFD and one that was sent as such", () => {
    expect(readText('{"id":"\ufffd\\ufffd"}\n').lines).toEqual([{ id: "\ufffd\ufffd" }])
  })

  it("refuses a line that is no UTF-8, after the lines before it", () => {
    for (const bad of [[0xff], [0xc3, 0x28], [0xe2, 0x82]]) {
      const bytes = Buffer.concat([Buffer.from('{"id":1}\n{"id":"'), Buffer.from(bad), Buffer.from('"}\n{"id":3}\n')])
      const { failure, lines } = readIn([bytes])
      expect(lines).toEqual([{ id: 1 }])
      expect(failure).toBeInstanceOf(LineError)
      expect(failure).toMatchObject({ reason: "not-utf8" })
    }
  })

  it.each(["GET / HTTP/1.1", '{"id":1', '{"id":}', "\u0016\u0003\u0001", "}", '{"a":"'])(
    "refuses %j as no JSON",
    (line) => {
      const { failure, lines } = readText(`${line}\n{"id":2}\n`)
      expect(lines).toEqual([])
      expect(failure).toMatchObject({ reason: "not-json" })
      expect(failure!.message).toContain(JSON.stringify(line))
    }
  )

  it.each(["[1]", '"x"', "7", "null"])("refuses %s as no object", (line) => {
    expect(readText(`${line}\n`).failure).toMatchObject({ reason: "not-an-object" })
  })

  it("reads nothing more after a failure", () => {
    const reader = new LineReader()
    const lines: Array<Line> = []
    reader.push(Buffer.from("x\n"), lines)
    const { failure } = reader
    reader.push(Buffer.from('{"id":1}\n'), lines)
    expect(lines).toEqual([])
    expect(reader.failure).toBe(failure)
  })

  it.each([0, 1])("takes a line of the limit and refuses one of a byte more, %s bytes of which come first", (first) => {
    const line = '{"id":"0123456789"}'
    for (const [extra, ok] of [
      ["", true],
      [" ", false]
    ] as const) {
      const bytes = Buffer.from(`${line}${extra}\n`)
      const { failure, lines } = readIn([bytes.subarray(0, first), bytes.subarray(first)], line.length)
      expect(lines).toHaveLength(ok ? 1 : 0)
      expect(failure?.reason).toBe(ok ? undefined : "too-long")
    }
  })

  it("refuses an endless line when it has read the limit, and keeps none of it", () => {
    const reader = new LineReader(1000)
    const lines: Array<Line> = []
    for (let i = 0; i < 100 && reader.failure === undefined; i++) {
      reader.push(Buffer.alloc(64, 0x61), lines)
      expect(reader.pendingBytes).toBeLessThanOrEqual(1000)
    }
    expect(reader.failure).toMatchObject({ reason: "too-long" })
    expect(reader.pendingBytes).toBe(0)
  })

  it("bears nesting as deep as a line is long", () => {
    const deep = `{"params":${"[".repeat(8000)}${"]".repeat(8000)}}`
    expect(readText(`${deep}\n`).lines).toHaveLength(1)
    expect(readText(`{"params":${"[".repeat(16_000)}\n`).failure).toMatchObject({ reason: "not-json" })
    expect(readText(`${'{"a":'.repeat(3000)}\n`).failure).toMatchObject({ reason: "not-json" })
    expect(readText(`${deep}x\n`).lines).toHaveLength(1)
  })

  it("takes a key that is __proto__ for a key", () => {
    const [line] = readText('{"__proto__":{"id":1}}\n').lines
    expect(line!.id).toBeUndefined()
    expect(Object.getPrototypeOf(line)).toBe(Object.prototype)
  })
})

it("a line that goes to many is not copied where it is alone, and lines are joined as text and bytes", () => {
  const shared = Buffer.from("shared\n")
  expect(joinLines([shared])).toBe(shared)
  expect(Buffer.from(joinLines(["é\n", shared, "b\n"])).toString()).toBe("é\nshared\nb\n")
  expect(Buffer.from(joinLines(["a\n", "b\n"])).toString()).toBe("a\nb\n")
  expect(joinLines([])).toHaveLength(0)
})
