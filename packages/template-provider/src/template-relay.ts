/**
 * One provider's messages, passed on to any number of subscribers, each of which first gets a replay of the state. The
 * back of `TemplateClient` and of the source in memory.
 */
import { Array, Effect, PubSub, type Scope, Stream } from "effect"
import { KnownTemplates } from "./known-templates.ts"
import { TemplateProtocolError } from "./protocol-error.ts"
import type { TemplateMessage } from "./template-source.ts"

export interface TemplateRelay {
  /** As `TemplateSource.messages`. */
  readonly messages: Stream.Stream<TemplateMessage>
  /**
   * Passes on what follows from a batch (`KnownTemplates.add`), and waits while a subscriber is far behind. Fails, and
   * passes nothing on, if a message is not what a provider may send now.
   */
  readonly publish: (batch: ReadonlyArray<TemplateMessage>) => Effect.Effect<void, TemplateProtocolError>
  /** Forgets the state: another connection begins with its own. */
  readonly restart: Effect.Effect<void>
}

export const makeTemplateRelay: Effect.Effect<TemplateRelay, never, Scope.Scope> = Effect.gen(function* () {
  const pubsub = yield* Effect.acquireRelease(PubSub.bounded<Numbered>(MAX_BEHIND), PubSub.shutdown)
  let known = new KnownTemplates()
  let lastNumber = 0

  const publish: TemplateRelay["publish"] = Effect.fnUntraced(function* (batch) {
    const messages = yield* Effect.try({
      try: () => batch.flatMap((message) => known.add(message)),
      catch: (error) => error as TemplateProtocolError
    })
    if (!Array.isReadonlyArrayNonEmpty(messages)) return
    yield* PubSub.publish(pubsub, { number: ++lastNumber, messages })
  })

  const messages = Stream.unwrap(
    Effect.map(PubSub.subscribe(pubsub), (subscription) => {
      const replay = known.replay()
      // What is in the replay may still be on its way through the subscription: its number tells.
      const replayed = lastNumber
      const live = Stream.fromSubscription(subscription).pipe(
        Stream.filter(({ number }) => number > replayed),
        Stream.map((batch) => batch.messages),
        Stream.flattenArray
      )
      return Stream.concat(Stream.fromArray(replay), live)
    })
  )

  const restart = Effect.sync(() => {
    known = new KnownTemplates()
  })
  return { messages, publish, restart }
})

interface Numbered {
  readonly number: number
  readonly messages: Array.NonEmptyReadonlyArray<TemplateMessage>
}

/** Batches that a subscriber may be behind before reading from the provider waits for it. */
const MAX_BEHIND = 256
