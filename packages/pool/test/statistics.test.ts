/** Pages of statistics, of more users and channels than are looked at in one turn of the event loop. */
import { assert, it } from "@effect/vitest"
import type { ChannelInfo, ShareAccepted } from "@sluice/channels"
import { Effect, Option } from "effect"
import { makeStatistics } from "../../mining-server/src/statistics/statistics.ts"
import { Projection } from "../../mining-server/src/statistics/projection.ts"
import type { ChannelStats } from "../../mining-server/src/statistics/users.ts"

const USERS = 2500
const CONNECTIONS = 50

/** Users of whom many have done the same work, and many none; the first of them has a channel on every connection. */
const world = () => {
  const projection = new Projection(0, 0)
  const channels: Array<ChannelInfo> = []
  const open = (connectionId: number, userIdentity: string): ChannelInfo => {
    const channel: ChannelInfo = { connectionId, channelId: channels.length + 2, kind: "extended", userIdentity }
    channels.push(channel)
    projection.record({ _tag: "ChannelOpened", channel, nominalHashRate: 1, difficulty: 1 }, 0)
    return channel
  }
  const rates = Array.from({ length: USERS }, (_, index) => {
    const difficulty = Math.max(0, ((index * 7919) % 40) - 10)
    const channel = open(1 + (index % CONNECTIONS), `user${index}.1`)
    if (difficulty > 0) projection.record(accepted(channel, difficulty), 1000)
    return { name: `user${index}`, difficulty }
  })
  for (let connectionId = 1; connectionId <= CONNECTIONS; connectionId++) open(connectionId, `user0.${connectionId}`)
  const statistics = makeStatistics({
    projection,
    present: () => ({ upstream: { _tag: "Connecting" }, height: 0, connections: CONNECTIONS }),
    now: () => 60_000
  })
  // Of equals who was seen first comes first: sorting is stable.
  const ranked = rates.toSorted((a, b) => b.difficulty - a.difficulty).map(({ name }) => name)
  return { channels, projection, ranked, statistics }
}

const accepted = (channel: ChannelInfo, difficulty: number): ShareAccepted => ({
  _tag: "ShareAccepted",
  at: 1_700_000_000_000,
  channel,
  sequenceNumber: 1,
  jobId: 1,
  height: 1,
  difficulty,
  hashDifficulty: difficulty,
  hash: new Uint8Array(32),
  worker: undefined,
  isBlock: false
})

it.effect("pages of users are the whole list in parts, wherever they begin and however many have the same rate", () =>
  Effect.gen(function* () {
    const { ranked, statistics } = world()
    for (const limit of [1, 7, 100, 1000, USERS, USERS + 1, Infinity]) {
      for (const offset of [0, 1, 99, 1249, USERS - 1, USERS, USERS + 5]) {
        const page = yield* statistics.users({ limit, offset })
        const names = page.users.map(({ user }) => user)
        assert.deepStrictEqual([page.total, page.offset], [USERS, offset])
        assert.deepStrictEqual(names, ranked.slice(offset, offset + limit), `${limit} from ${offset}`)
      }
    }
    assert.strictEqual((yield* statistics.users()).users.length, 100)
  })
)

it.effect("each open channel is looked at once, in the order of the list, without closed ones", () =>
  Effect.gen(function* () {
    const { channels, projection, statistics } = world()
    projection.record({ _tag: "ChannelClosed", channel: channels[10]!, reason: "" }, 0)
    const seen: Array<ChannelStats> = []
    yield* statistics.eachChannel((channel) => seen.push(channel))
    const all = yield* statistics.channels({ limit: Infinity, offset: 0 })
    assert.deepStrictEqual<ReadonlyArray<ChannelStats>>(seen, all)
    assert.strictEqual(seen.length, channels.length - 1)
  })
)

it.effect("pages of a user's channels are in the order in which they were opened, without closed ones", () =>
  Effect.gen(function* () {
    const { channels, projection, statistics } = world()
    const own = channels.filter(({ userIdentity }) => userIdentity.startsWith("user0."))
    const page = (limit: number, offset: number) =>
      Effect.map(statistics.user("user0", { limit, offset }), (found) =>
        Option.getOrThrow(found).openChannels.map(({ channel }) => channel)
      )
    assert.deepStrictEqual(yield* page(Infinity, 0), own)
    assert.deepStrictEqual(yield* page(10, 45), own.slice(45))
    assert.deepStrictEqual(yield* page(3, 9), own.slice(9, 12))
    projection.record({ _tag: "ChannelClosed", channel: own[10]!, reason: "" }, 0)
    assert.deepStrictEqual(yield* page(3, 9), [own[9], own[11], own[12]])
    assert.isTrue(Option.isNone(yield* statistics.user("user0.1")))
  })
)
