/**
 * Recordings: the events of a sniffer as lines of JSON (NDJSON). The line of a message has its frame in hex, which is
 * complete, and the description of `describeFrame`, as `sluice decode --json` prints it.
 */
import { describeFrame, Frame } from "@sluice/protocol"
import { formatEndpoint } from "@sluice/transport"
import { Effect, Result, Schema, Stream } from "effect"
import * as Hex from "effect/encoding/Hex"
import { isUtf8 } from "node:buffer"
import type { LineEvent, SnifferEvent } from "./event.ts"

const common = { connectionId: Schema.Int, at: Schema.Finite }
const Side = Schema.Literals(["server", "client"])
const Fate = Schema.Literals(["passed", "dropped", "replaced", "added"])

/** The part of a line that `readScripts` uses. The line of a message also has its description, for people. */
export const Recorded = Schema.Union([
  Schema.Struct({
    event: Schema.Literal("Opened"),
    ...common,
    client: Schema.optionalKey(Schema.String),
    server: Schema.String
  }),
  Schema.Struct({
    event: Schema.Literal("Message"),
    ...common,
    to: Side,
    fate: Fate,
    /** Header and payload, not encrypted, in hex. */
    frame: Schema.String
  }),
  Schema.Struct({
    event: Schema.Literal("Line"),
    ...common,
    to: Side,
    fate: Fate,
    /** A line of Stratum V1 with its line feed; in hex if it is not UTF-8. */
    line: Schema.optionalKey(Schema.String),
    bytes: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    event: Schema.Literal("Closed"),
    ...common,
    by: Schema.Literals(["server", "client", "here"]),
    reason: Schema.String
  })
])
export type Recorded = typeof Recorded.Type

/** An event as a line of a recording, without a line break. */
export const recordLine = (event: SnifferEvent | LineEvent): string => {
  const { at, connectionId } = event
  switch (event._tag) {
    case "Opened": {
      const client = event.client === undefined ? {} : { client: formatEndpoint(event.client) }
      return JSON.stringify({ event: "Opened", connectionId, at, ...client, server: formatEndpoint(event.server) })
    }
    case "Message": {
      const { fate, frame, protocol, to } = event
      const described = describeFrame(Frame.read(frame)!, protocol === undefined ? { to } : { protocol, to })
      return JSON.stringify({ event: "Message", connectionId, at, fate, frame: Hex.encode(frame), ...described, to })
    }
    case "Line": {
      const { bytes, fate, to } = event
      const content = isUtf8(bytes) ? { line: new TextDecoder().decode(bytes) } : { bytes: Hex.encode(bytes) }
      return JSON.stringify({ event: "Line", connectionId, at, fate, to, ...content })
    }
    case "Closed":
      return JSON.stringify({ event: "Closed", connectionId, at, by: event.by, reason: event.reason })
  }
}

/** The messages of one recorded connection. */
export interface Script {
  readonly connectionId: number
  /** Frames of Stratum V2, or lines of Stratum V1. */
  readonly of: "frames" | "lines"
  readonly openedAt: number
  readonly steps: ReadonlyArray<Step>
  readonly closed?: { readonly by: "server" | "client" | "here"; readonly reason: string }
}

/** A message that the server received or sent. */
export interface Step {
  readonly to: "server" | "client"
  /** Milliseconds since 1970. */
  readonly at: number
  /** A whole frame, or a line with its line feed. */
  readonly bytes: Uint8Array
}

/** The recording cannot be read. */
export class RecordingError extends Schema.TaggedError<RecordingError>("sluice/sniffer/RecordingError")(
  "RecordingError",
  { line: Schema.Int, what: Schema.String }
) {
  override get message(): string {
    return `line ${this.line} of the recording: ${this.what}`
  }
}

export interface ScriptOptions {
  /** Reads only this connection. All by default. */
  readonly connectionId?: number
  /** The most bytes of frames to hold in memory. Default 256 MiB. */
  readonly maxBytes?: number
}

/** The messages at the server's end of each recorded connection, in the order in which the connections opened. */
export const readScripts = <E, R>(
  lines: Stream.Stream<string, E, R>,
  options: ScriptOptions = {}
): Effect.Effect<ReadonlyArray<Script>, RecordingError | E, R> =>
  Effect.suspend(() => {
    const { connectionId, maxBytes = 256 * 1024 * 1024 } = options
    const scripts = new Map<number, { -readonly [K in keyof Script]: Script[K] } & { readonly steps: Array<Step> }>()
    let line = 0
    let bytes = 0
    const refuse = (what: string) => Effect.fail(new RecordingError({ line, what }))
    return Effect.as(
      Stream.runForEach(lines, (text) => {
        line++
        if (text.trim() === "") return Effect.void
        const read = Result.try(() => decodeRecorded(JSON.parse(text)))
        if (Result.isFailure(read)) return refuse("expected a sniffer event: an object with event, connectionId and at")
        const recorded = read.success
        if (connectionId !== undefined && recorded.connectionId !== connectionId) return Effect.void
        if (recorded.event === "Opened") {
          const { at, connectionId } = recorded
          scripts.set(connectionId, { connectionId, of: "frames", openedAt: at, steps: [] })
          return Effect.void
        }
        const script = scripts.get(recorded.connectionId)
        if (script === undefined)
          return refuse(`there is no Opened event of connection ${recorded.connectionId} before it`)
        if (recorded.event === "Closed") {
          script.closed = { by: recorded.by, reason: recorded.reason }
          return Effect.void
        }
        const { at, fate, to } = recorded
        const content = recorded.event === "Line" ? lineOf(recorded) : frameOf(recorded.frame)
        if (typeof content === "string") return refuse(content)
        script.of = recorded.event === "Line" ? "lines" : "frames"
        // To the server: it received added messages and not dropped ones. From the server: it sent dropped messages, not added ones.
        if (to === "server" ? fate === "dropped" || fate === "replaced" : fate === "added") return Effect.void
        bytes += content.length + STEP_OVERHEAD
        if (bytes > maxBytes) {
          return refuse(`up to this line there are more than ${maxBytes} bytes to replay; choose one connection`)
        }
        script.steps.push({ to, at, bytes: content })
        return Effect.void
      }),
      scripts
    ).pipe(Effect.map((scripts) => [...scripts.values()]))
  })

/** Roughly the memory that a step takes beside its bytes. */
const STEP_OVERHEAD = 250

/** The bytes of a recorded frame, or what is wrong. */
const frameOf = (hex: string): Uint8Array | string => {
  const frame = Result.getOrUndefined(Hex.decode(hex))
  const length = frame === undefined ? undefined : Frame.read(frame)?.payload.length
  return frame === undefined || length !== frame.length - Frame.headerSize
    ? "expected frame to be one whole frame in hex"
    : frame
}

/** The bytes of a recorded line, or what is wrong. */
const lineOf = ({ bytes, line }: { readonly bytes?: string; readonly line?: string }): Uint8Array | string =>
  line === undefined
    ? (Result.getOrUndefined(Hex.decode(bytes ?? "?")) ?? "expected a line, or its bytes in hex")
    : new TextEncoder().encode(line)

const decodeRecorded = Schema.decodeUnknownSync(Recorded)
