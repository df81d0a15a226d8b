/** Where everything that happens in a pool is taken note of: counts, users, metrics, subscribers, and the blocks on their way. */
import { Server } from "@sluice/channels"
import { printable } from "@sluice/protocol"
import type { TemplateSource } from "@sluice/template-provider"
import type { Notices } from "@sluice/transport"
import { Effect, FiberSet, PubSub, type Scope, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { PoolEvent } from "./event.ts"
import type { PoolMetrics } from "./metrics.ts"
import type { PoolOptions, PoolRules } from "./options.ts"
import type { PoolCounters } from "./stats.ts"
import type { Users } from "./users.ts"

/** Reads of sockets whose events wait for a slow subscriber. */
const EVENT_BUFFER = 4096

export interface Recorder {
  /** From the moment of subscription on; a subscriber that is far behind misses the oldest. */
  readonly events: Stream.Stream<PoolEvent>
  /** Puts accepted shares on record; throws where they cannot be. */
  readonly keepShares: (happened: ReadonlyArray<PoolEvent>) => void
  /** Takes note of events; a block is on its way when this returns. `Effect.void` if there is nothing to wait for. */
  readonly record: (happened: ReadonlyArray<PoolEvent>) => Effect.Effect<unknown>
  /** Waits until the blocks are with the template provider. */
  readonly submitted: Effect.Effect<void>
}

export const makeRecorder = Effect.fnUntraced(function* (
  { onShare, onShares }: PoolOptions,
  { maxChannelsInAll, maxChannelsPerAddress, policy }: PoolRules,
  to: {
    readonly counters: PoolCounters
    readonly users: Users
    readonly metrics: PoolMetrics
    readonly notices: Notices
    readonly source: TemplateSource["Service"]
    readonly now: () => number
  }
): Effect.fn.Return<Recorder, never, Scope.Scope> {
  const { counters, metrics, notices, source, users } = to
  const published = yield* Effect.acquireRelease(
    PubSub.sliding<NonEmptyReadonlyArray<PoolEvent>>(EVENT_BUFFER),
    PubSub.shutdown
  )
  const submissions = yield* FiberSet.make<void>()
  const startSubmission = yield* FiberSet.runtime(submissions)()
  /** Refusals that are limits of the operator's, by error code. */
  const channelLimits: ReadonlyMap<string, string> = new Map([
    [Server.TOO_MANY_CHANNELS, `its connection has ${policy.maxChannels} already (max-channels)`],
    [
      Server.EXTRANONCE_SPACE_EXHAUSTED,
      `there are ${maxChannelsInAll} in all (max-channels-in-all) or ${maxChannelsPerAddress} of its address ` +
        `(max-channels-per-address)`
    ]
  ])

  const submit = ({ channel, hash, height, solution }: Server.BlockFound): Effect.Effect<void> =>
    Effect.andThen(
      source.submit(solution),
      Effect.logInfo("A miner found a block", { height, hash, user: printable(channel.userIdentity) })
    )

  return {
    events: Stream.flattenArray(Stream.fromPubSub(published)),
    submitted: FiberSet.awaitEmpty(submissions),

    keepShares: (happened) => {
      if (onShares === undefined && onShare === undefined) return
      const shares = happened.filter((event) => event._tag === "ShareAccepted")
      if (!isReadonlyArrayNonEmpty(shares)) return
      onShares?.(shares)
      if (onShare !== undefined) for (const share of shares) onShare(share)
    },

    record: (happened) => {
      if (!isReadonlyArrayNonEmpty(happened)) return Effect.void
      const at = to.now()
      let noted: Effect.Effect<void> | undefined
      for (const event of happened) {
        counters.count(event, at)
        users.record(event, at)
        if (event._tag === "ShareRefused") metrics.shareRefused(event.errorCode)
        else if (event._tag === "ChannelRefused") {
          metrics.channelRefused(event.errorCode)
          const limit = channelLimits.get(event.errorCode)
          if (limit === undefined) continue
          const note = notices.note(event.errorCode, `${event.userIdentity} gets no channel: ${limit}`, "Warn")
          noted = noted === undefined ? note : Effect.andThen(noted, note)
        } else if (event._tag === "BlockFound") startSubmission(submit(event))
      }
      const publish = PubSub.publish(published, happened)
      return noted === undefined ? publish : Effect.andThen(noted, publish)
    }
  }
})
