/**
 * What a pool can be asked about itself while it works: its totals, its users by hash rate, and one user with its open
 * channels. Of many there are pages, and what takes long is done in steps, between which shares are answered.
 */
import { Effect, Option, Schema } from "effect"
import type { Projection } from "./projection.ts"
import type { MiningServerStats } from "./stats.ts"
import { ChannelStats, type User, UserStats } from "./users.ts"

/** Which part of a long list: `limit` of them, behind the first `offset`. */
export interface Page {
  readonly limit: number
  readonly offset: number
}

/** Users, those with the highest hash rate of the last five minutes first. */
export const UsersPage = Schema.Struct({
  /** How many users are known. */
  total: Schema.Finite,
  offset: Schema.Finite,
  users: Schema.Array(UserStats)
})
export type UsersPage = typeof UsersPage.Type

/** A user and its open channels, in the order in which they were opened; of those there are `channels` in all. */
export const UserWithChannels = Schema.Struct({
  ...UserStats.fields,
  offset: Schema.Finite,
  openChannels: Schema.Array(ChannelStats)
})
export type UserWithChannels = typeof UserWithChannels.Type

export interface Statistics {
  /** What there is now, and counts since the start. Costs the same however many are connected. */
  readonly stats: Effect.Effect<MiningServerStats>
  /** The users who are known, the first 100 unless told otherwise. The order is of this moment: the next page may have moved. */
  readonly users: (page?: Page) => Effect.Effect<UsersPage>
  /** The user of this name, exactly as in `UserStats`, with its first 100 open channels unless told otherwise. */
  readonly user: (name: string, page?: Page) => Effect.Effect<Option.Option<UserWithChannels>>
}

/** What is asked. */
export interface StatisticsOptions {
  readonly projection: Projection
  readonly present: () => Pick<MiningServerStats, "upstream" | "height" | "connections">
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const FIRST_PAGE: Page = { limit: 100, offset: 0 }
/** Users or channels that are looked at in one turn of the event loop: about a millisecond. */
const AT_ONCE = 1000

export const makeStatistics = ({ now, present, projection }: StatisticsOptions): Statistics => ({
  stats: Effect.sync(() => projection.stats(present(), now())),
  users: Effect.fnUntraced(function* (page = FIRST_PAGE) {
    const all = Array.from(projection.users.values())
    const shown = yield* ranked(all, page, now())
    return { total: all.length, offset: page.offset, users: yield* inSteps(shown, (user) => user.stats(now())) }
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
 * The part of them that the page is, in its order; of equals who was seen first comes first. Numbers are sorted in a tenth of
 * the time that users are, so only those users are whose rates are in between.
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
