/** A server of miners whose numbers a test sets, and a monitor of it over HTTP on a free port. */
import type { ChannelStats, MiningServerEvent, MiningServerStats, PresentJob, UserStats } from "@sluice/mining-server"
import { type HttpOptions, layerHttp, Monitor, type Monitored, type MonitorOptions } from "@sluice/monitor"
import { ControlError } from "@sluice/mining-server"
import { Context, Effect, Layer, Logger, PubSub, Stream } from "effect"

/** An hour ago, so that all windows are whole. */
const NOW = Date.now() - 3_600_000

export const emptyStats: MiningServerStats = {
  startedAt: NOW,
  upstream: { _tag: "Connected", server: "stratum2+tcp://provider:8442" },
  height: 100,
  connections: 0,
  channels: { standard: 0, extended: 0 },
  users: 0,
  templates: 0,
  prevHashes: 0,
  accepted: 0,
  acceptedDifficulty: 0,
  refused: {},
  blocks: 0,
  bestDifficulty: 0,
  hashRates: { oneMinute: 0, fiveMinutes: 0, oneHour: 0, sinceStart: 0 },
  latency: { count: 0, last: 0, mean: 0, max: 0 },
  customJobs: { accepted: 0, refused: {} }
}

export const channelStats = (
  connectionId: number,
  userIdentity: string,
  rate = 1000,
  openedAt = NOW
): ChannelStats => ({
  channel: { connectionId, channelId: 2, kind: "extended", userIdentity },
  openedAt,
  accepted: rate,
  acceptedDifficulty: rate,
  refused: rate % 7 === 0 ? { "stale-share": 1 } : {},
  blocks: 0,
  bestDifficulty: rate,
  difficulty: 1,
  hashRates: { oneMinute: rate * 1e9, fiveMinutes: rate * 1e9, oneHour: rate * 1e9, sinceStart: rate * 1e9 }
})

/** A server with these channels, one user each. */
export class StandIn implements Omit<Monitored, "role"> {
  stats = emptyStats
  channels: ReadonlyArray<ChannelStats> = []
  job: PresentJob | undefined
  readonly done: Array<unknown> = []
  readonly published = Effect.runSync(PubSub.unbounded<MiningServerEvent>())

  readonly server: Monitored["server"] = {
    stats: Effect.sync(() => this.stats),
    notices: Stream.fromPubSub(this.published),
    presentJob: Effect.sync(() => this.job),
    channels: ({ limit, offset } = { limit: 100, offset: 0 }) =>
      Effect.sync(() => this.channels.slice(offset, offset + limit)),
    users: ({ limit, offset } = { limit: 100, offset: 0 }) =>
      Effect.sync(() => {
        const users = Array.from(this.#byUser(), ([user, channels]): UserStats => {
          const [first] = channels
          const { accepted, acceptedDifficulty, bestDifficulty, blocks, hashRates, refused } = first!
          const counts = { accepted, acceptedDifficulty, bestDifficulty, blocks, hashRates, refused }
          return { user, channels: channels.length, ...counts, firstSeenAt: NOW, lastShareAt: NOW }
        })
        return { total: users.length, offset, users: users.slice(offset, offset + limit) }
      }),
    closeChannel: (channel, reason) => this.#act({ close: channel, reason }, channel.connectionId),
    reconnect: (connectionId, to) => this.#act({ reconnect: connectionId, to }, connectionId)
  }

  readonly publish = (event: MiningServerEvent) =>
    Effect.andThen(PubSub.publish(this.published, event), Effect.sleep(1))

  #act(action: unknown, connectionId: number) {
    return Effect.suspend(() => {
      if (!this.channels.some(({ channel }) => channel.connectionId === connectionId)) {
        return Effect.fail(
          new ControlError({ connectionId, reason: "unknown-connection", message: "no such connection" })
        )
      }
      return Effect.sync(() => void this.done.push(action))
    })
  }

  #byUser() {
    return Map.groupBy(this.channels, ({ channel }) => channel.userIdentity.split(".")[0]!)
  }
}

/** Runs `use` with the URL of a monitor of this server. */
export const served = <A, E>(
  standIn: StandIn,
  options: Partial<HttpOptions> &
    MonitorOptions &
    Partial<Pick<Monitored, "role" | "configuration" | "chain" | "ledger">>,
  use: (url: string, monitor: Context.Service.Shape<typeof Monitor>) => Effect.Effect<A, E>
): Promise<A> =>
  Effect.gen(function* () {
    const { chain, configuration, ledger, role = "pool", ...rest } = options
    const monitored = {
      role,
      server: standIn.server,
      ...(configuration && { configuration }),
      ...(chain && { chain }),
      ...(ledger && { ledger })
    }
    const monitor = Context.get(yield* Layer.build(Monitor.layer(monitored, rest)), Monitor)
    let url = ""
    const http = layerHttp({ listen: { host: "127.0.0.1", port: 0 }, ...rest }, (at) =>
      Effect.sync(() => void (url = at))
    )
    yield* Layer.build(Layer.provide(http, Layer.succeed(Monitor, monitor)))
    return yield* use(url, monitor)
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])), Effect.runPromise)
