/**
 * What each user and each open channel has done. Users who are connected are all known; of those who left, the last ones,
 * as many as `maxIdleUsers`, so that names made up by somebody do not fill the memory. Users without an accepted share are
 * forgotten first, so that such names do not push out those who mined.
 */
import type { Server } from "@sluice/channels"
import { Schema } from "effect"
import type { MiningServerEvent } from "../event.ts"
import { parseUserIdentity } from "../user.ts"
import { HashRates, WorkWindows } from "./work-windows.ts"

/** Counts of all channels of one user since the pool first saw it. Times in milliseconds since 1970. */
export const UserStats = Schema.Struct({
  /** What stands before the first dot of the identity. Each byte of it that is not UTF-8 is a lone surrogate. */
  user: Schema.String,
  /** Open now. */
  channels: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties of accepted shares. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  blocks: Schema.Finite,
  /** Difficulty of the best hash so far; 0 before the first share. */
  bestDifficulty: Schema.Finite,
  hashRates: HashRates,
  firstSeenAt: Schema.Finite,
  /** 0 before the first share. */
  lastShareAt: Schema.Finite
})
export type UserStats = typeof UserStats.Type

/** An open channel's counts. Times in milliseconds since 1970. */
export const ChannelStats = Schema.Struct({
  channel: Schema.Struct({
    /** As the pool numbers its connections, from 1 on. */
    connectionId: Schema.Finite,
    /** Unique on its connection. */
    channelId: Schema.Finite,
    kind: Schema.Literals(["standard", "extended"]),
    userIdentity: Schema.String
  }),
  openedAt: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties of accepted shares. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  blocks: Schema.Finite,
  /** Difficulty of the best hash so far; 0 before the first share. */
  bestDifficulty: Schema.Finite,
  /** Of the target sent last. */
  difficulty: Schema.Finite,
  hashRates: HashRates
})
export type ChannelStats = typeof ChannelStats.Type

export class Users {
  readonly #users = new Map<string, User>()
  /** Those without a channel, the one that left first in front: users without an accepted share, and others. */
  readonly #strangers = new Set<User>()
  readonly #idle = new Set<User>()
  readonly #channels = new Map<Server.ChannelInfo, OpenChannel>()
  readonly #maxIdle: number

  constructor(maxIdleUsers: number) {
    this.#maxIdle = maxIdleUsers
  }

  /** How many are known. */
  get size(): number {
    return this.#users.size
  }

  /** All that are known, in the order in which they were first seen. */
  values(): Iterable<User> {
    return this.#users.values()
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
  }

  record(event: MiningServerEvent, now: number): void {
    switch (event._tag) {
      case "ChannelOpened": {
        const name = parseUserIdentity(event.channel.userIdentity).user
        const user = this.#users.get(name) ?? new User(name, now)
        this.#users.set(name, user)
        this.#strangers.delete(user)
        this.#idle.delete(user)
        const channel = { info: event.channel, user, work: new WorkWindows(now) }
        user.channels.add(channel)
        this.#channels.set(event.channel, channel)
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
        const channel = this.#channels.get(event.channel)
        if (channel === undefined) return
        this.#channels.delete(event.channel)
        const { user } = channel
        user.channels.delete(channel)
        if (user.channels.size > 0) return
        ;(user.hasWorked ? this.#idle : this.#strangers).add(user)
        if (this.#strangers.size + this.#idle.size <= this.#maxIdle) return
        const idle = this.#strangers.size > 0 ? this.#strangers : this.#idle
        const oldest = idle.values().next().value!
        idle.delete(oldest)
        this.#users.delete(oldest.name)
      }
    }
  }
}

/** What is known of an open channel beside what its machine counts. */
export interface OpenChannel {
  readonly info: Server.ChannelInfo
  readonly user: User
  readonly work: WorkWindows
}

export class User {
  readonly name: string
  /** In the order in which they were opened. */
  readonly channels = new Set<OpenChannel>()
  readonly work: WorkWindows
  blocks = 0
  #accepted = 0
  #acceptedDifficulty = 0
  #bestDifficulty = 0
  readonly #refused: Record<string, number> = {}
  readonly #firstSeenAt: number
  #lastShareAt = 0

  constructor(name: string, now: number) {
    this.name = name
    this.work = new WorkWindows(now)
    this.#firstSeenAt = now
  }

  /** Whether a share of it was accepted. */
  get hasWorked(): boolean {
    return this.#accepted > 0
  }

  accept({ difficulty, hashDifficulty }: Server.ShareAccepted, now: number): void {
    this.#accepted++
    this.#acceptedDifficulty += difficulty
    if (hashDifficulty > this.#bestDifficulty) this.#bestDifficulty = hashDifficulty
    this.#lastShareAt = now
    this.work.add(difficulty, now)
  }

  refuse(errorCode: string): void {
    this.#refused[errorCode] = (this.#refused[errorCode] ?? 0) + 1
  }

  stats(now: number): UserStats {
    return {
      user: this.name,
      channels: this.channels.size,
      accepted: this.#accepted,
      acceptedDifficulty: this.#acceptedDifficulty,
      refused: { ...this.#refused },
      blocks: this.blocks,
      bestDifficulty: this.#bestDifficulty,
      hashRates: this.work.rates(now),
      firstSeenAt: this.#firstSeenAt,
      lastShareAt: this.#lastShareAt
    }
  }
}
