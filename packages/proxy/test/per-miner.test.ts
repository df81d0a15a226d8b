/** A proxy with a channel upstream for each miner, between real pools and real clients, in memory under a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { type ChannelClient, settle } from "@sluice/testing/channel-client"
import { openExtended } from "@sluice/testing/pool-client"
import { ANY_TARGET } from "@sluice/testing/templates"
import { Effect } from "effect"
import { ScriptedPool } from "./scripted-pool.ts"
import { makeWorld, wait } from "./world.ts"

const perMiner = { mode: "per-miner" } as const
/** Submits eight shares on each channel, and waits for the answers of the pool. */
const mine = Effect.fnUntraced(function* (client: ChannelClient) {
  const from = client.events.length
  yield* client.mine()
  yield* settle
  yield* settle
  const answers = client.events.slice(from)
  return {
    accepted: answers.reduce((sum, event) => sum + (event._tag === "SharesAccepted" ? event.shares.length : 0), 0),
    refused: answers.flatMap((event) => (event._tag === "ShareRefused" ? [event.errorCode] : []))
  }
})

const all = { limit: 10, offset: 0 }

describe("a proxy with a channel upstream for each miner", () => {
  it.effect("passes on the first update of a channel at once, and of others in a second the last one", () =>
    Effect.gen(function* () {
      const pool = new ScriptedPool()
      pool.makeFuture()
      pool.makeBlock(0)
      const world = yield* makeWorld([1], perMiner)
      yield* world.startScripted(1, pool, { behind: () => [] })
      yield* wait(2)
      const miner = yield* world.connectRaw()
      const { channelId } = yield* miner.open(openExtended())
      yield* wait(2)
      const update = (nominalHashRate: number) =>
        miner.send({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget: ANY_TARGET })
      yield* update(3)
      yield* settle
      assert.deepStrictEqual(pool.updates, [3])
      yield* update(4)
      yield* update(5)
      yield* settle
      assert.deepStrictEqual(pool.updates, [3])
      yield* wait(3)
      assert.deepStrictEqual(pool.updates, [3, 5])
      yield* update(6)
      yield* settle
      assert.deepStrictEqual(pool.updates, [3, 5, 6])
    })
  )

  it.effect("passes on so few updates of a channel that no other miner loses its pool because of them", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], perMiner)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const other = yield* world.connect()
      yield* other.open({ kind: "extended", userIdentity: "other" })
      const restless = yield* world.connectRaw()
      const { channelId } = yield* restless.open(openExtended())
      yield* wait(2)
      const update = (nominalHashRate: number) =>
        ({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget: ANY_TARGET }) as const
      for (let second = 0; second < 5; second++) {
        yield* restless.send(...Array.from({ length: 4_000 }, (_, index) => update(1 + (index % 2) * 1e6)))
        yield* restless.send(update(2e9))
        yield* wait(1)
      }
      yield* wait(2)
      assert.deepStrictEqual(yield* mine(other), { accepted: 8, refused: [] })
      const { users } = yield* pool.service.users(all)
      assert.strictEqual(users.length, 2)
      assert.strictEqual((yield* world.upstreams)[0]!.state, "active")
      assert.isFalse(world.log.some((line) => line.includes("jobs, targets and prefixes a second")))
    })
  )

  it.effect("opens channels of the same kind and user at the pool, and passes on shares and verdicts", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], perMiner)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const standard = yield* world.connect({ flags: Mining.REQUIRES_STANDARD_JOBS })
      const extended = yield* world.connect()
      yield* standard.open({ kind: "standard", userIdentity: "alice.1" }, { kind: "standard", userIdentity: "alice.2" })
      yield* extended.open({ kind: "extended", userIdentity: "bob" }, { kind: "standard", userIdentity: "alice.3" })
      let answered = 0
      for (const block of [2, 3]) {
        for (const client of [standard, extended]) {
          const { accepted, refused } = yield* mine(client)
          assert.deepStrictEqual([accepted, refused], [16, []])
          answered += accepted
        }
        yield* pool.newBlock(block)
      }
      const { accepted, channels, connections, refused } = yield* pool.service.stats
      assert.deepStrictEqual([accepted, connections, refused], [answered, 1, {}])
      assert.deepStrictEqual(channels, { standard: 3, extended: 1 })
      const { users } = yield* pool.service.users(all)
      assert.deepStrictEqual(users.map(({ user }) => user).toSorted(), ["alice", "bob"])
      const [upstream] = yield* world.upstreams
      assert.deepInclude(upstream, { state: "active", passedOn: answered, accepted: answered, refused: {}, pending: 0 })
      const below = yield* world.service.stats
      assert.deepStrictEqual(
        [below.accepted, below.acceptedDifficulty],
        [answered, (yield* pool.service.stats).acceptedDifficulty]
      )
      for (const client of [standard, extended]) assert.deepStrictEqual(client.of("ProtocolViolation"), [])
    })
  )

  it.effect("lets miners that connect before the pool wait for it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], perMiner)
      const client = yield* world.connect()
      yield* client.open("extended")
      yield* wait(3)
      assert.lengthOf(client.of("ChannelOpened"), 0)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(5)
      assert.lengthOf(client.of("ChannelOpened"), 1)
      assert.deepStrictEqual((yield* mine(client)).accepted, 8)
    })
  )

  it.effect("closes the channel upstream with the miner's, and with its connection", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], perMiner)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const [one, other] = yield* Effect.all([world.connect(), world.connect()])
      const [first = 0] = yield* one.open("extended", "extended")
      yield* other.open("standard")
      yield* one.close(first)
      yield* settle
      assert.deepStrictEqual((yield* pool.service.stats).channels, { standard: 1, extended: 1 })
      const [channel = 0] = other.machine.channels.keys()
      const pools = yield* pool.service.user("user", all)
      assert(pools._tag === "Some")
      const theirs = pools.value.openChannels.find(({ channel: { kind } }) => kind === "standard")!
      yield* pool.service.closeChannel(theirs.channel, "pool says so")
      yield* settle
      assert.deepInclude(other.of("ChannelClosed")[0], { channelId: channel, reasonCode: "pool says so" })
      assert.deepStrictEqual((yield* world.service.stats).channels, { standard: 0, extended: 1 })
    })
  )

  it.effect("passes refusals of users, targets, prefixes and groups of the pool on to their channel", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], perMiner)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const client = yield* world.connect()
      yield* client.open("extended", "extended")
      const { service } = pool
      const found = yield* service.user("user", all)
      assert(found._tag === "Some")
      const [a, b] = found.value.openChannels
      yield* service.setGroup(a!.channel.connectionId, [b!.channel.channelId])
      yield* service.changeExtranoncePrefix(a!.channel)
      yield* pool.newBlock(2)
      assert.lengthOf(client.of("ExtranoncePrefixChanged"), 1)
      assert.deepStrictEqual(yield* mine(client), { accepted: 16, refused: [] })
      assert.deepStrictEqual(client.of("ProtocolViolation"), [])
      assert.lengthOf(client.of("GroupChanged"), 0)
    })
  )

  it.effect("goes over to another pool when one is killed, with a prefix of it, and comes back", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1, 2], { ...perMiner, returnAfter: "10 seconds" })
      const first = yield* world.startPool(1)
      const second = yield* world.startPool(2)
      yield* first.newBlock(1)
      yield* second.newBlock(1)
      yield* wait(2)
      const clients = [yield* world.connect({ flags: Mining.REQUIRES_STANDARD_JOBS }), yield* world.connect()] as const
      yield* clients[0].open("standard")
      yield* clients[1].open("extended")
      for (const client of clients) assert.strictEqual((yield* mine(client)).accepted, 8)
      yield* first.kill
      yield* wait(2)
      for (const client of clients) assert.deepStrictEqual(yield* mine(client), { accepted: 8, refused: [] })
      assert.strictEqual((yield* second.service.stats).accepted, 16)
      const again = yield* world.startPool(1)
      yield* again.newBlock(2)
      yield* second.newBlock(2)
      yield* wait(30)
      for (const client of clients) assert.deepStrictEqual(yield* mine(client), { accepted: 8, refused: [] })
      assert.strictEqual((yield* again.service.stats).accepted, 16)
      assert.deepStrictEqual((yield* second.service.stats).channels, { standard: 0, extended: 0 })
      for (const client of clients) {
        assert.deepStrictEqual(client.of("ProtocolViolation"), [])
        assert.deepStrictEqual(client.of("ChannelClosed"), [])
      }
    })
  )
})
