/**
 * `TemplateSource` from a template provider over a connection (specification, section 7): dials, says at once how much
 * room the coinbase needs, passes on what the provider sends, and begins again, with the next provider in the list, when
 * the connection is lost.
 */
import { TemplateDistribution } from "@sluice/protocol"
import {
  type Connection,
  formatServerAddress,
  reconnecting,
  type ReconnectingOptions,
  type ServerAddress,
  TemplateDialer
} from "@sluice/transport"
import { type Array, Cause, Effect, Exit, Layer, Option, Predicate, Stream, SubscriptionRef } from "effect"
import type { CoinbaseConstraints } from "./block-space.ts"
import { TemplateProtocolError } from "./protocol-error.ts"
import { makeTemplateRelay } from "./template-relay.ts"
import { type TemplateMessage, TemplateSource, type TemplateSourceState } from "./template-source.ts"

export interface Options {
  /** Providers, the preferred one first. */
  readonly servers: Array.NonEmptyReadonlyArray<ServerAddress>
  /** What will be added to the coinbase. */
  readonly constraints: CoinbaseConstraints
  /** Waits between attempts to connect; from half a second to 5 seconds. */
  readonly reconnecting?: ReconnectingOptions
}

/** Keeps a connection to a template provider for as long as the layer lives. */
export const layer = (options: Options): Layer.Layer<TemplateSource, never, TemplateDialer> =>
  Layer.effect(TemplateSource, make(options))

const make = Effect.fnUntraced(function* (options: Options) {
  const dialer = yield* TemplateDialer
  const relay = yield* makeTemplateRelay
  const state = yield* SubscriptionRef.make<TemplateSourceState>({ _tag: "Connecting" })
  let connected: TemplateConnection | undefined
  /** Solutions that no provider was there for. */
  const kept: Array<TemplateDistribution.SubmitSolution> = []

  const keep = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() => {
      kept.push(solution)
      if (kept.length <= MAX_KEPT)
        return Effect.logWarning("A solution waits for the connection to the template provider")
      const dropped = kept.shift()!
      return Effect.logError(`A solution for template ${dropped.templateId} is lost: no template provider is there`)
    })

  const submit = (solution: TemplateDistribution.SubmitSolution) =>
    Effect.suspend(() =>
      connected === undefined ? keep(solution) : connected.send([solution]).pipe(Effect.catch(() => keep(solution)))
    )

  const sendKept = (connection: TemplateConnection) =>
    Effect.suspend(() => {
      const solutions = kept.splice(0)
      return solutions.length === 0
        ? Effect.void
        : connection.send(solutions).pipe(Effect.tapError(() => Effect.sync(() => kept.unshift(...solutions))))
    })

  const use = Effect.fnUntraced(function* (connection: TemplateConnection, server: ServerAddress) {
    yield* connection.send([TemplateDistribution.CoinbaseOutputConstraints.make(options.constraints)])
    yield* relay.restart
    yield* sendKept(connection)
    connected = connection
    const name = formatServerAddress(server)
    yield* SubscriptionRef.set(state, { _tag: "Connected", server: name })
    yield* Effect.logInfo(`Connected to the template provider ${name}`)
    yield* Stream.runForEachArray(connection.receive, onBatch).pipe(
      Effect.onExit((exit) => {
        connected = undefined
        return SubscriptionRef.set(state, { _tag: "Disconnected", server: name, reason: reasonOf(exit) })
      })
    )
  })

  const onBatch = (batch: ReadonlyArray<TemplateDistribution.ToClient>) =>
    Effect.gen(function* () {
      const messages: Array<TemplateMessage> = []
      for (const message of batch) {
        switch (message._tag) {
          case "NewTemplate":
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
      yield* relay.publish(messages)
    })

  yield* reconnecting(dialer, options.servers, use, {
    firstDelay: "500 millis",
    maxDelay: "5 seconds",
    ...options.reconnecting
  }).pipe(Effect.forkScoped)

  return TemplateSource.of({ messages: relay.messages, submit, state: SubscriptionRef.changes(state) })
})

type TemplateConnection = Connection<TemplateDistribution.ToClient, TemplateDistribution.ToServer>

const reasonOf = (exit: Exit.Exit<unknown, { readonly message: string }>): string =>
  Exit.isSuccess(exit)
    ? "closed"
    : Option.match(Cause.findErrorOption(exit.cause), {
        onNone: () => "stopped",
        onSome: (error) => (Predicate.isString(error.message) ? error.message : "failed")
      })

/** Blocks that are found while no provider is there; more would be a test network. */
const MAX_KEPT = 16
