/** Pools that break the protocol or try to mislead the proxy: it says why, goes to another pool, and keeps its miners. */
import { assert, describe, it } from "@effect/vitest"
import { Common, type Mining } from "@sluice/protocol"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import { FrameListener, Plain } from "@sluice/transport"
import { Context, Effect, Layer } from "effect"
import type { ProxyOptions } from "../src/index.ts"
import { CHANNEL, type PoolOptions, ScriptedPool } from "./scripted-pool.ts"
import { makeWorld, poolAddress, type Script, wait } from "./world.ts"

const channelId = CHANNEL
const target = (maximumTarget: Uint8Array): Mining.ToClient => ({ _tag: "SetTarget", channelId, maximumTarget })
const prefix = (size: number): Mining.ToClient => ({
  _tag: "SetExtranoncePrefix",
  channelId,
  extranoncePrefix: bytes(1, size)
})
const prevHash = (jobId: number, nbits = 0x1d00ffff): Mining.ToClient => ({
  _tag: "SetNewPrevHash",
  channelId,
  jobId,
  prevHash: bytes(9),
  minNtime: 1_800_000_000,
  nbits
})
const futureAnd = (pool: ScriptedPool, nbits: number): ReadonlyArray<Mining.ToClient> => {
  const { message } = pool.makeFuture()
  return [message, prevHash(message.jobId, nbits)]
}

interface Case {
  readonly title: string
  readonly says: RegExp
  readonly script: Script
  readonly pool?: PoolOptions
  readonly options?: Omit<ProxyOptions, "upstreams">
}

const cases: ReadonlyArray<Case> = [
  {
    title: "a job before the channel",
    says: /it sent NewExtendedMiningJob before it opened a channel/,
    script: { first: (pool) => [pool.makeFuture().message], behind: () => [] }
  },
  {
    title: "a prefix that grows beyond the full extranonce",
    says: /a full extranonce has at most 32 bytes/,
    script: { behind: () => [prefix(8), prefix(32)] }
  },
  {
    title: "an extranonce_size of 0",
    says: /the proxy needs 12 bytes of extranonce for its channels, and it gives 0: 12 bytes are missing/,
    pool: { extranonceSize: 0 },
    script: { behind: () => [] }
  },
  {
    title: "an extranonce_size that is one byte too small",
    says: /and it gives 11: 1 byte is missing/,
    pool: { extranonceSize: 11 },
    script: { behind: () => [] }
  },
  {
    title: "a target of zero",
    says: /its target 0{64} takes more than 2\^128 hashes/,
    script: { behind: () => [target(bytes(0))] }
  },
  {
    title: "a first target of zero",
    says: /its target 0{64} takes more than 2\^128 hashes/,
    pool: { target: bytes(0) },
    script: { behind: () => [] }
  },
  {
    title: "a previous hash for a job that was never sent",
    says: /breaks "prev-hash-names-future-job"/,
    script: { behind: () => [prevHash(4711)] }
  },
  {
    title: "a previous hash with nBits that no block can have",
    says: /SetNewPrevHash has nBits 1d800000, which no block can have/,
    script: { behind: (pool) => futureAnd(pool, 0x1d800000) }
  },
  {
    title: "10,000 jobs at once",
    says: /it sends more than 100 jobs, targets and prefixes a second/,
    script: {
      behind: (pool) => Array.from({ length: pool.connections === 1 ? 10_000 : 1_250 }, () => pool.makeFuture().message)
    }
  },
  {
    title: "a job with an invalid coinbase",
    says: /breaks "coinbase-transaction"/,
    script: { behind: (pool) => [{ ...pool.makeFuture().message, coinbaseTxSuffix: bytes(0, 7) }] }
  },
  {
    title: "a job that begins in the future",
    says: /begins at 1900000000, more than two hours ahead/,
    script: {
      behind: (pool) => [
        pool.makeFuture().message,
        pool.makeBlock(pool.futureCount - 1).message,
        { ...pool.makeJob().message, minNtime: 1_900_000_000 }
      ]
    }
  },
  {
    title: "a job that does not pay",
    says: /job 1 is not mined: its coinbase pays nothing to bcrt1/,
    options: { verifyPayout: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" },
    script: { behind: (pool) => [pool.makeFuture().message] }
  },
  {
    title: "the end of the channel",
    says: /it closed the channel: "go away"/,
    script: { behind: () => [{ _tag: "CloseChannel", channelId, reasonCode: "go away" }] }
  }
]

describe("a pool that sends", () => {
  for (const { options, pool, says, script, title } of cases) {
    it.effect(`${title} is left with a sentence for another pool, and miners stay`, () =>
      Effect.gen(function* () {
        const world = yield* makeWorld([1, 2], options)
        const honest = yield* world.startPool(2)
        yield* honest.newBlock(1)
        yield* wait(2)
        const client = yield* world.connect()
        yield* client.open("extended")
        assert.deepStrictEqual((yield* client.mine()).accepted, 8)
        // The hostile one is preferred. It sends work before the fault, if its script says so.
        yield* world.startScripted(1, new ScriptedPool({ target: ANY_TARGET, ...pool }), script)
        yield* wait(70)
        yield* honest.newBlock(2)
        const said = world.log.filter((line) => says.test(line))
        assert.isNotEmpty(said, world.log.join("\n"))
        assert.isTrue(said.every((line) => line.includes("memory:1")))
        const [, upstream] = yield* world.upstreams
        assert.strictEqual(upstream?.state, "active")
        const { accepted, refused } = yield* client.mine()
        assert.deepStrictEqual([accepted, refused], [8, []])
        assert.lengthOf(client.of("ChannelOpened"), 1)
        for (const tag of ["ChannelClosed", "ProtocolViolation"] as const) assert.deepStrictEqual(client.of(tag), [])
      })
    )
  }

  it.effect("frames of the largest size is left with a sentence, and miners stay", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1, 2])
      const honest = yield* world.startPool(2)
      yield* honest.newBlock(1)
      yield* wait(2)
      const client = yield* world.connect()
      yield* client.open("extended")
      const { run } = Context.get(
        yield* Layer.build(Plain.listener.pipe(Layer.provide(Layer.orDie(world.network.listener(poolAddress(1)))))),
        FrameListener
      )
      const success = Common.setup.toClient.encode({ _tag: "SetupConnection.Success", usedVersion: 2, flags: 0 })
      // NewExtendedMiningJob with a payload of 2^24 - 1 bytes.
      const large = Uint8Array.of(0, 0x80, 0x1f, 0xff, 0xff, 0xff)
      yield* run((frames) =>
        Effect.gen(function* () {
          yield* frames.pull
          yield* frames.write([success])
          yield* frames.pull
          yield* frames.write([large])
          return yield* Effect.never
        })
      ).pipe(Effect.forkScoped)
      yield* wait(20)
      assert.isTrue(
        world.log.some((line) => line.includes("memory:1") && /16777215/.test(line)),
        world.log.join("\n")
      )
      assert.strictEqual((yield* world.upstreams)[1]?.state, "active")
      assert.deepStrictEqual((yield* client.mine()).accepted, 8)
    })
  )

  it.effect("Reconnect to another host without Noise is not followed", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1])
      const pool = new ScriptedPool({ target: ANY_TARGET })
      const reconnect: Mining.ToClient = { _tag: "Reconnect", newHost: "elsewhere", newPort: 1 }
      yield* world.startScripted(1, pool, { behind: (pool) => [...futureAnd(pool, 0x03000001), reconnect] })
      yield* wait(5)
      assert.isTrue(world.log.some((line) => /asks the proxy to connect to elsewhere:1, which cannot prove/.test(line)))
      assert.deepInclude((yield* world.upstreams)[0], { state: "active" })
      assert.strictEqual(pool.connections, 1)
    })
  )

  it.effect("Reconnect to another port of its host is followed, and then the configured one if nobody is there", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1])
      const [here, there] = [new ScriptedPool({ target: ANY_TARGET }), new ScriptedPool({ target: ANY_TARGET })]
      const reconnect: Mining.ToClient = { _tag: "Reconnect", newHost: "", newPort: 5 }
      yield* world.startScripted(1, here, { behind: () => (here.connections === 1 ? [reconnect] : []) })
      yield* wait(5)
      assert.strictEqual(here.connections, 2, "nobody listens at port 5")
      yield* world.startScripted(5, there, { behind: () => [] })
      here.connections = 0
      yield* wait(1)
      const [upstream] = yield* world.upstreams
      assert.include(upstream?.connectedTo, "memory:1")
    })
  )
})
