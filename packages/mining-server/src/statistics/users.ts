/**
 * Users and their open channels. Keeps all users with a channel, and the last `maxIdleUsers` without one, so that made-up names do
 * not fill the memory. Forgets users without an accepted share first, so that made-up names do not push out real users.
 */
import { type ChannelInfo, type ChannelOpened, parseUserIdentity } from "@sluice/channels"
import { Schema } from "effect"
import { Tally } from "./tally.ts"
import { HashRates } from "./work-windows.ts"

/** Counts of all channels of one user since the server first saw it. Times in milliseconds since 1970. */
export const UserStats = Schema.Struct({
  /** The part of the identity before the first dot. Each byte that is not UTF-8 is a lone surrogate. */
  user: Schema.String,
  /** Open channels. */
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

/** Counts of an open channel. Times in milliseconds since 1970. */
export const ChannelStats = Schema.Struct({
  channel: Schema.Struct({
    /** The server numbers its connections from 1 on. */
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
  /** The difficulty of the target that was sent last. */
  difficulty: Schema.Finite,
  hashRates: HashRates
})
export type ChannelStats = typeof ChannelStats.Type

/** The known users and the open channels. `Projection` counts for them. */
export class Users {
  readonly #users = new Map<string, User>()
  /** Users without a channel, the one that left first in front: without an accepted share, and with one. */
  readonly #strangers = new Set<User>()
  readonly #idle = new Set<User>()
  readonly #channels = new Map<ChannelInfo, OpenChannel>()
  readonly #maxIdle: number

  constructor(maxIdleUsers: number) {
    this.#maxIdle = maxIdleUsers
  }

  /** The number of known users. */
  get size(): number {
    return this.#users.size
  }

  /** All known users, in the order in which they were first seen. */
  values(): Iterable<User> {
    return this.#users.values()
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
  }

  /** Finds an open channel. */
  channel(info: ChannelInfo): OpenChannel | undefined {
    return this.#channels.get(info)
  }

  /** Finds the user of a channel that may be closed. */
  of({ userIdentity }: ChannelInfo): User | undefined {
    return this.#users.get(parseUserIdentity(userIdentity).user)
  }

  open({ channel: info, difficulty }: ChannelOpened, now: number): void {
    const name = parseUserIdentity(info.userIdentity).user
    const user = this.#users.get(name) ?? new User(name, now)
    this.#users.set(name, user)
    this.#strangers.delete(user)
    this.#idle.delete(user)
    const channel = new OpenChannel(info, user, difficulty, now)
    user.channels.add(channel)
    this.#channels.set(info, channel)
  }

  close(info: ChannelInfo): void {
    const channel = this.#channels.get(info)
    if (channel === undefined) return
    this.#channels.delete(info)
    const { user } = channel
    user.channels.delete(channel)
    if (user.channels.size > 0) return
    ;(user.tally.accepted > 0 ? this.#idle : this.#strangers).add(user)
    if (this.#strangers.size + this.#idle.size <= this.#maxIdle) return
    const idle = this.#strangers.size > 0 ? this.#strangers : this.#idle
    const oldest = idle.values().next().value!
    idle.delete(oldest)
    this.#users.delete(oldest.name)
  }
}

export class OpenChannel {
  readonly info: ChannelInfo
  readonly user: User
  readonly tally: Tally
  /** The difficulty of the target that was sent last. */
  difficulty: number
  readonly #openedAt: number

  constructor(info: ChannelInfo, user: User, difficulty: number, now: number) {
    this.info = info
    this.user = user
    this.tally = new Tally(now)
    this.difficulty = difficulty
    this.#openedAt = now
  }

  stats(now: number): ChannelStats {
    return { channel: this.info, openedAt: this.#openedAt, ...this.tally.stats(now), difficulty: this.difficulty }
  }
}

export class User {
  readonly name: string
  /** In the order in which they were opened. */
  readonly channels = new Set<OpenChannel>()
  readonly tally: Tally
  /** 0 before the first share. */
  lastShareAt = 0
  readonly #firstSeenAt: number

  constructor(name: string, now: number) {
    this.name = name
    this.tally = new Tally(now)
    this.#firstSeenAt = now
  }

  stats(now: number): UserStats {
    return {
      user: this.name,
      channels: this.channels.size,
      ...this.tally.stats(now),
      firstSeenAt: this.#firstSeenAt,
      lastShareAt: this.lastShareAt
    }
  }
}
