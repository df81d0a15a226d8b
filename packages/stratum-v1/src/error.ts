/** What can go wrong with what a peer sends. */
import { Schema } from "effect"

/** Bytes that are no line of Stratum V1. They end the connection: the peer speaks something else. */
export class LineError extends Schema.TaggedError<LineError>("sluice/stratum-v1/LineError")("LineError", {
  reason: Schema.Literals(["too-long", "not-utf8", "not-json", "not-an-object", "no-message"]),
  expected: Schema.String,
  /** The beginning of the line, or its length. */
  actual: Schema.String
}) {
  override get message(): string {
    return `expected ${this.expected}; got ${this.actual}`
  }
}

/** The parameters or the result of a method are not what its declaration says. */
export class ParamsError extends Schema.TaggedError<ParamsError>("sluice/stratum-v1/ParamsError")("ParamsError", {
  method: Schema.String,
  field: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.method}: ${this.field}: expected ${this.expected}; got ${this.actual}`
  }
}

/**
 * A `ParamsError` without its stack: a peer can make thousands of them with one read, nobody reads the stack, and it costs
 * more than all the rest of the line.
 */
export const paramsError = (fields: Omit<ConstructorParameters<typeof ParamsError>[0], "_tag">): ParamsError => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new ParamsError(fields)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The pool refused a request without which nothing can be mined. */
export class RefusedError extends Schema.TaggedError<RefusedError>("sluice/stratum-v1/RefusedError")("RefusedError", {
  method: Schema.String,
  code: Schema.Int,
  text: Schema.String
}) {
  override get message(): string {
    return `the pool refused ${this.method}: ${this.text} (code ${this.code})`
  }
}

/** The peer sent nothing for too long. */
export class SilenceError extends Schema.TaggedError<SilenceError>("sluice/stratum-v1/SilenceError")("SilenceError", {
  /** What was waited for: a method, or "any line". */
  awaited: Schema.String,
  waitedMs: Schema.Number
}) {
  override get message(): string {
    return `the peer sent nothing for ${Math.round(this.waitedMs / 1000)} s; expected ${this.awaited}`
  }
}

/** The peer has more requests waiting than the limit allows. */
export class FloodError extends Schema.TaggedError<FloodError>("sluice/stratum-v1/FloodError")("FloodError", {
  limit: Schema.Int
}) {
  override get message(): string {
    return `expected at most ${this.limit} requests that wait for an answer; got one more`
  }
}

/** Names a value of a peer's JSON in an error. Never walks into it: it may be nested thousands of levels deep. */
export const describeValue = (value: unknown): string => {
  if (typeof value === "string") return excerpt(value)
  if (value === undefined) return "nothing"
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === "object" && value !== null ? "an object" : String(value)
}

/** The beginning of a peer's text, quoted and without control characters. */
export const excerpt = (text: string): string =>
  text.length > 64 ? `${JSON.stringify(text.slice(0, 64))}...` : JSON.stringify(text)
