/** Passes messages on to any number of subscribers, each of which first gets a replay. Both kinds of `TemplateSource` use it. */
import { Array, Effect, PubSub, type Scope, Stream } from "effect"
import type { TemplateMessage } from "./template-source.ts"

export interface TemplateRelay {
  /** As `TemplateSource.messages`. */
  readonly messages: Stream.Stream<TemplateMessage>
  /**
   * Gives messages that `replay` contains from now on their place at once, so call it in the same turn as the change of that
   * state. The effect passes them on, and waits while a subscriber is far behind.
   */
  readonly publish: (messages: ReadonlyArray<TemplateMessage>) => Effect.Effect<void>
}

/** `replay` gives the messages that a new subscriber begins with. */
export const makeTemplateRelay = Effect.fnUntraced(function* (
  replay: () => ReadonlyArray<TemplateMessage>
): Effect.fn.Return<TemplateRelay, never, Scope.Scope> {
  const pubsub = yield* Effect.acquireRelease(PubSub.bounded<Numbered>(MAX_BEHIND), PubSub.shutdown)
  let lastNumber = 0

  const publish: TemplateRelay["publish"] = (messages) =>
    Array.isReadonlyArrayNonEmpty(messages)
      ? Effect.asVoid(PubSub.publish(pubsub, { number: ++lastNumber, messages }))
      : Effect.void

  const messages = Stream.unwrap(
    Effect.map(PubSub.subscribe(pubsub), (subscription) => {
      const replayed = replay()
      // The subscription may still deliver batches that the replay contains; their numbers tell.
      const lastReplayed = lastNumber
      const live = Stream.fromSubscription(subscription).pipe(
        Stream.filter(({ number }) => number > lastReplayed),
        Stream.map((batch) => batch.messages),
        Stream.flattenArray
      )
      return Stream.concat(Stream.fromArray(replayed), live)
    })
  )
  return { messages, publish }
})

interface Numbered {
  readonly number: number
  readonly messages: Array.NonEmptyReadonlyArray<TemplateMessage>
}

/** Batches that a subscriber may be behind before reading from the provider waits for it. */
const MAX_BEHIND = 256
