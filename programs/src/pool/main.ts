/** `sluice pool`: a mining pool, client of a template provider and server of miners and proxies. */
import { type ChannelRefused, EXTRANONCE_SPACE_EXHAUSTED, TOO_MANY_CHANNELS } from "@sluice/channels"
import { Pool, type PoolOptions } from "@sluice/pool"
import { JobIds, minerPayout, openShareLog, type MiningServerEvent } from "@sluice/mining-server"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatEndpoint,
  makeThrottledLog,
  MiningListener,
  type ThrottledLog,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Effect, Layer, Result, Stream } from "effect"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { warnOfCoinbase, withV1 } from "../server/v1.ts"
import { coinbaseSizeOf, optionsOf, PoolConfig } from "./config.ts"
import { statisticsPages } from "./statistics.ts"

export const pool = program({
  ...PoolConfig,
  description: summaries.pool,
  run: Effect.fnUntraced(function* (config) {
    const shareSinks = config.shareLog === undefined ? [] : [yield* openShareLog(config.shareLog)]
    yield* warnOfCoinbase(config, coinbaseSizeOf(config))
    const options: PoolOptions = { ...optionsOf(config), shareSinks }
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    return yield* Layer.merge(logEvents(withShares, options), layerPages(config)).pipe(
      Layer.provide(Pool.layer(options)),
      Layer.provide([
        withV1(
          "pool",
          config,
          Setup.server(MiningListener).pipe(
            Layer.provide(secured("pool", { handshakeThreads: defaultHandshakeThreads, ...config }))
          )
        ),
        TemplateClient.layer({ servers: config.templateProvider }).pipe(
          Layer.provide(Setup.client(TemplateDialer)),
          Layer.provide(Security.dialer()),
          Layer.provide(layerCurveNamed(config.curve)),
          Layer.provide(Tcp.dialer)
        ),
        config.stateFile === undefined ? Layer.empty : JobIds.layerFile(config.stateFile)
      ]),
      Layer.launch
    )
  }, Effect.scoped)
})

/** For a refused channel of a solo pool: why the user identity cannot be paid, if that is the reason. */
const unpaid = ({ errorCode, userIdentity }: ChannelRefused, { chain, solo }: PoolOptions): string => {
  if (solo === undefined || errorCode !== "invalid-user-identity") return ""
  const script = minerPayout(userIdentity, chain)
  return Result.isFailure(script) ? `: ${script.failure}` : ""
}

const layerPages = (config: MetricsConfig) =>
  Layer.unwrap(Effect.map(Pool, (pool) => layerMetrics(config, statisticsPages(pool))))

/** Logs connections and channels: the first event of a kind at once, then one line every ten seconds. Logs shares if asked to. */
const logEvents = (withShares: boolean, options: PoolOptions) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { events } = yield* Pool
      const throttled = yield* makeThrottledLog()
      const log = (batch: ReadonlyArray<MiningServerEvent>): Effect.Effect<void> =>
        Effect.forEach(
          withShares ? batch : batch.filter((event) => event._tag !== "ShareAccepted" && event._tag !== "ShareRefused"),
          (event) => logEvent(event, throttled, options),
          { discard: true }
        )
      yield* Effect.forkScoped(Stream.runForEachArray(events, log))
    })
  )

const logEvent = (event: MiningServerEvent, throttled: ThrottledLog, options: PoolOptions): Effect.Effect<void> => {
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
      // The pool itself logs which limit was reached.
      if (event.errorCode === TOO_MANY_CHANNELS || event.errorCode === EXTRANONCE_SPACE_EXHAUSTED) {
        return Effect.void
      }
      return throttled.log(
        event._tag,
        `${event.userIdentity} gets no channel: ${event.errorCode}${unpaid(event, options)}`
      )
    case "ShareAccepted":
      return Effect.logDebug(`Accepted a share of ${event.channel.userIdentity}`, { difficulty: event.hashDifficulty })
    case "ShareRefused":
      return Effect.logDebug(`Refused a share of channel ${event.channelId}: ${event.errorCode}`)
    default:
      return Effect.void
  }
}
