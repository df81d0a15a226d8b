/** What a pool sees of a proxy whose miners share one channel, and what the miners see of the pool. */
import { assert, describe, it } from "@effect/vitest"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { openExtended } from "@sluice/testing/pool-client"
import { ANY_TARGET } from "@sluice/testing/templates"
import { Effect, Exit, Scope } from "effect"
import { CHANNEL, ScriptedPool } from "./scripted-pool.ts"
import { makeWorld, type Script, wait } from "./world.ts"

/** A scripted pool with a block, and a proxy of it. */
const start = Effect.fnUntraced(function* (
  options: ConstructorParameters<typeof ScriptedPool>[0] = {},
  proxy: Parameters<typeof makeWorld>[1] = {},
  script: Script = { behind: () => [] }
) {
  const pool = new ScriptedPool(options)
  pool.makeFuture()
  pool.makeBlock(0)
  const world = yield* makeWorld([1], proxy)
  const scripted = yield* world.startScripted(1, pool, script)
  yield* wait(2)
  return { pool, world, ...scripted }
})

describe("an upstream", () => {
  it.effect("gets one channel with the account's name, and the worker of each share", () =>
    Effect.gen(function* () {
      const { pool, world } = yield* start({}, { userIdentity: "account.{worker}" })
      const named = yield* world.connectRaw({ extensions: [WorkerIdentity.extension] })
      const plain = yield* world.connectRaw()
      const bare = yield* world.connectRaw()
      const long = yield* world.connectRaw()
      const name = "rig in the hall é".padEnd(40, "é")
      const share = (yield* named.open(openExtended({ userIdentity: "farm.shelf" }))).mine()
      yield* named.send(
        WorkerIdentity.UserIdentity.put(share as Mining.SubmitSharesExtended, { userIdentity: "rig 7" })
      )
      yield* plain.send((yield* plain.open(openExtended({ userIdentity: "farm.shelf" }))).mine())
      yield* bare.send((yield* bare.open(openExtended({ userIdentity: "farm" }))).mine())
      yield* long.send((yield* long.open(openExtended({ userIdentity: `farm.${name}` }))).mine())
      yield* wait(1)
      assert.deepStrictEqual(
        pool.opened.map(({ userIdentity }) => userIdentity),
        ["account"]
      )
      // 32 bytes at most, cut between characters.
      assert.deepStrictEqual(
        pool.shares.map(({ answer, worker }) => [answer, worker]),
        ["rig 7", "shelf", "farm", name.slice(0, 24)].map((worker) => ["accepted", worker])
      )
    })
  )

  it.effect("gets the shares that a miner sends in one write in one write", () =>
    Effect.gen(function* () {
      const reads: Array<number> = []
      const { pool, world } = yield* start(
        {},
        {},
        { first: ({ shares }) => (reads.push(shares.length), []), behind: () => [] }
      )
      const client = yield* world.connectRaw()
      const channel = yield* client.open(openExtended())
      yield* wait(10)
      reads.length = 0
      yield* client.send(channel.mine(), channel.mine(), channel.mine())
      yield* wait(1)
      assert.lengthOf(pool.shares, 3)
      assert.deepStrictEqual(reads, [0], "one read, before which there was no share")
    })
  )

  it.effect("is told the hash rate of all miners, at most every ten seconds unless it changes by half or twice", () =>
    Effect.gen(function* () {
      const { pool, world } = yield* start()
      const client = yield* world.connect()
      const told = () => pool.updates.splice(0).map((rate) => Number(rate.toFixed(1)))
      const open = (nominalHashRate: number) =>
        Effect.gen(function* () {
          const other = yield* world.connectRaw()
          yield* other.open(openExtended({ nominalHashRate }))
          return other
        })
      assert.strictEqual(pool.opened[0]?.nominalHashRate, 0)
      yield* client.open("standard")
      yield* wait(5)
      assert.deepStrictEqual(told(), [1.6])
      yield* open(10)
      yield* wait(5)
      assert.deepStrictEqual(told(), [11.6], "more than twice as much")
      yield* open(1.6)
      yield* wait(5)
      assert.deepStrictEqual(told(), [], "a little more, but told only just now")
      yield* wait(6)
      assert.deepStrictEqual(told(), [13.2])
      yield* wait(30)
      assert.deepStrictEqual(told(), [], "nothing has changed")
      const [channelId] = client.machine.channels.keys()
      yield* client.close(channelId!)
      yield* wait(15)
      assert.deepStrictEqual(told(), [11.6], "a channel was closed")
    })
  )

  it.effect("is not told what a miner states beyond what the shares of all bear out, however often it states it", () =>
    Effect.gen(function* () {
      const { pool, world } = yield* start()
      const honest = yield* world.connect()
      yield* honest.open("extended")
      for (let minute = 0; minute < 3; minute++) {
        yield* wait(60)
        yield* honest.mine()
      }
      const rate = pool.updates.at(-1)!
      pool.updates.length = 0
      const claimant = yield* world.connectRaw()
      const { channelId } = yield* claimant.open(openExtended({ nominalHashRate: 3.8e24 }))
      for (let minute = 0; minute < 5; minute++) {
        yield* wait(30)
        yield* claimant.send({ _tag: "UpdateChannel", channelId, nominalHashRate: 3.8e24, maximumTarget: ANY_TARGET })
        yield* wait(30)
        const { accepted } = yield* honest.mine()
        assert.strictEqual(accepted, 8)
      }
      assert.isNotEmpty(pool.updates)
      for (const told of pool.updates) assert.isTrue(told > rate / 2 && told < rate * 8, `${rate}, then ${told}`)
    })
  )

  it.effect(
    "may send no new job: miners get the present one again with a later time, and work that is not the same",
    () =>
      Effect.gen(function* () {
        const { pool, world } = yield* start()
        const client = yield* world.connect()
        const [channelId] = yield* client.open("extended")
        const works = () => client.of("WorkChanged").map(({ work }) => work)
        const [first] = works()
        yield* wait(62)
        const [, second, ...more] = works()
        assert.deepStrictEqual(more, [])
        assert(first?._tag === "ExtendedWork" && second?._tag === "ExtendedWork")
        assert.isAtLeast(second.minNtime - first.minNtime, 58)
        assert.notDeepEqual(second.coinbasePrefix, first.coinbasePrefix)
        yield* client.submit(first)
        yield* client.submit(client.machine.channels.get(channelId!)!.work!)
        yield* wait(1)
        assert.deepStrictEqual(
          pool.shares.map(({ answer }) => answer),
          ["accepted", "accepted"]
        )
      })
  )

  it.effect("may change its prefix: miners keep theirs, and their shares are good before and after", () =>
    Effect.gen(function* () {
      const { connections, pool, say, world } = yield* start()
      const client = yield* world.connect()
      yield* client.open("extended", "standard")
      yield* client.mine()
      yield* say({ _tag: "SetExtranoncePrefix", channelId: CHANNEL, extranoncePrefix: Uint8Array.of(1, 2) })
      yield* client.mine()
      yield* say(pool.makeJob().message)
      yield* wait(1)
      yield* client.mine()
      yield* wait(1)
      assert.strictEqual(connections().length, 1)
      assert.lengthOf(pool.shares, 48)
      assert.isTrue(pool.shares.every(({ answer }) => answer === "accepted"))
      assert.deepStrictEqual(client.of("ExtranoncePrefixChanged"), [])
    })
  )

  it.effect("that is away gets the shares of the meantime only if they can still be good", () =>
    Effect.gen(function* () {
      const { pool, world, kill, restart } = yield* start({ prefixPerConnection: true })
      const client = yield* world.connect()
      yield* client.open("extended")
      yield* kill
      assert.deepStrictEqual((yield* client.mine()).accepted, 8)
      yield* restart
      yield* wait(5)
      // Its new channel has another prefix, so no share of the old one can be good.
      assert.deepStrictEqual(pool.shares, [])
      assert.deepInclude((yield* world.upstreams)[0], { lost: 8, passedOn: 0 })
      assert.isTrue(world.log.some((line) => /0 were sent and 8 are lost, because it has other jobs/.test(line)))
      assert.deepStrictEqual((yield* client.mine()).accepted, 8)
      assert.lengthOf(pool.shares, 8)
    })
  )

  it.effect("that refuses a share is counted, and the miner's answer stands", () =>
    Effect.gen(function* () {
      const { pool, world } = yield* start({}, {})
      const client = yield* world.connect()
      yield* client.open("extended")
      pool.forget()
      const { accepted, refused } = yield* client.mine()
      assert.deepStrictEqual([accepted, refused], [8, []])
      yield* wait(1)
      assert.deepInclude((yield* world.upstreams)[0], { passedOn: 8, accepted: 0, refused: { "stale-share": 8 } })
      assert.isTrue(world.log.some((line) => /refused a share that the proxy had accepted: stale-share/.test(line)))
    })
  )

  it.effect("without room for the proxy's channels is refused with the number of missing bytes", () =>
    Effect.gen(function* () {
      const { world } = yield* start({ extranonceSize: 4 })
      assert.isTrue(
        world.log.some((line) => /and it gives 4: 8 bytes are missing/.test(line)),
        world.log.join("\n")
      )
      const small = yield* start({ extranonceSize: 4 }, { extranonceSize: 4 })
      const client = yield* small.world.connectRaw()
      const { extranonceSize } = yield* client.open(openExtended({ minExtranonceSize: 2 }))
      assert.strictEqual(extranonceSize, 2)
    })
  )

  it.effect("gets the end of its channel when the proxy stops", () =>
    Effect.gen(function* () {
      const pool = new ScriptedPool()
      const scope = yield* Scope.make()
      const world = yield* Scope.provide(makeWorld([1]), scope)
      yield* world.startScripted(1, pool, { behind: () => [] })
      yield* wait(2)
      yield* Scope.close(scope, Exit.void)
      yield* wait(1)
      assert.deepStrictEqual(pool.closed, ["the proxy stops"])
    })
  )
})

it("an account needs a fixed name", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(makeWorld([1], { userIdentity: "{worker}" }))
    assert.match(error.message, /needs a fixed part/)
  }).pipe(Effect.scoped, Effect.runPromise))
