import { assert, describe, it } from "@effect/vitest"
import { type ChannelInfo, HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { parseUserIdentity, type UserIdentity } from "@sluice/mining-server"
import { Projection } from "../../mining-server/src/statistics/projection.ts"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, poolStats } from "@sluice/testing/pool-worlds"

describe("a user identity", () => {
  const cases: ReadonlyArray<readonly [string, UserIdentity["user"], UserIdentity["worker"]]> = [
    ["alice", "alice", undefined],
    ["alice.rig1", "alice", "rig1"],
    ["alice.rack.7", "alice", "rack.7"],
    ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.s19", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "s19"],
    [".", "", ""]
  ]
  it.each(cases)("%s", (identity, user, worker) => {
    assert.deepStrictEqual(parseUserIdentity(identity), { identity, user, worker })
  })
})

describe("statistics", () => {
  it.effect("of a user sum up its channels, closed ones included", () =>
    Effect.gen(function* () {
      yield* giveWork
      yield* Effect.gen(function* () {
        const client = yield* TestClient.connect()
        const first = yield* client.open(openExtended({ userIdentity: "alice.1" }))
        const second = yield* client.open(openStandard({ userIdentity: "alice.2", requestId: 2 }))
        yield* TestClock.adjust("10 seconds")
        yield* client.send(first.mine(), first.mine(), second.mine(), second.mine({ bad: true }))
        yield* client.expect("SubmitShares.Error")
        yield* client.expect("SubmitShares.Success")
        yield* client.expect("SubmitShares.Success")
        const { channels, hashRates, users } = yield* poolStats
        assert.strictEqual(users.length, 1)
        const [alice] = users
        assert.deepStrictEqual(hashRates, alice!.hashRates)
        assert.deepInclude(alice, {
          user: "alice",
          channels: 2,
          accepted: 3,
          refused: { "difficulty-too-low": 1 },
          blocks: 0,
          firstSeenAt: 0,
          lastShareAt: 10_000
        })
        const best = Math.max(...channels.map(({ bestDifficulty }) => bestDifficulty))
        assert.strictEqual(alice!.bestDifficulty, best)
        const expected = (alice!.acceptedDifficulty * HASHES_PER_DIFFICULTY) / 10
        for (const rate of Object.values(alice!.hashRates)) assert.closeTo(rate, expected, expected / 1e6)
        const sum = channels.reduce((sum, { hashRates }) => sum + hashRates.sinceStart, 0)
        assert.closeTo(sum, expected, expected / 1e6)
      }).pipe(Effect.scoped)
      yield* TestClock.adjust("1 second")
      const { channels, users } = yield* poolStats
      assert.strictEqual(channels.length, 0)
      assert.deepInclude(users[0], { user: "alice", channels: 0, accepted: 3 })
    }).pipe(Effect.provide(memoryWorld()))
  )

  it("forget the users that left first when there are too many, and no user with a channel", () => {
    const projection = new Projection(2, 0)
    const info = (userIdentity: string): ChannelInfo => ({
      connectionId: 1,
      channelId: 2,
      kind: "extended",
      userIdentity
    })
    const open = (channel: ChannelInfo) =>
      projection.record({ _tag: "ChannelOpened", channel, nominalHashRate: 1, difficulty: 1 }, 0)
    const close = (channel: ChannelInfo) => projection.record({ _tag: "ChannelClosed", channel, reason: "" }, 0)
    const names = () => Array.from(projection.users.values(), ({ name }) => name)

    const stays = Array.from({ length: 5 }, (_, i) => info(`stays${i}.1`))
    stays.forEach(open)
    const leaves = ["a", "b", "c"].map(info)
    leaves.forEach(open)
    assert.strictEqual(projection.users.size, 8)
    leaves.forEach(close)
    assert.deepStrictEqual(names(), ["stays0", "stays1", "stays2", "stays3", "stays4", "b", "c"])
    // A user that comes back and leaves again is forgotten last.
    const again = info("b")
    open(again)
    close(again)
    const more = info("d")
    open(more)
    close(more)
    assert.sameMembers(names().slice(5), ["b", "d"])
  })
})

describe("users who left", () => {
  it("are not forgotten in favour of names that never mined", () => {
    const projection = new Projection(3, 0)
    const info = (userIdentity: string): ChannelInfo => ({ ...acceptedShare(1).channel, userIdentity })
    const come = (name: string, worked: boolean) => {
      const channel = info(name)
      projection.record({ _tag: "ChannelOpened", channel, nominalHashRate: 1, difficulty: 1 }, 0)
      if (worked) projection.record({ ...acceptedShare(1), channel }, 0)
      projection.record({ _tag: "ChannelClosed", channel, reason: "" }, 0)
    }
    for (const name of ["alice", "bob"]) come(name, true)
    for (let count = 0; count < 5; count++) come(`made up ${count}`, false)
    assert.deepStrictEqual(
      Array.from(projection.users.values(), ({ name }) => name),
      ["alice", "bob", "made up 4"]
    )
    for (const name of ["carol", "dave"]) come(name, true)
    assert.deepStrictEqual(
      Array.from(projection.users.values(), ({ name }) => name),
      ["bob", "carol", "dave"]
    )
  })
})

describe("validateUser", () => {
  const seen: Array<UserIdentity> = []
  const options = {
    validateUser: (user: UserIdentity) =>
      Effect.suspend(() => {
        seen.push(user)
        if (user.user === "slow") return Effect.never
        if (user.user === "broken") return Effect.die(new Error("no database"))
        return Effect.as(Effect.sleep("1 second"), user.user === "mallory" ? ("unknown-user" as const) : undefined)
      })
  }

  it.effect("runs for each channel, and only the connection that opens the channel waits for it", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
      yield* client.send(openExtended({ userIdentity: "alice.1" }), openStandard({ userIdentity: "mallory.x" }))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("2 seconds")
      yield* client.expect("OpenExtendedMiningChannel.Success")
      yield* client.expect("NewExtendedMiningJob")
      yield* client.expect("SetNewPrevHash")
      assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "unknown-user")
      assert.deepStrictEqual(seen, [parseUserIdentity("alice.1"), parseUserIdentity("mallory.x")])
      yield* other.send(openExtended({ userIdentity: "slow" }))
      yield* other.send(openExtended({ userIdentity: "broken", requestId: 2 }))
      yield* TestClock.adjust("10 seconds")
      for (const requestId of [1, 2]) {
        const error = yield* other.expect("OpenMiningChannel.Error")
        assert.deepStrictEqual([error.requestId, error.errorCode], [requestId, "unknown-user"])
      }
    }).pipe(Effect.provide(memoryWorld(options)))
  )

  it.effect("runs for many users of a batch at once with one deadline, and not for malformed names", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const malformed = ["x".repeat(41), ".rig1", "slow.\u202e"]
      const names = [...malformed, ...Array.from({ length: 30 }, (_, i) => `slow.${i}`)]
      seen.length = 0
      yield* client.send(...names.map((userIdentity, requestId) => openExtended({ userIdentity, requestId })))
      yield* TestClock.adjust("10 seconds")
      for (let requestId = 0; requestId < names.length; requestId++) {
        const error = yield* client.expect("OpenMiningChannel.Error")
        const expected = requestId < malformed.length ? "invalid-user-identity" : "unknown-user"
        assert.deepStrictEqual([error.requestId, error.errorCode], [requestId, expected])
      }
      assert.deepStrictEqual(
        seen.map(({ identity }) => identity),
        names.slice(3, 19)
      )
    }).pipe(Effect.provide(memoryWorld({ ...options, policy: { maxUserIdentityBytes: 40 } })))
  )

  it.effect("does not run for channels that exceed the limit of the connection", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      seen.length = 0
      const names = Array.from({ length: 5 }, (_, i) => `alice.${i}`)
      yield* client.send(...names.map((userIdentity, requestId) => openExtended({ userIdentity, requestId })))
      yield* TestClock.adjust("1 second")
      for (let i = 0; i < 3; i++) yield* client.until("OpenMiningChannel.Error")
      assert.deepStrictEqual(
        seen.map(({ worker }) => worker),
        ["0", "1"]
      )
    }).pipe(Effect.provide(memoryWorld({ ...options, policy: { maxChannels: 2 } })))
  )
})
