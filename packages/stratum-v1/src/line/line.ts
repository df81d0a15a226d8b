/** A line of Stratum V1: one JSON object, parsed but not yet looked into. */
export interface Line {
  readonly id?: unknown
  /** There in requests and notifications. */
  readonly method?: unknown
  readonly params?: unknown
  /** There in answers, with `error`. */
  readonly result?: unknown
  readonly error?: unknown
  /** How ckpool says why it refused a share. */
  readonly "reject-reason"?: unknown
}

/** A line to be sent: text with its line feed, or bytes where one line goes to many connections. */
export type EncodedLine = string | Uint8Array

/** The bytes of some lines, for one write. A single line of bytes is given as it is, not copied. */
export const joinLines = (lines: ReadonlyArray<EncodedLine>): Uint8Array => {
  const [first] = lines
  if (lines.length === 1 && first !== undefined && typeof first !== "string") return first
  if (lines.every((line) => typeof line === "string")) return Buffer.from(lines.join(""))
  return Buffer.concat(lines.map((line) => (typeof line === "string" ? Buffer.from(line) : line)))
}
