/** A `TemplateSource` without a provider, driven by who holds its `TemplateFeed`: for tests of pools. */
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, Effect, Queue, SubscriptionRef } from "effect"
import type { TemplateProtocolError } from "./protocol-error.ts"
import { makeTemplateRelay } from "./template-relay.ts"
import type { TemplateMessage, TemplateSourceCalls, TemplateSourceState } from "./template-source.ts"

export class TemplateFeed extends Context.Service<
  TemplateFeed,
  {
    /** Gives these messages to all subscribers, as a provider would send them; ones that it may not send fail. */
    readonly publish: (messages: ReadonlyArray<TemplateMessage>) => Effect.Effect<void, TemplateProtocolError>
    /** What was submitted, in order. */
    readonly solutions: Queue.Dequeue<TemplateDistribution.SubmitSolution>
    readonly setState: (state: TemplateSourceState) => Effect.Effect<void>
  }
>()("sluice/template-provider/TemplateFeed") {}

/** The source and its feed. */
export const makeMemory = Effect.gen(function* () {
  const relay = yield* makeTemplateRelay
  const solutions = yield* Queue.unbounded<TemplateDistribution.SubmitSolution>()
  const state = yield* SubscriptionRef.make<TemplateSourceState>({ _tag: "Connected", server: "memory" })
  const source: TemplateSourceCalls = {
    messages: relay.messages,
    submit: (solution) => Effect.asVoid(Queue.offer(solutions, solution)),
    state: SubscriptionRef.changes(state)
  }
  const feed: TemplateFeed["Service"] = {
    publish: relay.publish,
    solutions,
    setState: (next) => SubscriptionRef.set(state, next)
  }
  return { feed, source }
})
