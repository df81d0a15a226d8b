/** Logs the events of a server of miners for its operator. */
import { type ChannelRefused, EXTRANONCE_SPACE_EXHAUSTED, TOO_MANY_CHANNELS } from "@sluice/channels"
import type { MiningServerCalls, MiningServerEvent } from "@sluice/mining-server"
import { formatEndpoint, makeThrottledLog, type ThrottledLog } from "@sluice/transport"
import { Effect, Stream } from "effect"

/** Logs connections and channels: the first event of a kind at once, then one line every ten seconds. Logs shares if asked to. */
export const logEvents = Effect.fnUntraced(function* (
  { events, notices }: Pick<MiningServerCalls, "events" | "notices">,
  withShares: boolean,
  whyRefused: WhyRefused = () => ""
) {
  const throttled = yield* makeThrottledLog()
  const log = (batch: ReadonlyArray<MiningServerEvent>): Effect.Effect<void> =>
    Effect.forEach(batch, (event) => logEvent(event, throttled, whyRefused), { discard: true })
  yield* Effect.forkScoped(Stream.runForEachArray(withShares ? events : notices, log))
})

/** What to add to the log line of a refused channel. */
type WhyRefused = (event: ChannelRefused) => string

const logEvent = (event: MiningServerEvent, throttled: ThrottledLog, whyRefused: WhyRefused): Effect.Effect<void> => {
  switch (event._tag) {
    case "ConnectionOpened":
      return throttled.log(
        event._tag,
        `${formatEndpoint(event.remote)} connected: ${event.device.vendor || "unknown device"}`
      )
    case "ConnectionClosed":
      return throttled.log(event._tag, `${formatEndpoint(event.remote)} disconnected: ${event.reason}`)
    case "ChannelOpened": {
      const { channelId, kind, userIdentity } = event.channel
      const at = `at difficulty ${event.difficulty.toPrecision(3)}`
      return throttled.log(event._tag, `${userIdentity} opened ${kind} channel ${channelId} ${at}`)
    }
    case "ChannelRefused":
      // The server itself logs which limit was reached.
      if (event.errorCode === TOO_MANY_CHANNELS || event.errorCode === EXTRANONCE_SPACE_EXHAUSTED) {
        return Effect.void
      }
      return throttled.log(event._tag, `${event.userIdentity} gets no channel: ${event.errorCode}${whyRefused(event)}`)
    case "CustomJobSet": {
      const { channel, channels, height } = event
      const group = channels === 1 ? "" : `, for ${channels} channels`
      return throttled.log(event._tag, `${channel.userIdentity} set a job of its own for block ${height}${group}`)
    }
    case "ShareAccepted":
      return Effect.logDebug(`Accepted a share of ${event.channel.userIdentity}`, { difficulty: event.hashDifficulty })
    case "ShareRefused":
      return Effect.logDebug(`Refused a share of channel ${event.channelId}: ${event.errorCode}`)
    default:
      return Effect.void
  }
}
