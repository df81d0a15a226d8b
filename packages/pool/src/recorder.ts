/** Where everything that happens in a pool is taken note of: counts, users, metrics, subscribers, and the blocks on their way. */
import { Server, solutionOf } from "@sluice/channels"
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
  /** Refusals of channels and shares that are limits of the operator's, by error code. */
  const limits: ReadonlyMap<string, string> = new Map([
    [Server.TOO_MANY_CHANNELS, `gets no channel: its connection has ${policy.maxChannels} already (max-channels)`],
    [
      Server.EXTRANONCE_SPACE_EXHAUSTED,
      `gets no channel: there are ${maxChannelsInAll} in all (max-channels-in-all) or ${maxChannelsPerAddress} of its ` +
        `address (max-channels-per-address)`
    ],
    [
      Server.TOO_MANY_SHARES_PER_SECOND,
      `sends more than ${policy.maxSharesPerSecond} good shares a second for each channel of its connection ` +
        `(max-shares-per-second); those beyond are refused, but for blocks`
    ]
  ])

  const submit = ({ channel, found, hash, height, refusal }: Server.BlockFound): Effect.Effect<void> =>
    Effect.andThen(
      source.submit(solutionOf(found)),
      refusal === undefined
        ? Effect.logInfo("A miner found a block", { height, hash, user: printable(channel.userIdentity) })
        : notices.note(
            "late block",
            `Block ${height}, ${hash}, of ${printable(channel.userIdentity)} was submitted late: the share is refused as ` +
              `${refusal}, but it meets the target of its own previous hash; the node decides what it is worth`,
            "Warn"
          )
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
      const limited: Array<{ readonly errorCode: string; readonly user: string }> = []
      for (const event of happened) {
        counters.count(event, at)
        users.record(event, at)
        if (event._tag === "BlockFound") startSubmission(submit(event))
        else if (event._tag === "ShareRefused") {
          metrics.shareRefused(event.errorCode)
          const { channel, errorCode } = event
          if (channel !== undefined && limits.has(errorCode)) {
            limited.push({ errorCode, user: printable(channel.userIdentity) })
          }
        } else if (event._tag === "ChannelRefused") {
          metrics.channelRefused(event.errorCode)
          if (limits.has(event.errorCode)) limited.push({ errorCode: event.errorCode, user: event.userIdentity })
        }
      }
      const publish = PubSub.publish(published, happened)
      if (limited.length === 0) return publish
      const note = ({ errorCode, user }: (typeof limited)[number]) =>
        notices.note(errorCode, `${user} ${limits.get(errorCode)}`, "Warn")
      return Effect.andThen(Effect.forEach(limited, note, { discard: true }), publish)
    }
  }
})
