/** A `TemplateSource` without a provider, driven through a `TemplateFeed`: for tests of pools. */
import type { TemplateDistribution } from "@sluice/protocol"
import { Clock, Context, Effect, Layer, Queue, Result, SubscriptionRef } from "effect"
import type { CoinbaseConstraints } from "../coinbase-constraints.ts"
import { TemplateFeed } from "./template-feed.ts"
import { makeTemplateRelay } from "./template-relay.ts"
import { TemplateSource, type TemplateSourceState, TransactionDataError } from "./template-source.ts"
import { TemplateState } from "./template-state.ts"

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  let templates = new TemplateState()
  const relay = yield* makeTemplateRelay(() => templates.replay().map(({ message }) => message))
  const solutions = yield* Queue.unbounded<TemplateDistribution.SubmitSolution>()
  const constraints = yield* Queue.unbounded<CoinbaseConstraints>()
  const state = yield* SubscriptionRef.make<TemplateSourceState>({ _tag: "Connected", server: "memory" })
  let lists: (templateId: bigint) => ReadonlyArray<Uint8Array> | undefined = () => []
  const source = TemplateSource.of({
    messages: relay.messages,
    constrain: (next) => Effect.asVoid(Queue.offer(constraints, next)),
    transactions: (templateId) =>
      Effect.suspend(() => {
        const transactionList = lists(templateId)
        return transactionList === undefined
          ? Effect.fail(new TransactionDataError({ templateId, reason: "refused", detail: "stale-template-id" }))
          : Effect.succeed({
              _tag: "RequestTransactionData.Success" as const,
              templateId,
              excessData: new Uint8Array(0),
              transactionList
            })
      }),
    submit: (solution) => Effect.asVoid(Queue.offer(solutions, solution)),
    state: SubscriptionRef.changes(state)
  })
  const feed = TemplateFeed.of({
    publish: (messages) =>
      Effect.suspend(() => {
        const added = templates.add(messages, clock.currentTimeMillisUnsafe())
        return Result.isFailure(added) ? Effect.fail(added.failure) : relay.publish(added.success)
      }),
    solutions,
    constraints,
    setTransactions: (next) => Effect.sync(() => void (lists = next)),
    setState: (next) =>
      Effect.suspend(() => {
        if (next._tag === "Connected") templates = new TemplateState()
        return SubscriptionRef.set(state, next)
      })
  })
  return Context.make(TemplateSource, source).pipe(Context.add(TemplateFeed, feed))
})

/** A source that is connected to `memory` from the start, and the feed that drives it. */
export const layer: Layer.Layer<TemplateSource | TemplateFeed> = Layer.effectContext(make)
