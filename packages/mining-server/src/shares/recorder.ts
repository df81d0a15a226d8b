/** Records all events of a server: counts them, publishes them to subscribers, and logs refusals by a limit. Submits blocks. */
import {
  type BlockFound,
  CustomJobOrigin,
  type CustomJobRefused,
  EXTRANONCE_SPACE_EXHAUSTED,
  TOO_MANY_CHANNELS,
  type SourceShare,
  TOO_MANY_SHARES_PER_SECOND
} from "@sluice/channels"
import { ErrorCode, printable } from "@sluice/protocol"
import type { ThrottledLog } from "@sluice/transport"
import { Effect, FiberSet, PubSub, type Scope, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { MiningServerEvent } from "../event.ts"
import type { MiningServerRules } from "../options.ts"
import type { Projection } from "../statistics/projection.ts"
import type { WorkSource } from "../work-source/work-source.ts"

/** How many batches of events may wait for a slow subscriber. */
const EVENT_BUFFER = 4096

export interface Recorder {
  /** Events from the moment of subscription on; a subscriber that is far behind misses the oldest. */
  readonly events: Stream.Stream<MiningServerEvent>
  /** The same without those of single shares. */
  readonly notices: Stream.Stream<MiningServerEvent>
  /** Starts to submit the blocks among the events, and the shares that the source of work wants. */
  readonly submitBlocks: (events: ReadonlyArray<MiningServerEvent>) => void
  /** Counts and publishes events. Returns `Effect.void` itself if there is nothing to wait for. */
  readonly record: (events: ReadonlyArray<MiningServerEvent>) => Effect.Effect<unknown>
  /** Waits until all blocks are submitted. */
  readonly submitted: Effect.Effect<void>
}

export const makeRecorder = Effect.fnUntraced(function* (
  { customWork, maxChannelsInAll, maxChannelsPerAddress, policy }: MiningServerRules,
  to: {
    readonly projection: Projection
    readonly throttled: ThrottledLog
    readonly source: WorkSource["Service"]
    readonly now: () => number
  }
): Effect.fn.Return<Recorder, never, Scope.Scope> {
  const { throttled, projection, source } = to
  const makePublished = Effect.acquireRelease(
    PubSub.sliding<NonEmptyReadonlyArray<MiningServerEvent>>(EVENT_BUFFER),
    PubSub.shutdown
  )
  const [published, withoutShares] = [yield* makePublished, yield* makePublished]
  const submissions = yield* FiberSet.make<void>()
  const startSubmission = yield* FiberSet.runtime(submissions)()
  /** Log lines for refusals by a limit that an option sets, by error code. */
  const limits: ReadonlyMap<string, string> = new Map([
    [TOO_MANY_CHANNELS, `gets no channel: its connection has ${policy.maxChannels} already (maxChannels)`],
    [
      EXTRANONCE_SPACE_EXHAUSTED,
      `gets no channel: there are ${maxChannelsInAll} in all (maxChannelsInAll) or ${maxChannelsPerAddress} of its ` +
        `address (maxChannelsPerAddress)`
    ],
    [
      TOO_MANY_SHARES_PER_SECOND,
      `sends more than ${policy.maxSharesPerSecond} good shares a second for each channel of its connection ` +
        `(maxSharesPerSecond); the server refuses the others, except blocks`
    ]
  ])

  const note = ({ channel, hash, height, refusal }: BlockFound): Effect.Effect<void> => {
    const user = printable(channel.userIdentity)
    return refusal === undefined
      ? Effect.logInfo("A miner found a block", { height, hash, user })
      : throttled.log(
          "late block",
          `Block ${height}, ${hash}, of ${user} was submitted late: the share is refused as ${refusal}, but it meets the ` +
            `target of its own previous hash; the node decides whether the block counts`,
          "Warn"
        )
  }

  const noteRefusedJob = ({ channel, channelId, errorCode, reason }: CustomJobRefused): Effect.Effect<void> => {
    const user = channel === undefined ? `channel ${channelId}` : printable(channel.userIdentity)
    // A job for the block before was on its way when the new block came.
    const level = errorCode === ErrorCode.setCustomMiningJob.staleChainTip ? "Info" : "Warn"
    return throttled.log(`custom job: ${errorCode}`, `A job of ${user} is refused as ${errorCode}: ${reason}`, level)
  }

  return {
    events: Stream.flattenArray(Stream.fromPubSub(published)),
    notices: Stream.flattenArray(Stream.fromPubSub(withoutShares)),
    submitted: FiberSet.awaitEmpty(submissions),

    submitBlocks: (events) => {
      const found: Array<SourceShare> = []
      const blocks: Array<BlockFound> = []
      for (const event of events) {
        if (event._tag !== "BlockFound" && event._tag !== "ShareForSource") continue
        if (event._tag === "BlockFound" && event.found.job.origin instanceof CustomJobOrigin) {
          const submitted = customWork === undefined ? Effect.void : customWork.submit(event.found)
          startSubmission(Effect.andThen(submitted, note(event)))
          continue
        }
        found.push(event.found)
        if (event._tag === "BlockFound") blocks.push(event)
      }
      if (!isReadonlyArrayNonEmpty(found)) return
      const submitted = source.submit(found)
      startSubmission(
        blocks.length === 0 ? submitted : Effect.andThen(submitted, Effect.forEach(blocks, note, { discard: true }))
      )
    },

    record: (events) => {
      if (!isReadonlyArrayNonEmpty(events)) return Effect.void
      const at = to.now()
      const limited: Array<{ readonly errorCode: string; readonly user: string }> = []
      const refusedJobs: Array<CustomJobRefused> = []
      for (const event of events) {
        projection.record(event, at)
        if (event._tag === "ShareRefused") {
          const { channel, errorCode } = event
          if (channel !== undefined && limits.has(errorCode)) {
            limited.push({ errorCode, user: printable(channel.userIdentity) })
          }
        } else if (event._tag === "ChannelRefused" && limits.has(event.errorCode)) {
          limited.push({ errorCode: event.errorCode, user: event.userIdentity })
        } else if (event._tag === "CustomJobRefused") {
          refusedJobs.push(event)
        }
      }
      let publish = publishTo(published, events)
      const notices = events.every(isOfShare) ? NONE : events.filter((event) => !isOfShare(event))
      if (isReadonlyArrayNonEmpty(notices)) {
        const noticed = publishTo(withoutShares, notices)
        if (noticed !== Effect.void) publish = Effect.andThen(publish, noticed)
      }
      if (limited.length === 0 && refusedJobs.length === 0) return publish
      const noteLimit = ({ errorCode, user }: (typeof limited)[number]) =>
        throttled.log(errorCode, `${user} ${limits.get(errorCode)}`, "Warn")
      return Effect.forEach(limited, noteLimit, { discard: true }).pipe(
        Effect.andThen(Effect.forEach(refusedJobs, noteRefusedJob, { discard: true })),
        Effect.andThen(publish)
      )
    }
  }
})

const NONE: ReadonlyArray<MiningServerEvent> = []

const isOfShare = ({ _tag }: MiningServerEvent): boolean => _tag === "ShareAccepted" || _tag === "ShareRefused"

/** Publishes at once. If a slow subscriber keeps it full, that takes an Effect; otherwise returns `Effect.void` itself. */
const publishTo = <A>(published: PubSub.PubSub<A>, value: A): Effect.Effect<unknown> =>
  PubSub.publishUnsafe(published, value) ? Effect.void : PubSub.publish(published, value)
