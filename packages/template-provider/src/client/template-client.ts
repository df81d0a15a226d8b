/**
 * `TemplateSource` from template providers over connections (specification, section 7). Once it knows how much room the
 * coinbase needs, it connects to all providers, sends them the constraints, and passes on what one of them sends. The state
 * of the others is kept, so that there is no gap in templates when that one is lost or falls behind. A solution goes to the
 * provider that sent its template.
 */
import { parseTemplateCoinbase } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionError,
  type DialError,
  formatServerAddress,
  makeThrottledLog,
  reconnecting,
  type ReconnectingOptions,
  type ServerAddress,
  TemplateDialer
} from "@sluice/transport"
import {
  type Array,
  Cause,
  Clock,
  Duration,
  Effect,
  Exit,
  Layer,
  Metric,
  Option,
  Predicate,
  Result,
  Semaphore,
  Stream,
  SubscriptionRef
} from "effect"
import { type CoinbaseConstraints, isSameConstraints } from "../coinbase-constraints.ts"
import { TemplateProtocolError } from "../protocol-error.ts"
import { ProviderFailover } from "./provider-failover.ts"
import { makeTemplateRelay } from "./template-relay.ts"
import { TransactionRequests } from "./transaction-requests.ts"
import { type TemplateMessage, TemplateSource, type TemplateSourceState } from "./template-source.ts"

export interface Options {
  /** Providers, the preferred one first. */
  readonly servers: Array.NonEmptyReadonlyArray<ServerAddress>
  /** Waits between attempts to connect to one of them; from half a second to 5 seconds. */
  readonly reconnecting?: ReconnectingOptions
  /** How long a preferred provider has to be connected again before it takes over; 1 minute. */
  readonly returnAfter?: Duration.Input
  /** How long the one in use may be a block behind another; 5 seconds. */
  readonly behindAfter?: Duration.Input
}

/** Keeps connections to template providers for as long as the layer lives, from the first `TemplateSource.constrain` on. */
export const layer = (options: Options): Layer.Layer<TemplateSource, never, TemplateDialer> =>
  Layer.effect(TemplateSource, make(options))

const make = Effect.fnUntraced(function* (options: Options) {
  const dialer = yield* TemplateDialer
  const clock = yield* Clock.Clock
  const throttled = yield* makeThrottledLog()
  const state = yield* SubscriptionRef.make<TemplateSourceState>({ _tag: "Connecting" })
  const failover = new ProviderFailover({
    count: options.servers.length,
    returnAfterMs: Duration.toMillis(options.returnAfter ?? "1 minute"),
    behindAfterMs: Duration.toMillis(options.behindAfter ?? "5 seconds")
  })
  const relay = yield* makeTemplateRelay(() => failover.replay())
  /** Undefined before the first `constrain`. */
  const constraints = yield* SubscriptionRef.make<CoinbaseConstraints | undefined>(undefined)
  const names = options.servers.map(formatServerAddress)
  const connections: globalThis.Array<TemplateConnection | undefined> = options.servers.map(() => undefined)
  /** By provider: solutions that wait for its next connection. */
  const kept = options.servers.map((): globalThis.Array<TemplateDistribution.SubmitSolution> => [])
  const requests = options.servers.map(() => new TransactionRequests())
  const wanted = SubscriptionRef.changes(constraints).pipe(Stream.filter((known) => known !== undefined))
  /** Waits for the first constraints; later it gives those in force. */
  const firstWanted = wanted.pipe(Stream.runHead, Effect.flatMap(Effect.fromOption), Effect.orDie)
  /** One change at a time: subscribers get one provider's messages from its state on, never a mixture. */
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))

  const keep = (provider: number, solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const waiting = kept[provider]!
      waiting.push(solution)
      if (waiting.length <= MAX_KEPT) {
        return Effect.logWarning(`A solution waits for the connection to the template provider ${names[provider]}`)
      }
      const dropped = waiting.shift()!
      return Effect.logError(
        `A solution for template ${dropped.templateId} is lost: no template provider is connected, and ${MAX_KEPT} newer ones wait`
      )
    })

  const submit = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const { provider, templateId } = failover.origin(solution.templateId)
      const theirs = { ...solution, templateId }
      const connection = connections[provider]
      return connection === undefined
        ? keep(provider, theirs)
        : connection.send([theirs]).pipe(Effect.catch(() => keep(provider, theirs)))
    })

  const transactions = (ours: bigint) =>
    Effect.suspend(() => {
      const { provider, templateId } = failover.origin(ours)
      const answer = requests[provider]!.request(templateId, (request) =>
        Effect.suspend((): Effect.Effect<void, ConnectionError | "disconnected"> => {
          const connection = connections[provider]
          return connection === undefined ? Effect.fail("disconnected") : connection.send([request])
        })
      )
      return Effect.map(answer, (message) => ({ ...message, templateId: ours }))
    })

  const sendKept = (provider: number, connection: TemplateConnection) =>
    Effect.suspend(() => {
      const solutions = kept[provider]!.splice(0)
      return solutions.length === 0
        ? Effect.void
        : connection
            .send(solutions)
            .pipe(Effect.tapError(() => Effect.sync(() => kept[provider]!.unshift(...solutions))))
    })

  /** Changes to another provider where that is better, beginning with the state that it has sent already. */
  const choose: Effect.Effect<void> = Effect.suspend(() => {
    const choice = failover.choose(clock.currentTimeMillisUnsafe())
    if (choice === undefined) return Effect.void
    const { messages, provider, why } = choice
    const publish = relay.publish(messages)
    return Effect.gen(function* () {
      if (why !== undefined) yield* Effect.logWarning(`Templates now come from ${names[provider]}: ${why}`)
      yield* publish
      yield* SubscriptionRef.set(state, { _tag: "Connected", server: names[provider]! })
    })
  })

  const constrain = (next: CoinbaseConstraints) =>
    SubscriptionRef.update(constraints, (before) =>
      before !== undefined && isSameConstraints(before, next) ? before : next
    )

  const sendConstraints = (
    connection: TemplateConnection,
    { coinbaseOutputMaxAdditionalSigops, coinbaseOutputMaxAdditionalSize }: CoinbaseConstraints
  ) =>
    connection.send([
      TemplateDistribution.CoinbaseOutputConstraints.make({
        coinbaseOutputMaxAdditionalSize,
        coinbaseOutputMaxAdditionalSigops
      })
    ])

  /** Sends each change of the constraints, beside the reading. `sent` is what the provider has. */
  const keepConstrained = (connection: TemplateConnection, sent: CoinbaseConstraints) =>
    wanted.pipe(
      Stream.dropWhile((next) => next === sent),
      Stream.changes,
      Stream.runForEach((next) => sendConstraints(connection, next)),
      Effect.andThen(Effect.never)
    )

  const use = (provider: number) =>
    Effect.fnUntraced(function* (connection: TemplateConnection) {
      const sent = yield* firstWanted
      yield* sendConstraints(connection, sent)
      // Before the kept solutions are sent: a solution that comes meanwhile goes out at once, not with the next connection.
      connections[provider] = connection
      yield* takeFrom(provider, connection).pipe(
        Effect.raceFirst(keepConstrained(connection, sent)),
        Effect.onExit((exit) => oneAtATime(lost(provider, exit)))
      )
    })

  const takeFrom = (provider: number, connection: TemplateConnection) =>
    Effect.gen(function* () {
      yield* sendKept(provider, connection)
      yield* oneAtATime(
        Effect.suspend(() => {
          failover.connected(provider)
          return choose
        })
      )
      const role = failover.active === provider ? "" : ", in reserve"
      yield* Effect.logInfo(`Connected to the template provider ${names[provider]}${role}`)
      yield* Stream.runForEachArray(connection.receive, (batch) => onBatch(provider, batch))
    })

  const lost = (provider: number, exit: Exit.Exit<unknown, { readonly message: string }>) =>
    Effect.gen(function* () {
      connections[provider] = undefined
      yield* requests[provider]!.lost
      const wasActive = failover.active === provider
      failover.lost(provider)
      yield* choose
      if (!wasActive || failover.active !== undefined) return
      yield* SubscriptionRef.set(state, { _tag: "Disconnected", server: names[provider]!, reason: reasonOf(exit) })
    })

  /**
   * A block found with such a template would be lost. A SetNewPrevHash that names it ends the connection, as for a template
   * that was never sent.
   */
  const ignore = (provider: number, { templateId }: TemplateDistribution.NewTemplate, reason: string) =>
    Effect.andThen(
      Metric.update(templatesIgnored, 1),
      throttled.log(
        "template",
        `Ignored template ${templateId} of the template provider ${names[provider]}, which makes no coinbase: ${reason}`,
        "Warn"
      )
    )

  const onBatch = (
    provider: number,
    batch: ReadonlyArray<TemplateDistribution.ToClient>
  ): Effect.Effect<void, TemplateProtocolError> =>
    Effect.gen(function* () {
      const messages: globalThis.Array<TemplateMessage> = []
      for (const message of batch) {
        switch (message._tag) {
          case "NewTemplate": {
            const coinbase = parseTemplateCoinbase(message)
            if (Result.isSuccess(coinbase)) messages.push(message)
            else yield* ignore(provider, message, coinbase.failure.message)
            break
          }
          case "SetNewPrevHash":
            messages.push(message)
            break
          case "RequestTransactionData.Success":
          case "RequestTransactionData.Error":
            yield* requests[provider]!.answered(message)
            break
          default:
            return yield* new TemplateProtocolError({
              section: "7",
              expected: "a message of the Template Distribution Protocol for its client",
              actual: message._tag
            })
        }
      }
      yield* oneAtATime(
        Effect.suspend(() => {
          const received = failover.received(provider, messages, clock.currentTimeMillisUnsafe())
          if (Result.isFailure(received)) return Effect.fail(received.failure)
          const publish = failover.active === provider ? relay.publish(received.success) : Effect.void
          return Effect.andThen(publish, choose)
        })
      )
    })

  yield* Effect.forEach(
    options.servers,
    (server, provider) =>
      reconnecting<TemplateConnection, DialError | ConnectionError, UseError, never>(dialer, [server], use(provider), {
        firstDelay: "500 millis",
        maxDelay: "5 seconds",
        ...options.reconnecting
      }).pipe((connecting) => Effect.andThen(firstWanted, connecting), Effect.forkScoped),
    { discard: true }
  )
  if (options.servers.length > 1) {
    yield* Effect.sleep(REVIEW).pipe(Effect.andThen(oneAtATime(choose)), Effect.forever, Effect.forkScoped)
  }

  return TemplateSource.of({
    messages: relay.messages,
    constrain,
    submit,
    transactions,
    state: SubscriptionRef.changes(state)
  })
})

type TemplateConnection = Connection<TemplateDistribution.ToClient, TemplateDistribution.ToServer>
type UseError = ConnectionError | TemplateProtocolError

const reasonOf = (exit: Exit.Exit<unknown, { readonly message: string }>): string =>
  Exit.isSuccess(exit)
    ? "closed"
    : Option.match(Cause.findErrorOption(exit.cause), {
        onNone: () => "stopped",
        onSome: (error) => (Predicate.isString(error.message) ? error.message : "failed")
      })

const templatesIgnored = Metric.counter("sluice_template_client_ignored_total", {
  description: "Templates that were ignored because no coinbase can be made of them",
  incremental: true
})

/** Solutions found while their provider is not connected; only a test network has more. */
const MAX_KEPT = 16
/** How often the client checks whether another provider should be used. */
const REVIEW = Duration.seconds(1)
