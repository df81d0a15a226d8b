/**
 * One client of the template provider. Its first message has to be CoinbaseOutputConstraints, within a time (section 7). From
 * then on it gets templates, asks for transactions and sends solutions. A message that breaks the protocol ends this connection.
 */
import { TemplateDistribution } from "@sluice/protocol"
import {
  addressGroup,
  TokenBucket,
  type Connection,
  type ConnectionError,
  type Device,
  formatEndpoint,
  type ThrottledLog
} from "@sluice/transport"
import { Clock, Effect, Latch, Queue, Stream } from "effect"
import { ClientQueue } from "./client-queue.ts"
import { TemplateProtocolError } from "../../protocol-error.ts"
import type { TemplateProviderEvent } from "../provider-event.ts"
import type { ProviderStats } from "../provider-stats.ts"
import type { SolutionRefusal } from "../blocks/solutions.ts"
import type { Submit } from "../blocks/submit-block.ts"
import type { TemplateMachine } from "../templates/template-machine.ts"
import type { TransactionLists } from "./transaction-lists.ts"

export interface SessionEnvironment {
  readonly machine: TemplateMachine<ClientQueue>
  readonly emit: (event: TemplateProviderEvent) => void
  readonly submit: Submit
  readonly lists: TransactionLists
  readonly stats: ProviderStats
  readonly throttled: ThrottledLog
  /** Completes when the templates are too old to be worked on. */
  readonly illness: Effect.Effect<void>
  readonly constraintsTimeoutMs: number
}

type TemplateConnection = Connection<TemplateDistribution.ToServer, TemplateDistribution.ToClient>

/** Serves the client until its connection ends, or it breaks the protocol. */
export const serveClient = Effect.fnUntraced(function* (
  connection: TemplateConnection,
  environment: SessionEnvironment
) {
  const { constraintsTimeoutMs, emit, illness, lists, machine, throttled, stats, submit } = environment
  const { remote } = connection
  const address = addressGroup(remote.host)
  const clock = yield* Clock.Clock
  const queue = new ClientQueue(!isAnonymous(connection.setup.device))
  const isConstrained = yield* Latch.make(false)
  let changes = 0
  const begun = clock.currentTimeMillisUnsafe()
  const messages = new TokenBucket(MESSAGES_PER_SECOND, begun)
  const constraints = new TokenBucket(CONSTRAINTS_PER_SECOND, begun)
  /** Numbers of templates whose transactions the client has asked for. */
  const requests = yield* Queue.bounded<bigint>(MAX_REQUESTS)

  yield* Effect.acquireRelease(
    Effect.sync(() => emit({ _tag: "ClientConnected", remote })),
    () =>
      Effect.sync(() => {
        machine.remove(queue, clock.currentTimeMillisUnsafe())
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
      const tip = yield* Effect.fromResult(
        machine.onConstraints(queue, constraints, clock.currentTimeMillisUnsafe(), address)
      )
      if (tip.length > 0) {
        queue.putTip(tip, undefined)
        const ahead = queue.holdsAhead ? machine.ahead(queue) : undefined
        if (ahead !== undefined) queue.putAhead(ahead)
      }
      connection.standing?.worked()
      yield* isConstrained.open
    })

  const onSolution = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const outcome = machine.onSolution(solution)
      if (outcome._tag === "Block") return submit(outcome, address)
      const reason = explain(outcome.reason)
      emit({ _tag: "SolutionRefused", templateId: solution.templateId, reason })
      const line = `A solution for template ${solution.templateId} makes no block: ${reason}`
      return throttled.log(outcome.reason._tag, line, "Warn")
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
        return Effect.asVoid(Queue.offer(requests, message.templateId))
      case "SubmitSolution":
        return onSolution(message)
    }
  }

  /** Milliseconds that a message has to wait because the client sends too many of its kind. */
  const delayOf = ({ _tag }: TemplateDistribution.ToServer): number => {
    const now = clock.currentTimeMillisUnsafe()
    return Math.max(messages.take(1, now), _tag === "CoinbaseOutputConstraints" ? constraints.take(1, now) : 0)
  }

  const inTurn = (message: TemplateDistribution.ToServer) =>
    Effect.suspend(() => {
      const delayMs = delayOf(message)
      if (delayMs === 0) return onMessage(message)
      const line = `${formatEndpoint(remote)} sends ${message._tag} too often and is read from more slowly`
      return throttled
        .log("too_many_messages", line, "Warn")
        .pipe(Effect.andThen(Effect.sleep(delayMs)), Effect.andThen(onMessage(message)))
    })

  // Messages of clients are few and large, so each is a step of its own.
  const reading = Stream.runForEachArray(connection.receive, (batch) =>
    Effect.forEach(batch, inTurn, { discard: true })
  )

  const writing = Effect.gen(function* () {
    while (true) {
      const { announcedAt, messages } = yield* queue.take
      yield* connection.send(messages)
      const elapsed = announcedAt === undefined ? undefined : clock.currentTimeNanosUnsafe() - announcedAt
      stats.sent(elapsed === undefined ? undefined : Number(elapsed) / 1e6)
    }
  })

  // Beside the reading, so that a solution behind requests does not wait for their answers.
  const answering = Effect.gen(function* () {
    while (true) {
      const templateId = yield* Queue.take(requests)
      yield* lists.send(
        remote.host,
        () => machine.onRequest(templateId),
        (message) => connection.send([message])
      )
    }
  })

  const deadline = isConstrained.await.pipe(
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

  yield* Effect.raceAllFirst([reading, writing, answering, deadline, illness])
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

/**
 * Whether a client's SetupConnection leaves its device empty, as the roles of the reference implementation do. That
 * implementation's pool assumes that the last SetNewPrevHash named the last future template; if it did not, the pool stops as
 * soon as a miner connects. Such clients get a template ahead of a block only together with its SetNewPrevHash.
 */
const isAnonymous = ({ deviceId, firmware, hardwareVersion, vendor }: Device): boolean =>
  vendor === "" && hardwareVersion === "" && firmware === "" && deviceId === ""

/** A client may change its constraints now and then, but each change costs work. */
const MAX_CONSTRAINTS = 1_000
/** A client that sends more is read from more slowly. Ten seconds' worth may come at once. */
const MESSAGES_PER_SECOND = 200
const CONSTRAINTS_PER_SECOND = 1
/** How many requests for transactions may wait for their answers; beyond that the client is not read from. */
const MAX_REQUESTS = 32
