/**
 * Statistics of a running server: its totals, its users by hash rate, and one user with its open channels. Long lists come in pages.
 * Long computations run in steps, and the server answers shares between the steps.
 */
import { Effect, Option, Schema } from "effect"
import type { Projection } from "./projection.ts"
import type { MiningServerStats } from "./stats.ts"
import { ChannelStats, type OpenChannel, type User, UserStats } from "./users.ts"

/** A part of a long list: `limit` items after the first `offset`. */
export interface Page {
  readonly limit: number
  readonly offset: number
}

/** Users, ordered by their hash rate of the last five minutes, highest first. */
export const UsersPage = Schema.Struct({
  /** How many users are known. */
  total: Schema.Finite,
  offset: Schema.Finite,
  users: Schema.Array(UserStats)
})
export type UsersPage = typeof UsersPage.Type

/** A user and a page of its open channels, in the order in which they were opened; it has `channels` in all. */
export const UserWithChannels = Schema.Struct({
  ...UserStats.fields,
  offset: Schema.Finite,
  openChannels: Schema.Array(ChannelStats)
})
export type UserWithChannels = typeof UserWithChannels.Type

export interface Statistics {
  /** The present state, and counts since the start. Its cost does not depend on the number of connections. */
  readonly stats: Effect.Effect<MiningServerStats>
  /** The known users, by default the first 100. The order is that of this moment, so users may move between pages. */
  readonly users: (page?: Page) => Effect.Effect<UsersPage>
  /** The hash rates of all known users, of the last five minutes, by name: for a ranking over several servers. */
  readonly userRates: Effect.Effect<ReadonlyMap<string, number>>
  /** Open channels, by user, by default the first 100. */
  readonly channels: (page?: Page) => Effect.Effect<ReadonlyArray<ChannelStats>>
  /** Calls `look` with each open channel in the same order. No two of the objects have to be in memory at once. */
  readonly eachChannel: (look: (channel: ChannelStats) => void) => Effect.Effect<void>
  /** The user whose `UserStats.user` is exactly this name, by default with its first 100 open channels. */
  readonly user: (name: string, page?: Page) => Effect.Effect<Option.Option<UserWithChannels>>
}

/** The sources of the statistics. */
export interface StatisticsOptions {
  readonly projection: Projection
  readonly present: () => Pick<MiningServerStats, "upstream" | "height" | "connections">
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const FIRST_PAGE: Page = { limit: 100, offset: 0 }
/** How many users or channels one turn of the event loop looks at: about a millisecond. */
const AT_ONCE = 1000

export const makeStatistics = ({ now, present, projection }: StatisticsOptions): Statistics => ({
  stats: Effect.sync(() => projection.stats(present(), now())),
  users: Effect.fnUntraced(function* (page = FIRST_PAGE) {
    const all = Array.from(projection.users.values())
    const shown = yield* ranked(all, page, now())
    return { total: all.length, offset: page.offset, users: yield* inSteps(shown, (user) => user.stats(now())) }
  }),
  userRates: Effect.gen(function* () {
    const at = now()
    const rateOf = ({ name, tally }: User) => [name, tally.work.rates(at).fiveMinutes] as const
    return new Map(yield* inSteps(Array.from(projection.users.values()), rateOf))
  }),
  channels: Effect.fnUntraced(function* ({ limit, offset } = FIRST_PAGE) {
    const found: Array<OpenChannel> = []
    let before = 0
    for (const { channels } of projection.users.values()) {
      if (before + channels.size > offset) found.push(...Array.from(channels).slice(Math.max(0, offset - before)))
      before += channels.size
      if (found.length >= limit) break
    }
    return yield* inSteps(found.slice(0, limit), (channel) => channel.stats(now()))
  }),
  eachChannel: (look) =>
    Effect.suspend(() => {
      const open = Array.from(projection.users.values(), ({ channels }) => Array.from(channels)).flat()
      return Effect.asVoid(inSteps(open, (channel) => look(channel.stats(now()))))
    }),
  user: Effect.fnUntraced(function* (name, { limit, offset } = FIRST_PAGE) {
    const user = projection.users.get(name)
    if (user === undefined) return Option.none()
    const shown = Array.from(user.channels).slice(offset, offset + limit)
    const openChannels = yield* inSteps(shown, (channel) => channel.stats(now()))
    return Option.some({ ...user.stats(now()), offset, openChannels })
  })
})

/**
 * Returns the users of the page, in order; of users with equal rates the one that was seen first comes first. Sorts the rates, which
 * takes a tenth of the time that users take, then sorts only the users on this page.
 */
const ranked = Effect.fnUntraced(function* (users: ReadonlyArray<User>, { limit, offset }: Page, now: number) {
  if (offset >= users.length) return []
  const rates = new Float64Array(yield* inSteps(users, (user) => user.tally.work.rates(now).fiveMinutes))
  const ascending = rates.toSorted()
  const last = Math.min(users.length, offset + limit)
  const highest = ascending[users.length - 1 - offset]!
  const lowest = ascending[users.length - last]!
  const between: Array<number> = []
  let above = 0
  for (const [index, rate] of rates.entries()) {
    if (rate > highest) above++
    else if (rate >= lowest) between.push(index)
  }
  return between
    .toSorted((a, b) => rates[b]! - rates[a]!)
    .slice(offset - above, last - above)
    .map((index) => users[index]!)
})

const inSteps = Effect.fnUntraced(function* <A, B>(items: ReadonlyArray<A>, look: (item: A) => B) {
  const seen: Array<B> = []
  for (const item of items) {
    if (seen.length > 0 && seen.length % AT_ONCE === 0) yield* Effect.yieldNow
    seen.push(look(item))
  }
  return seen
})
