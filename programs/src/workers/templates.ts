/**
 * The templates of the workers: the primary is the one client of the template providers. It passes on what they send, and sends the
 * solutions of the workers, which it keeps while a provider is away even if the worker ends.
 */
import { type CoinbaseConstraints, TemplateSource, TransactionDataError } from "@sluice/template-provider"
import { Effect, FiberSet, Layer, Queue, Stream } from "effect"
import type { Link } from "./link.ts"
import type { ToPrimary, ToWorker } from "./messages.ts"
import type { WorkerProcess } from "./worker-process.ts"

type Followed<Tag> = Extract<ToWorker, { readonly _tag: Tag }>

/** `TemplateSource` in a worker. */
export const layerTemplates = (link: Link): Layer.Layer<TemplateSource> =>
  Layer.effect(
    TemplateSource,
    Effect.gen(function* () {
      const messages = yield* Queue.unbounded<Followed<"Templates">["messages"]>()
      const states = yield* Queue.unbounded<Followed<"TemplateState">["state"]>()
      link.followTemplates((message) => {
        if (message._tag === "Templates") Queue.offerUnsafe(messages, message.messages)
        else Queue.offerUnsafe(states, message.state)
      })
      return TemplateSource.of({
        messages: Stream.flattenArray(Stream.fromQueue(messages)),
        state: Stream.fromQueue(states),
        constrain: (constraints) => link.sendNow({ _tag: "Constrain", constraints }),
        submit: (solution) => link.sendNow({ _tag: "Solution", solution }),
        // A pool makes jobs of templates and declares none, so it never asks.
        transactions: (templateId) =>
          Effect.fail(
            new TransactionDataError({ templateId, reason: "disconnected", detail: "a worker has no provider" })
          )
      })
    })
  )

/** The primary's part: `follow` passes templates on to a worker, `receive` takes its solutions. */
export const makeTemplateRelay = Effect.fnUntraced(function* () {
  const source = yield* TemplateSource
  const start = yield* FiberSet.makeRuntime<never, void>()
  const wanted = new Map<number, CoinbaseConstraints>()
  return {
    follow: (worker: WorkerProcess) =>
      Effect.all(
        [
          Stream.runForEachArray(source.messages, (messages) =>
            Effect.sync(() => worker.send({ _tag: "Templates", messages }))
          ),
          Stream.runForEach(source.state, (state) => Effect.sync(() => worker.send({ _tag: "TemplateState", state })))
        ],
        { concurrency: "unbounded", discard: true }
      ),

    receive: (worker: WorkerProcess, message: ToPrimary): void => {
      if (message._tag === "Solution") start(source.submit(message.solution))
      if (message._tag !== "Constrain") return
      wanted.set(worker.number, message.constraints)
      start(source.constrain(most(Array.from(wanted.values()))))
    }
  }
})

/** The constraints with room for each of these. */
const most = (all: ReadonlyArray<CoinbaseConstraints>): CoinbaseConstraints => ({
  coinbaseOutputMaxAdditionalSize: Math.max(
    ...all.map(({ coinbaseOutputMaxAdditionalSize }) => coinbaseOutputMaxAdditionalSize)
  ),
  coinbaseOutputMaxAdditionalSigops: Math.max(
    ...all.map(({ coinbaseOutputMaxAdditionalSigops }) => coinbaseOutputMaxAdditionalSigops)
  )
})
