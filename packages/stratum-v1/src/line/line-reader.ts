/**
 * Reads lines of JSON from a stream of bytes.
 *
 * The whole lines of a read are decoded to one string and each is parsed once; only a line that is split over reads is
 * copied. JSON.parse does not recurse, so the bound on a line's length bounds its nesting too.
 */
import { isUtf8 } from "node:buffer"
import { excerpt, LineError } from "../error.ts"
import { endOfValue } from "./end-of-value.ts"
import type { Line } from "./line.ts"

/** Miners send lines of a few hundred bytes; Braiins' limit is the same. */
export const MAX_MINER_LINE = 16_384
/** A notify with the largest coinbase that a V2 job can carry, as hex, and a merkle path. */
export const MAX_POOL_LINE = 294_912

const LINE_FEED = 0x0a
const SMALL_BUFFER = 256

export class LineReader {
  /** Why nothing more is read; the lines before the bad one were given. */
  failure: LineError | undefined
  readonly #maxBytes: number
  /** The beginning of a line whose end has not come: allocated when a read ends within a line, dropped at its end. */
  #partial: Buffer | undefined
  #partialBytes = 0
  /** Whether the peer has put anything behind a line's value: then its lines are searched for the end of the value. */
  #trailing = false

  constructor(maxBytes: number = MAX_MINER_LINE) {
    this.#maxBytes = maxBytes
  }

  /** How many bytes wait for the end of their line. */
  get pendingBytes(): number {
    return this.#partialBytes
  }

  /** Takes the bytes of one read, which may be overwritten afterwards, and appends the lines that end in it to `out`. */
  push(chunk: Uint8Array, out: Array<Line>): void {
    if (this.failure !== undefined) return
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    if (this.#partial !== undefined) {
      const end = bytes.indexOf(LINE_FEED)
      this.#keep(bytes, 0, end < 0 ? bytes.length : end)
      if (end < 0 || this.failure !== undefined) return
      const line = this.#partial.subarray(0, this.#partialBytes)
      this.#drop()
      this.#readBytes(line, out)
      if (this.failure !== undefined) return
      at = end + 1
    }
    const end = bytes.at(-1) === LINE_FEED ? bytes.length : bytes.lastIndexOf(LINE_FEED) + 1
    if (end > at) {
      const text = bytes.toString("utf8", at, end)
      // Where there are as many characters as bytes, none replaced, the text is ASCII.
      if (text.length === end - at && !text.includes("\ufffd")) this.#readAscii(text, out)
      else this.#readEach(bytes.subarray(at, end), out)
      at = end
    }
    if (at < bytes.length && this.failure === undefined) this.#keep(bytes, at, bytes.length)
  }

  #readAscii(text: string, out: Array<Line>): void {
    let start = 0
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      if (end - start > this.#maxBytes) return this.#tooLong()
      this.#read(start === 0 && end + 1 === text.length ? text : text.slice(start, end), out)
      if (this.failure !== undefined) return
      start = end + 1
    }
  }

  #readEach(lines: Buffer, out: Array<Line>): void {
    let start = 0
    for (let end = lines.indexOf(LINE_FEED); end >= 0; end = lines.indexOf(LINE_FEED, start)) {
      if (end - start > this.#maxBytes) return this.#tooLong()
      this.#readBytes(lines.subarray(start, end), out)
      if (this.failure !== undefined) return
      start = end + 1
    }
  }

  #readBytes(line: Buffer, out: Array<Line>): void {
    if (isUtf8(line)) return this.#read(line.toString(), out)
    this.#fail("not-utf8", "a line of UTF-8", excerpt(line.toString("latin1")))
  }

  /** Blank lines are skipped. Behind a value, another object is read too, and anything else is dropped as ckpool does. */
  #read(text: string, out: Array<Line>): void {
    if (!this.#trailing && text.charCodeAt(0) === 0x7b) {
      try {
        out.push(JSON.parse(text) as Line)
        return
      } catch {
        this.#trailing = true
      }
    }
    let rest = text.replace(leadingBlank, "").trimEnd()
    if (rest === "") return
    do {
      const end = rest.startsWith("{") ? endOfValue(rest) : 0
      try {
        const value: unknown = JSON.parse(end > 0 ? rest.slice(0, end) : rest)
        if (end === 0) return this.#fail("not-an-object", "a JSON object", excerpt(rest))
        out.push(value as Line)
      } catch {
        return this.#fail("not-json", "a JSON object and a line feed", excerpt(rest))
      }
      rest = rest.slice(end).replace(leadingBlank, "")
    } while (rest.startsWith("{"))
  }

  /** Copies part of a line that has not ended, into a buffer that grows by doubling. */
  #keep(bytes: Buffer, from: number, to: number): void {
    const length = this.#partialBytes + to - from
    if (length > this.#maxBytes) return this.#tooLong()
    if (this.#partial === undefined || this.#partial.length < length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALL_BUFFER, 2 ** Math.ceil(Math.log2(length + 1))))
      this.#partial?.copy(larger, 0, 0, this.#partialBytes)
      this.#partial = larger
    }
    bytes.copy(this.#partial, this.#partialBytes, from, to)
    this.#partialBytes = length
  }

  #tooLong(): void {
    this.#fail("too-long", `a line of at most ${this.#maxBytes} bytes`, "a longer one")
  }

  #fail(reason: LineError["reason"], expected: string, actual: string): void {
    this.failure = new LineError({ reason, expected, actual })
    this.#drop()
  }

  #drop(): void {
    this.#partial = undefined
    this.#partialBytes = 0
  }
}

/** Firmware in C sends the NUL that ends its strings; it stands at the beginning of the next line then. */
// oxlint-disable-next-line no-control-regex
const leadingBlank = /^[\0\s\ufeff]+/
