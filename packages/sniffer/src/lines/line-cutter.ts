/** Cuts bytes into lines, which stay as they were sent: with their line feeds, and also if they are no JSON. */
import { MAX_POOL_LINE } from "@sluice/stratum-v1"

const LINE_FEED = 0x0a
/** A peer that sends single bytes must not make us keep an object for each. */
const MAX_PIECES = 1000

export class LineCutter {
  /** The beginning of a line whose end has not come. */
  #pieces: Array<Uint8Array> = []
  #bytes = 0

  /** Gives the lines that end in these chunks. A line that is longer than any peer reads comes in pieces. */
  push(chunks: Iterable<Uint8Array>): ReadonlyArray<Uint8Array> {
    const lines: Array<Uint8Array> = []
    for (const chunk of chunks) {
      let at = 0
      for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, at)) {
        this.#pieces.push(chunk.subarray(at, end + 1))
        lines.push(...this.rest())
        at = end + 1
      }
      if (at === chunk.length) continue
      this.#pieces.push(chunk.subarray(at))
      this.#bytes += chunk.length - at
      if (this.#bytes > MAX_POOL_LINE) lines.push(...this.rest())
      else if (this.#pieces.length > MAX_PIECES) this.#pieces = [new Uint8Array(Buffer.concat(this.#pieces))]
    }
    return lines
  }

  /** Takes what has come of a line without its end. */
  rest(): ReadonlyArray<Uint8Array> {
    const pieces = this.#pieces
    this.#pieces = []
    this.#bytes = 0
    const [first] = pieces
    if (first === undefined) return []
    return [pieces.length === 1 ? first : new Uint8Array(Buffer.concat(pieces))]
  }
}
