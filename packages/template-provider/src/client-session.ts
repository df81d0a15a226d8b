/**
 * One client of the template provider: its first message has to be CoinbaseOutputConstraints, and soon (section 7); from
 * then on it gets templates, asks for transactions and sends solutions. What breaks the protocol ends this connection.
 */
import { TemplateDistribution } from "@sluice/protocol"
import type { Connection, ConnectionError } from "@sluice/transport"
import { Clock, Effect, Latch, Stream } from "effect"
import { Outbox } from "./outbox.ts"
import { TemplateProtocolError } from "./protocol-error.ts"
import type { TemplateProviderEvent } from "./provider-event.ts"
import type { ProviderStats } from "./provider-stats.ts"
import type { SolutionRefusal } from "./solutions.ts"
import type { FoundBlock } from "./submit-block.ts"
import type { TemplateMachine } from "./template-machine.ts"

export interface SessionEnvironment {
  readonly machine: TemplateMachine<Outbox>
  readonly emit: (event: TemplateProviderEvent) => void
  readonly submit: (found: FoundBlock) => Effect.Effect<void>
  readonly stats: ProviderStats
  /** Ends when the templates are not worth having any more. */
  readonly illness: Effect.Effect<void>
  readonly constraintsTimeoutMs: number
}

type TemplateConnection = Connection<TemplateDistribution.ToServer, TemplateDistribution.ToClient>

/** Serves the client until its connection ends, or it breaks the protocol. */
export const serveClient = Effect.fnUntraced(function* (
  connection: TemplateConnection,
  environment: SessionEnvironment
) {
  const { constraintsTimeoutMs, emit, illness, machine, stats, submit } = environment
  const { remote } = connection
  const clock = yield* Clock.Clock
  const outbox = new Outbox()
  const constrained = yield* Latch.make(false)
  let changes = 0

  yield* Effect.acquireRelease(
    Effect.sync(() => emit({ _tag: "ClientConnected", remote })),
    () =>
      Effect.sync(() => {
        machine.remove(outbox)
        emit({ _tag: "ClientDisconnected", remote })
      })
  )

  const onConstraints = (constraints: TemplateDistribution.CoinbaseOutputConstraints) =>
    Effect.gen(function* () {
      if (++changes > MAX_CONSTRAINTS) {
        return yield* new TemplateProtocolError({
          section: "7.1",
          expected: `constraints at most ${MAX_CONSTRAINTS} times on a connection`,
          actual: "one more"
        })
      }
      const frames = yield* Effect.try({
        try: () => machine.onConstraints(outbox, constraints, clock.currentTimeMillisUnsafe()),
        catch: (error) => error as TemplateProtocolError
      })
      if (frames.length > 0) {
        outbox.putTip(frames, undefined)
        const ahead = machine.ahead(outbox)
        if (ahead !== undefined) outbox.putAhead(ahead)
      }
      yield* constrained.open
    })

  const onSolution = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const outcome = machine.onSolution(solution)
      if (outcome._tag === "Block") return submit(outcome)
      const reason = explain(outcome.reason)
      emit({ _tag: "SolutionRefused", templateId: solution.templateId, reason })
      return Effect.logWarning(`A solution for template ${solution.templateId} makes no block: ${reason}`)
    })

  const onMessage = (
    message: TemplateDistribution.ToServer
  ): Effect.Effect<void, TemplateProtocolError | ConnectionError> => {
    if (message._tag === "CoinbaseOutputConstraints") return onConstraints(message)
    if (changes === 0) {
      const expected = "CoinbaseOutputConstraints as the first message"
      return Effect.fail(new TemplateProtocolError({ section: "7", expected, actual: message._tag }))
    }
    switch (message._tag) {
      case "RequestTransactionData":
        return connection.send([machine.onRequest(message.templateId)])
      case "SubmitSolution":
        return onSolution(message)
      default: {
        const expected = "a message of the Template Distribution Protocol for its server"
        return Effect.fail(new TemplateProtocolError({ section: "7", expected, actual: message._tag }))
      }
    }
  }

  // Messages of clients are few and large, so each is a step of its own; a transaction list is sent before the next is made.
  const reading = Stream.runForEachArray(connection.receive, (batch) =>
    Effect.forEach(batch, onMessage, { discard: true })
  )

  const writing = Effect.gen(function* () {
    while (true) {
      const { announcedAt, frames } = yield* outbox.take
      yield* connection.sendFrames(frames)
      const elapsed = announcedAt === undefined ? undefined : clock.currentTimeNanosUnsafe() - announcedAt
      stats.sent(elapsed === undefined ? undefined : Number(elapsed) / 1e6)
    }
  })

  const deadline = constrained.await.pipe(
    Effect.timeoutOrElse({
      duration: constraintsTimeoutMs,
      orElse: () =>
        Effect.fail(
          new TemplateProtocolError({
            section: "7",
            expected: `CoinbaseOutputConstraints within ${constraintsTimeoutMs / 1000} s of the setup`,
            actual: "nothing"
          })
        )
    }),
    Effect.andThen(Effect.never)
  )

  yield* Effect.raceAllFirst([reading, writing, deadline, illness])
})

const explain = (reason: SolutionRefusal): string => {
  switch (reason._tag) {
    case "UnknownTemplate":
      return "there is no such template, or it is too old"
    case "BadCoinbase":
      return reason.message
    case "HighHash":
      return `its hash ${reason.hash} does not meet the target`
    case "Repeated":
      return `block ${reason.hash} was submitted before`
  }
}

/** A client has reasons to change its constraints now and then; each change costs work. */
const MAX_CONSTRAINTS = 1_000
