/** The server remembers the hash rates of users at an address beyond their connections, and no address can fill the memory. */
import { assert, describe, it } from "@effect/vitest"
import { ProvenHashRate, type ShownWork, u256FromBytes } from "@sluice/channels"
import type { ConnectionError, DialError } from "@sluice/transport"
import { Effect, type Scope } from "effect"
import { ANY_TARGET } from "@sluice/testing/templates"
import { Pool } from "@sluice/pool"
import { ShownUsers } from "../src/connections/shown-users.ts"
import { type Miner, openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, poolStats, tcpWorld, type World } from "@sluice/testing/pool-worlds"

const work = (userIdentity: string, hashRate: number): ShownWork => {
  return { userIdentity, hashRate, closedAt: 0, proven: new ProvenHashRate(0), isTaken: false }
}

describe("the hash rate that a user has shown", () => {
  it("counts for all workers of the user at that address", () => {
    const users = new ShownUsers()
    users.of("192.0.2.1").saw("alice.one", 1600, 0)
    assert.strictEqual(users.of("192.0.2.1").leastFor("alice.two", 0), 100)
    assert.strictEqual(users.of("192.0.2.1").leastFor("bob", 0), 0)
    assert.strictEqual(users.of("192.0.2.2").leastFor("alice.one", 0), 0)
    users.of("2001:db8::1").left(work("alice", 1600))
    assert.strictEqual(users.of("2001:db8::ffff").take("alice", 0)?.hashRate, 1600)
  })

  it("is not remembered if it is zero", () => {
    const users = new ShownUsers()
    users.of("192.0.2.1").saw("alice", 0, 0)
    users.of("192.0.2.1").leastFor("bob", 0)
    users.of("192.0.2.1").take("carol", 0)
    assert.strictEqual(users.size, 0)
  })

  it("is forgotten first for users of the address that has most users", () => {
    const users = new ShownUsers(100)
    const [honest, flood] = [users.of("192.0.2.1"), users.of("192.0.2.2")]
    for (const user of ["a", "b", "c"]) honest.left(work(user, 1600))
    for (let i = 0; i < 10_000; i++) flood.left(work(`user${i}`, 1600))
    assert.strictEqual(users.size, 100)
    for (const user of ["a", "b", "c"]) assert.strictEqual(honest.leastFor(user, 0), 100)
    assert.strictEqual(flood.leastFor("user9999", 0), 100)
    assert.strictEqual(flood.leastFor("user0", 0), 0)
  })

  it("is forgotten first for the user that showed a rate longest ago", () => {
    const users = new ShownUsers(2)
    const here = users.of("192.0.2.1")
    for (const user of ["a", "b", "a", "c"]) here.saw(user, 1600, 0)
    assert.deepStrictEqual(
      ["a", "b", "c"].map((user) => here.leastFor(user, 0)),
      [100, 0, 100]
    )
  })
})

/** The limit on shares is not what is looked at here. */
const options = { policy: { maxSharesPerSecond: 1e6 }, traffic: { maxErrorsPerSecond: 1e6 } }
const ROUNDS = 30
const open = openExtended({ nominalHashRate: 0 })

/** Waits until the pool has answered everything, and hands the miner its jobs. */
const settle = Effect.fnUntraced(function* (client: TestClient, miner: Miner) {
  yield* client.send({ _tag: "UpdateChannel", channelId: 999, nominalHashRate: 1, maximumTarget: ANY_TARGET })
  let { target } = miner
  for (;;) {
    const message = yield* client.next
    if (message._tag === "SetTarget") target = u256FromBytes(message.maximumTarget)
    if (message._tag === "NewExtendedMiningJob") {
      miner.receive(message)
      // A new target is for the jobs behind it (5.3.21).
      miner.target = target
    }
    if (message._tag === "UpdateChannel.Error") return
  }
})

/** Submits what is found within 2,000 hashes, of which 200 are shares at first. */
const work2000 = Effect.fnUntraced(function* (client: TestClient, miner: Miner) {
  const shares = miner.search(2000)
  if (shares.length > 0) yield* client.send(...shares)
  // Shares are acknowledged at the end of a read, behind the first answer.
  yield* settle(client, miner)
  yield* settle(client, miner)
})

const attacks: Readonly<Record<string, Effect.Effect<void, DialError | ConnectionError, World | Scope.Scope>>> = {
  "says another hash rate again and again": Effect.gen(function* () {
    const client = yield* TestClient.connect()
    const miner = yield* client.open(open)
    for (let round = 0; round < ROUNDS; round++) {
      yield* work2000(client, miner)
      const { channelId } = miner
      yield* client.send({
        _tag: "UpdateChannel",
        channelId,
        nominalHashRate: round % 2,
        maximumTarget: ANY_TARGET
      })
    }
  }),
  "closes its channel and opens it again": Effect.gen(function* () {
    const client = yield* TestClient.connect()
    for (let round = 0; round < ROUNDS; round++) {
      const miner = yield* client.open(open)
      yield* work2000(client, miner)
      yield* client.send({ _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
    }
  }),
  "connects again and again": Effect.gen(function* () {
    const { stats } = yield* Pool
    for (let round = 0; round < ROUNDS; round++) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* TestClient.connect()
          yield* work2000(client, yield* client.open(open))
        })
      )
      yield* stats.pipe(Effect.delay(1), Effect.repeat({ until: ({ connections }) => connections === 0 }))
    }
  })
}

describe("a client that claims to have no hash rate does not get easy shares again, over TCP with Noise", () => {
  for (const [how, run] of Object.entries(attacks)) {
    it.live(`where it ${how}`, () =>
      Effect.gen(function* () {
        yield* giveWork
        yield* Effect.scoped(run)
        const { accepted } = yield* poolStats
        assert.isAtLeast(accepted, 100)
        // It would be 200 each time.
        assert.isBelow(accepted, ROUNDS * 50)
      }).pipe(Effect.provide(tcpWorld(options)))
    )
  }
})
