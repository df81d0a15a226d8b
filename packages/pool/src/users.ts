/**
 * What each user and each open channel has done. Users who are connected are all known; of those who left, the last ones,
 * as many as `maxIdleUsers`, so that names made up by somebody do not fill the memory.
 */
import { printable } from "@sluice/protocol"
import type { Server } from "@sluice/channels"
import type { PoolEvent } from "./event.ts"
import { parseUserIdentity } from "./user.ts"
import { type HashRates, WorkWindows } from "./work-windows.ts"

/** Counts of all channels of one user since the pool first saw it. */
export interface UserStats {
  /** What stands before the first dot of the identity, but for control characters. */
  readonly user: string
  /** Open now. */
  readonly channels: number
  readonly accepted: number
  /** Sum of the difficulties of accepted shares. */
  readonly acceptedDifficulty: number
  /** Refused shares by error code. */
  readonly refused: Readonly<Record<string, number>>
  readonly blocks: number
  /** Difficulty of the best hash so far; 0 before the first share. */
  readonly bestDifficulty: number
  readonly hashRates: HashRates
  /** Milliseconds since 1970. */
  readonly firstSeenAt: number
  readonly lastShareAt: number | undefined
}

/** An open channel's counts, with its hash rates. */
export interface ChannelStats extends Server.ChannelStats {
  readonly hashRates: HashRates
}

export class Users {
  readonly #users = new Map<string, User>()
  /** Those without a channel, the one that left first in front. */
  readonly #idle = new Map<string, User>()
  readonly #channels = new Map<Server.ChannelInfo, OpenChannel>()
  readonly #maxIdle: number

  constructor(maxIdleUsers: number) {
    this.#maxIdle = maxIdleUsers
  }

  /** How many are known. */
  get size(): number {
    return this.#users.size
  }

  record(event: PoolEvent, now: number): void {
    switch (event._tag) {
      case "ChannelOpened": {
        const name = parseUserIdentity(event.channel.userIdentity).user
        const user = this.#users.get(name) ?? new User(name, now)
        this.#users.set(name, user)
        this.#idle.delete(name)
        user.channels++
        this.#channels.set(event.channel, { user, work: new WorkWindows(now) })
        return
      }
      case "ShareAccepted": {
        const channel = this.#channels.get(event.channel)
        channel?.work.add(event.difficulty, now)
        channel?.user.accept(event, now)
        return
      }
      case "ShareRefused":
        if (event.channel !== undefined) this.#channels.get(event.channel)?.user.refuse(event.errorCode)
        return
      case "BlockFound": {
        const channel = this.#channels.get(event.channel)
        if (channel !== undefined) channel.user.blocks++
        return
      }
      case "ChannelClosed": {
        const user = this.#channels.get(event.channel)?.user
        this.#channels.delete(event.channel)
        if (user === undefined || --user.channels > 0) return
        this.#idle.set(user.name, user)
        if (this.#idle.size <= this.#maxIdle) return
        const oldest = this.#idle.keys().next().value!
        this.#idle.delete(oldest)
        this.#users.delete(oldest)
      }
    }
  }

  stats(now: number): ReadonlyArray<UserStats> {
    return Array.from(this.#users.values(), (user) => user.stats(now))
  }

  /** A channel's counts with what is known of it here. */
  withRates(stats: Server.ChannelStats, now: number): ChannelStats {
    const work = this.#channels.get(stats.channel)?.work ?? new WorkWindows(now)
    return { ...stats, hashRates: work.rates(now) }
  }
}

interface OpenChannel {
  readonly user: User
  readonly work: WorkWindows
}

class User {
  readonly name: string
  channels = 0
  blocks = 0
  #accepted = 0
  #acceptedDifficulty = 0
  #bestDifficulty = 0
  readonly #refused: Record<string, number> = {}
  readonly #work: WorkWindows
  readonly #firstSeenAt: number
  #lastShareAt: number | undefined

  constructor(name: string, now: number) {
    this.name = name
    this.#work = new WorkWindows(now)
    this.#firstSeenAt = now
  }

  accept({ difficulty, hashDifficulty }: Server.ShareAccepted, now: number): void {
    this.#accepted++
    this.#acceptedDifficulty += difficulty
    if (hashDifficulty > this.#bestDifficulty) this.#bestDifficulty = hashDifficulty
    this.#lastShareAt = now
    this.#work.add(difficulty, now)
  }

  refuse(errorCode: string): void {
    this.#refused[errorCode] = (this.#refused[errorCode] ?? 0) + 1
  }

  stats(now: number): UserStats {
    return {
      user: printable(this.name),
      channels: this.channels,
      accepted: this.#accepted,
      acceptedDifficulty: this.#acceptedDifficulty,
      refused: { ...this.#refused },
      blocks: this.blocks,
      bestDifficulty: this.#bestDifficulty,
      hashRates: this.#work.rates(now),
      firstSeenAt: this.#firstSeenAt,
      lastShareAt: this.#lastShareAt
    }
  }
}
