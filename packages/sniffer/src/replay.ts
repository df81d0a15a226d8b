/**
 * Sends the recorded messages of a client to a server, and reports where the server answers with messages of another kind.
 *
 * Frames are sent as they were recorded. A server that assigns other ids than the recorded one (channels, jobs, tokens)
 * refuses messages about the recorded ids; the replay reports that as a difference.
 */
import { Frame } from "@sluice/protocol"
import {
  Dialer,
  type DialError,
  FrameDialer,
  type HandshakeError,
  type ServerAddress,
  type TransportError
} from "@sluice/transport"
import { Clock, Duration, Effect, Latch, type Scope } from "effect"
import { Comparison, kindOf } from "./comparison.ts"
import type { Side } from "./event.ts"
import { frameBytes } from "./frame-bytes.ts"
import { LineCutter } from "./lines/line-cutter.ts"
import { lineKinds } from "./lines/line-kind.ts"
import type { Script, Step } from "./recording.ts"

export interface ReplayOptions {
  readonly server: ServerAddress
  /**
   * When to send a message. `answers`: once messages of the same kinds have come as the recorded server had sent before it.
   * `recorded`: as long after the opening of the connection as in the recording. Default `answers`.
   */
  readonly pace?: "answers" | "recorded"
  /** How long to wait for each answer, and at the end for all missing messages. Default 10 seconds. */
  readonly answerTimeout?: Duration.Input
  /** Called with each message sent or received and each difference, as it happens. */
  readonly observe?: (event: ReplayEvent) => Effect.Effect<void>
}

export const replayDefaults = { pace: "answers", answerTimeout: Duration.seconds(10) } as const

type Happened =
  | { readonly _tag: "Message"; readonly to: Side; readonly frame: Uint8Array }
  | { readonly _tag: "Line"; readonly to: Side; readonly bytes: Uint8Array }
  /** An answer did not come in time. The replay goes on and waits for no other answer of this kind. */
  | { readonly _tag: "Late"; readonly kind: string }
  /** An error came in place of a success, or a success in place of an error. */
  | { readonly _tag: "Differs"; readonly recorded: string; readonly came: string }

export type ReplayEvent = Happened & { readonly connectionId: number; readonly at: number }

/** Replays one connection of Stratum V2. Gives the differences, a sentence each; none if the server answers as recorded. */
export const replay = (
  script: Script,
  options: ReplayOptions
): Effect.Effect<ReadonlyArray<string>, DialError | HandshakeError, FrameDialer> =>
  Effect.scoped(
    Effect.gen(function* () {
      const frames = yield* (yield* FrameDialer).dial(options.server)
      frames.limitPayload(Frame.maxPayload)
      const talk: Talk = {
        pull: Effect.map(frames.pull, (batch) => batch.map(frameBytes)),
        write: (frame) => frames.write([frame]),
        kinds: () => (_, bytes) => kindOf(Frame.read(bytes)!),
        seen: (to, frame) => ({ _tag: "Message", to, frame })
      }
      return yield* perform(talk, script, options)
    })
  )

/** As `replay`, with a connection of Stratum V1. The kind of a line is its method, or the method that it answers and the outcome. */
export const replayLines = (
  script: Script,
  options: ReplayOptions
): Effect.Effect<ReadonlyArray<string>, DialError, Dialer> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pull, write } = yield* (yield* Dialer).dial(options.server)
      const cutter = new LineCutter()
      const talk: Talk = {
        pull: Effect.map(pull, (chunks) => cutter.push(chunks)),
        write: (line) => write(() => line),
        kinds: lineKinds,
        seen: (to, bytes) => ({ _tag: "Line", to, bytes })
      }
      return yield* perform(talk, script, options)
    })
  )

/** A connection to the server, of either protocol. */
interface Talk {
  /** The messages of one read, as bytes. */
  readonly pull: Effect.Effect<ReadonlyArray<Uint8Array>, TransportError>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, TransportError>
  /** Makes a function that gives the kinds of a connection's messages, in their order. */
  readonly kinds: () => (to: Side, bytes: Uint8Array) => string
  readonly seen: (to: Side, bytes: Uint8Array) => Happened
}

const perform = Effect.fn("Sniffer.replay")(function* (
  talk: Talk,
  { closed, connectionId, openedAt, steps }: Script,
  {
    answerTimeout = replayDefaults.answerTimeout,
    observe = () => Effect.void,
    pace = replayDefaults.pace
  }: ReplayOptions
): Effect.fn.Return<ReadonlyArray<string>, never, Scope.Scope> {
  const tell = (event: Happened) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => observe({ connectionId, at, ...event }))
  const kindOfRecorded = talk.kinds()
  const recordedKinds = new Map(steps.map((step) => [step, kindOfRecorded(step.to, step.bytes)]))
  const kindOfStep = (step: Step): string => recordedKinds.get(step)!
  const kindOfLive = talk.kinds()
  const comparison = new Comparison(steps.filter(({ to }) => to === "client").map(kindOfStep))
  const changed = Latch.makeUnsafe()
  let ended: TransportError | undefined
  yield* talk.pull.pipe(
    Effect.flatMap((batch) =>
      Effect.forEach(
        batch,
        (bytes) => {
          comparison.arrive(kindOfLive("client", bytes))
          return tell(talk.seen("client", bytes))
        },
        { discard: true }
      )
    ),
    Effect.andThen(changed.open),
    Effect.forever,
    Effect.catch((error) =>
      Effect.andThen(
        Effect.sync(() => (ended = error)),
        changed.open
      )
    ),
    Effect.forkScoped
  )

  /** Waits until the condition is true, the connection ends, or the time has passed. Gives whether it is true. */
  const until = (holds: () => boolean, duration: Duration.Input) =>
    Effect.gen(function* () {
      for (;;) {
        if (holds()) return true
        if (ended !== undefined) return false
        changed.closeUnsafe()
        yield* changed.await
      }
    }).pipe(Effect.timeoutOrElse({ duration, orElse: () => Effect.succeed(false) }))

  const late = new Set<string>()
  const awaitAnswer = Effect.fnUntraced(function* (recorded: string, duration: Duration.Input) {
    let came: string | undefined
    const isThere = () => (came = comparison.expect(recorded)) !== undefined
    if (!isThere()) {
      if (late.has(recorded)) return
      if (!(yield* until(isThere, duration))) {
        late.add(recorded)
        if (ended === undefined) yield* tell({ _tag: "Late", kind: recorded })
        return
      }
    }
    if (came !== undefined && came !== recorded) yield* tell({ _tag: "Differs", recorded, came })
  })

  const begun = yield* Clock.currentTimeMillis
  let sent = 0
  for (const step of steps) {
    if (pace === "recorded") {
      const wait = begun + (step.at - openedAt) - (yield* Clock.currentTimeMillis)
      if (wait > 0) yield* until(() => false, wait)
    } else if (step.to === "client") yield* awaitAnswer(kindOfStep(step), answerTimeout)
    if (ended !== undefined) break
    if (step.to === "client") continue
    kindOfLive("server", step.bytes)
    yield* tell(talk.seen("server", step.bytes))
    yield* Effect.match(talk.write(step.bytes), {
      onSuccess: () => sent++,
      onFailure: (error) => (ended ??= error)
    })
  }
  if (pace === "recorded") {
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(answerTimeout)
    for (const step of steps) {
      const left = Math.max(0, deadline - (yield* Clock.currentTimeMillis))
      if (step.to === "client") yield* awaitAnswer(kindOfStep(step), left)
    }
  }

  const isCloseRecorded = closed?.by === "server"
  if (isCloseRecorded) yield* until(() => false, answerTimeout)
  const unsent = steps.filter(({ to }) => to === "server").length - sent
  if (ended === undefined && isCloseRecorded) {
    comparison.differ(`recorded: the server ended the connection (${closed.reason}); it has not`)
  } else if (ended !== undefined && (!isCloseRecorded || unsent > 0)) {
    comparison.differ(
      `the server ended the connection (${ended.message}); of the recorded messages ${unsent} ${unsent === 1 ? "was" : "were"} not sent`
    )
  }
  if (unsent === 0) comparison.finish()
  return comparison.differences
})
