/** A sniffer for Stratum V1 between two other programs: listens for miners, and dials the pool for each of them. */
import type { Line } from "@sluice/stratum-v1"
import {
  Dialer,
  type Duplex,
  type ListenError,
  Listener,
  type ServerAddress,
  type TransportError
} from "@sluice/transport"
import { Clock, Effect, Exit } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { endOf } from "../end-of.ts"
import type { Closed, Fate, LineEvent, LineSeen, Side } from "../event.ts"
import type { Rule } from "../verdict.ts"
import { LineCutter } from "./line-cutter.ts"
import { parseLine } from "./parse-line.ts"

export interface RelayLinesOptions {
  readonly server: ServerAddress
  /** Decides for each line that is a JSON object whether it passes. By default all pass. */
  readonly rule?: Rule<Line>
  /** Called with events before their lines are forwarded. The connection waits for it. */
  readonly observe?: (events: NonEmptyReadonlyArray<LineEvent>) => Effect.Effect<void>
}

/**
 * Connects every miner with the server, for ever. Forwards lines byte for byte, those of one read in one write. An end that reads
 * slowly makes the other end wait. When one end closes, the relay closes the other.
 */
export const relayLines = ({
  observe = () => Effect.void,
  rule,
  server
}: RelayLinesOptions): Effect.Effect<never, ListenError, Listener | Dialer> =>
  Effect.gen(function* () {
    const { run } = yield* Listener
    const { dial } = yield* Dialer
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    let lastConnectionId = 0
    let lastIndex = 0

    const connect = Effect.fnUntraced(function* (client: Duplex) {
      const connectionId = ++lastConnectionId
      const { host, port } = server
      yield* observe([{ _tag: "Opened", connectionId, at: now(), client: client.remote, server: { host, port } }])
      let isClosed = false
      const close = (by: Closed["by"], reason: string) =>
        Effect.suspend(() => {
          if (isClosed) return Effect.void
          isClosed = true
          return observe([{ _tag: "Closed", connectionId, at: now(), by, reason }])
        })
      const endedBy = (side: Side) => (error: TransportError) => close(side, error.message)
      const upstream = yield* Effect.onError(dial(server), (cause) => close(...endOf(cause, "server")))
      yield* Effect.addFinalizer((exit) =>
        Exit.isSuccess(exit) ? close("here", "it was closed") : close(...endOf(exit.cause, "client"))
      )

      const seen = (to: Side, fate: Fate, bytes: Uint8Array, line: Line | undefined): LineSeen => {
        const known = line === undefined ? {} : { line }
        return { _tag: "Line", index: ++lastIndex, connectionId, at: now(), to, fate, bytes, ...known }
      }
      /** Gives the events of the lines to this side. Those that passed or were added are to be forwarded. */
      const judge = (to: Side, lines: ReadonlyArray<Uint8Array>): ReadonlyArray<LineSeen> =>
        lines.flatMap((bytes) => {
          const line = parseLine(bytes)
          const verdict = line === undefined ? undefined : rule?.(line, to, connectionId)
          switch (verdict?._tag) {
            case "Drop":
              return [seen(to, "dropped", bytes, line)]
            case "Replace":
              return [
                seen(to, "replaced", bytes, line),
                ...verdict.messages.map((other) =>
                  seen(to, "added", new TextEncoder().encode(`${JSON.stringify(other)}\n`), other)
                )
              ]
            default:
              return [seen(to, "passed", bytes, line)]
          }
        })
      const carry = (from: Duplex, into: Duplex, to: Side): Effect.Effect<never, TransportError> => {
        const cutter = new LineCutter()
        const other = to === "server" ? "client" : "server"
        const pass = (lines: ReadonlyArray<Uint8Array>): Effect.Effect<void, TransportError> => {
          const judged = judge(to, lines)
          if (!isReadonlyArrayNonEmpty(judged)) return Effect.void
          const forward = judged.filter(({ fate }) => fate === "passed" || fate === "added").map(({ bytes }) => bytes)
          const written = forward.length === 0 ? Effect.void : into.write(() => new Uint8Array(Buffer.concat(forward)))
          return Effect.andThen(observe(judged), Effect.tapError(written, endedBy(to)))
        }
        return from.pull.pipe(
          // A last line without its end passes too.
          Effect.tapError((error) => Effect.andThen(Effect.ignore(pass(cutter.rest())), endedBy(other)(error))),
          Effect.flatMap((chunks) => pass(cutter.push(chunks))),
          Effect.forever
        )
      }
      return yield* Effect.raceFirst(carry(client, upstream, "server"), carry(upstream, client, "client"))
    })
    return yield* run((client) => Effect.scoped(connect(client)))
  })
