/** Events of a miner that a test waits for. */
import { Miner, type MinerEvent } from "@sluice/miner"
import { Effect, Stream } from "effect"

type EventOf<Tag extends MinerEvent["_tag"]> = Extract<MinerEvent, { _tag: Tag }>

/** Waits for the first event of a kind for which `wanted` is true. Earlier events count too. */
export const nextEvent = <Tag extends MinerEvent["_tag"]>(
  tag: Tag,
  wanted: (event: EventOf<Tag>) => boolean = () => true
): Effect.Effect<EventOf<Tag>, never, Miner> =>
  Effect.gen(function* () {
    const { events } = yield* Miner
    const first = yield* events.pipe(
      Stream.filter((event): event is EventOf<Tag> => event._tag === tag && wanted(event as EventOf<Tag>)),
      Stream.runHead
    )
    return yield* Effect.fromOption(first).pipe(Effect.orDie)
  })
