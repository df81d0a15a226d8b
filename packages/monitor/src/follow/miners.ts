/**
 * Channels, users, workers and connections at a moment, taken from the statistics of the server. Lists are views of one such
 * picture, so that any number of readers costs the server one walk over its channels every few seconds.
 */
import { type ChannelStats, parseUserIdentity, type UserStats } from "@sluice/mining-server"
import { Clock, Effect } from "effect"
import { hashRate } from "../api/hash-rate.ts"
import type { ChannelView, ConnectionView, UserView, WorkerView } from "../api/miners.ts"
import type { Monitored, MonitoredServer } from "../monitored.ts"
import type { Followed, Peer } from "./followed.ts"
import { inSteps } from "./steps.ts"
import { printable } from "@sluice/protocol"

/** A picture this young is shown to the next reader too. */
const FRESH_MS = 2000
export interface Picture {
  readonly at: number
  readonly channels: ReadonlyArray<ChannelView>
  readonly users: ReadonlyArray<UserView>
  readonly workers: ReadonlyArray<WorkerView>
  /** Open connections, also those without a channel. */
  readonly connections: ReadonlyArray<ConnectionView>
}

export class Miners {
  readonly #monitored: Pick<Monitored, "server">
  readonly #followed: Followed
  #picture: Picture | undefined
  #taking: Effect.Effect<Picture> | undefined

  constructor(monitored: Pick<Monitored, "server">, followed: Followed) {
    this.#monitored = monitored
    this.#followed = followed
  }

  /** A picture that is at most two seconds old. Readers who come while it is taken get the same one. */
  get picture(): Effect.Effect<Picture> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      if (this.#picture !== undefined && now >= this.#picture.at && now - this.#picture.at < FRESH_MS) {
        return this.#picture
      }
      if (this.#taking === undefined) {
        const taking = Effect.ensuring(
          this.#take(now),
          Effect.sync(() => (this.#taking = undefined))
        )
        this.#taking = yield* Effect.cached(Effect.uninterruptible(taking))
      }
      return yield* this.#taking
    })
  }

  readonly #take = Effect.fnUntraced(function* (this: Miners, now: number) {
    const { channels: openChannels, stats, users } = this.#monitored.server
    const { connections: open } = yield* stats
    const everyone = yield* users(ALL)
    const channels: Array<ChannelView> = []
    yield* inSteps(yield* openChannels(ALL), (channel) => channels.push(channelView(channel, now)))
    const byConnection = new Map<number, Array<ChannelView>>()
    const workers = new Map<string, WorkerView>()
    yield* inSteps(channels, (channel) => {
      addToWorker(workers, channel)
      const others = byConnection.get(channel.connectionId)
      if (others === undefined) byConnection.set(channel.connectionId, [channel])
      else others.push(channel)
    })
    const shown: Array<UserView> = []
    yield* inSteps(everyone.users, (one) => shown.push(userView(one, now)))
    this.#followed.forget(open, new Set(byConnection.keys()))
    const { peers } = this.#followed
    const connections: Array<ConnectionView> = []
    yield* inSteps(new Set([...peers.keys(), ...byConnection.keys()]), (connectionId) =>
      connections.push(connectionView(connectionId, peers.get(connectionId), byConnection.get(connectionId) ?? []))
    )
    return (this.#picture = {
      at: now,
      channels,
      users: shown,
      workers: Array.from(workers.values()),
      connections
    })
  }).bind(this)
}

/** Calls a function with each open channel of a server. */
export const eachChannelOf = (server: MonitoredServer): NonNullable<MonitoredServer["eachChannel"]> =>
  server.eachChannel ?? ((look) => Effect.flatMap(server.channels(ALL), (all) => inSteps(all, look)))

const ALL = { limit: Number.MAX_SAFE_INTEGER, offset: 0 }

const FIVE_MINUTES = 300

const countsOf = (stats: ChannelStats | UserStats, since: number, now: number) => {
  const { accepted, acceptedDifficulty, bestDifficulty, blocks, hashRates, refused } = stats
  const seconds = Math.min(FIVE_MINUTES, Math.max(1, (now - since) / 1000))
  return {
    accepted,
    acceptedDifficulty,
    refused: sum(Object.values(refused)),
    refusedByCode: refused,
    blocks,
    bestDifficulty,
    hashRate: hashRate(hashRates.fiveMinutes, seconds, accepted === 0 ? 0 : acceptedDifficulty / accepted),
    hashRateHour: hashRates.oneHour
  }
}

export const channelView = (stats: ChannelStats, now: number): ChannelView => {
  const { channelId, connectionId, kind, userIdentity } = stats.channel
  const { difficulty, openedAt } = stats
  return {
    connectionId,
    channelId,
    kind,
    worker: printable(userIdentity),
    openedAt,
    difficulty,
    hashRateMinute: stats.hashRates.oneMinute,
    ...countsOf(stats, openedAt, now)
  }
}

const userView = (stats: UserStats, now: number): UserView => {
  const { channels, firstSeenAt, lastShareAt, user } = stats
  return { user: printable(user), channels, firstSeenAt, lastShareAt, ...countsOf(stats, firstSeenAt, now) }
}

const addToWorker = (workers: Map<string, WorkerView>, channel: ChannelView): void => {
  const { accepted, bestDifficulty, difficulty, hashRate, hashRateHour, openedAt, refused, worker } = channel
  const other = workers.get(worker)
  workers.set(
    worker,
    other === undefined
      ? {
          worker,
          user: parseUserIdentity(worker).user,
          channels: 1,
          accepted,
          refused,
          bestDifficulty,
          difficulty,
          hashRate,
          hashRateHour,
          connectedSince: openedAt
        }
      : {
          ...other,
          channels: other.channels + 1,
          accepted: other.accepted + accepted,
          refused: other.refused + refused,
          bestDifficulty: Math.max(other.bestDifficulty, bestDifficulty),
          difficulty: Math.max(other.difficulty, difficulty),
          hashRate: together(other.hashRate, hashRate),
          hashRateHour: other.hashRateHour + hashRateHour,
          connectedSince: Math.min(other.connectedSince, openedAt)
        }
  )
}

/** The rate of two channels together. */
export const together = (a: WorkerView["hashRate"], b: WorkerView["hashRate"]): WorkerView["hashRate"] => {
  const hashesPerSecond = a.hashesPerSecond + b.hashesPerSecond
  // The errors of the two are independent, so their squares add up.
  const below = Math.hypot(a.hashesPerSecond - a.low, b.hashesPerSecond - b.low)
  const above = Math.hypot(a.high - a.hashesPerSecond, b.high - b.hashesPerSecond)
  return {
    hashesPerSecond,
    windowSeconds: Math.max(a.windowSeconds, b.windowSeconds),
    shares: a.shares + b.shares,
    low: Math.max(0, hashesPerSecond - below),
    high: hashesPerSecond + above
  }
}

const connectionView = (
  connectionId: number,
  peer: Peer | undefined,
  channels: ReadonlyArray<ChannelView>
): ConnectionView => ({
  connectionId,
  openedAt: peer?.openedAt ?? null,
  remote: peer?.remote ?? null,
  vendor: peer?.device.vendor ?? null,
  hardware: peer?.device.hardwareVersion ?? null,
  firmware: peer?.device.firmware ?? null,
  channels: channels.length,
  hashesPerSecond: sum(channels.map(({ hashRate }) => hashRate.hashesPerSecond))
})

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)
