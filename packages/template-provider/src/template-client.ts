/**
 * `TemplateSource` from template providers over connections (specification, section 7): dials all of them, says at once how
 * much room the coinbase needs, and passes on what one of them sends. The others are in reserve with their state known, so
 * that there is no gap in templates when that one is lost or falls behind. Solutions go to the provider whose template
 * they are of.
 */
import { parseTemplateCoinbase } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionError,
  type DialError,
  formatServerAddress,
  makeNotices,
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
import type { CoinbaseConstraints } from "./block-space.ts"
import { TemplateProtocolError } from "./protocol-error.ts"
import { Reserve } from "./template-reserve.ts"
import { makeTemplateRelay } from "./template-relay.ts"
import { type TemplateMessage, TemplateSource, type TemplateSourceState } from "./template-source.ts"

export interface Options {
  /** Providers, the preferred one first. */
  readonly servers: Array.NonEmptyReadonlyArray<ServerAddress>
  /** What will be added to the coinbase. */
  readonly constraints: CoinbaseConstraints
  /** Waits between attempts to connect to one of them; from half a second to 5 seconds. */
  readonly reconnecting?: ReconnectingOptions
  /** How long a preferred provider has to be there again before it takes over; 1 minute. */
  readonly returnAfter?: Duration.Input
  /** How long the one in use may be a block behind another; 5 seconds. */
  readonly behindAfter?: Duration.Input
}

/** Keeps connections to template providers for as long as the layer lives. */
export const layer = (options: Options): Layer.Layer<TemplateSource, never, TemplateDialer> =>
  Layer.effect(TemplateSource, make(options))

const make = Effect.fnUntraced(function* (options: Options) {
  const dialer = yield* TemplateDialer
  const clock = yield* Clock.Clock
  const notices = yield* makeNotices()
  const relay = yield* makeTemplateRelay
  const state = yield* SubscriptionRef.make<TemplateSourceState>({ _tag: "Connecting" })
  const reserve = new Reserve({
    count: options.servers.length,
    returnAfterMs: Duration.toMillis(options.returnAfter ?? "1 minute"),
    behindAfterMs: Duration.toMillis(options.behindAfter ?? "5 seconds")
  })
  const names = options.servers.map(formatServerAddress)
  const connections: globalThis.Array<TemplateConnection | undefined> = options.servers.map(() => undefined)
  /** By provider: solutions that it was not there for. */
  const kept = options.servers.map((): globalThis.Array<TemplateDistribution.SubmitSolution> => [])
  /** One change at a time: what is passed on is always one provider's, from its beginning. */
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))

  const keep = (provider: number, solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const waiting = kept[provider]!
      waiting.push(solution)
      if (waiting.length <= MAX_KEPT) {
        return Effect.logWarning(`A solution waits for the connection to the template provider ${names[provider]}`)
      }
      const dropped = waiting.shift()!
      return Effect.logError(`A solution for template ${dropped.templateId} is lost: no template provider is there`)
    })

  const submit = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      const { provider, templateId } = reserve.origin(solution.templateId)
      const theirs = { ...solution, templateId }
      const connection = connections[provider]
      return connection === undefined
        ? keep(provider, theirs)
        : connection.send([theirs]).pipe(Effect.catch(() => keep(provider, theirs)))
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

  /** Takes templates from another provider where that is better, beginning with what it has sent already. */
  const choose: Effect.Effect<void> = Effect.suspend(() => {
    const choice = reserve.choose(clock.currentTimeMillisUnsafe())
    if (choice === undefined) return Effect.void
    const { messages, provider, why } = choice
    return Effect.gen(function* () {
      yield* relay.restart
      if (why !== undefined) yield* Effect.logWarning(`Templates now come from ${names[provider]}: ${why}`)
      yield* Effect.orDie(relay.publish(messages))
      yield* SubscriptionRef.set(state, { _tag: "Connected", server: names[provider]! })
    })
  })

  const use = (provider: number) =>
    Effect.fnUntraced(function* (connection: TemplateConnection) {
      yield* connection.send([TemplateDistribution.CoinbaseOutputConstraints.make(options.constraints)])
      // Before the solutions that were kept: one that comes while they are sent is not to wait for the next connection.
      connections[provider] = connection
      yield* takeFrom(provider, connection).pipe(Effect.onExit((exit) => oneAtATime(lost(provider, exit))))
    })

  const takeFrom = (provider: number, connection: TemplateConnection) =>
    Effect.gen(function* () {
      yield* sendKept(provider, connection)
      yield* oneAtATime(
        Effect.suspend(() => {
          reserve.connected(provider)
          return choose
        })
      )
      const role = reserve.active === provider ? "" : ", in reserve"
      yield* Effect.logInfo(`Connected to the template provider ${names[provider]}${role}`)
      yield* Stream.runForEachArray(connection.receive, (batch) => onBatch(provider, batch))
    })

  const lost = (provider: number, exit: Exit.Exit<unknown, { readonly message: string }>) =>
    Effect.gen(function* () {
      connections[provider] = undefined
      const wasActive = reserve.active === provider
      reserve.lost(provider)
      yield* choose
      if (!wasActive || reserve.active !== undefined) return
      yield* SubscriptionRef.set(state, { _tag: "Disconnected", server: names[provider]!, reason: reasonOf(exit) })
    })

  /** A block of it would be lost. A SetNewPrevHash that names it ends the connection, as for one that was never sent. */
  const ignore = (provider: number, { templateId }: TemplateDistribution.NewTemplate, reason: string) =>
    Effect.andThen(
      Metric.update(templatesIgnored, 1),
      notices.note(
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
            // Not asked for.
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
        Effect.gen(function* () {
          const ours = yield* Effect.try({
            try: () => reserve.received(provider, messages, clock.currentTimeMillisUnsafe()),
            catch: (error) => error as TemplateProtocolError
          })
          if (reserve.active === provider) yield* relay.publish(ours)
          yield* choose
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
      }).pipe(Effect.forkScoped),
    { discard: true }
  )
  if (options.servers.length > 1) {
    yield* Effect.sleep(REVIEW).pipe(Effect.andThen(oneAtATime(choose)), Effect.forever, Effect.forkScoped)
  }

  return TemplateSource.of({ messages: relay.messages, submit, state: SubscriptionRef.changes(state) })
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

/** Blocks that are found while their provider is not there; more would be a test network. */
const MAX_KEPT = 16
/** How often it is looked whether another provider should be used. */
const REVIEW = Duration.seconds(1)
