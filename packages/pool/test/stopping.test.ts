import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { FrameDialer, type TransportError } from "@sluice/transport"
import { Effect, Exit, FileSystem, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type PoolOptions } from "../src/index.ts"
import { JobIds } from "@sluice/mining-server"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, PoolAddress, tcpWorld, type World } from "@sluice/testing/pool-worlds"

/** A world whose pool the test stops. */
const stoppable = (world: Layer.Layer<World, unknown>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Effect.orDie(Layer.buildWithScope(world, scope))
    return { context, stop: Scope.close(scope, Exit.void) }
  })

describe("a pool that stops, over TCP with Noise", () => {
  it.live("acknowledges what it received, then sends Reconnect, then closes", () =>
    Effect.gen(function* () {
      const { context, stop } = yield* stoppable(tcpWorld({ reconnectTo: { host: "other.example", port: 3334 } }))
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        const shares = Array.from({ length: 19 }, () => miner.mine())
        for (const share of shares) yield* client.send(share)
        yield* Effect.forkChild(stop)
        let acknowledged = 0
        while (acknowledged < shares.length) {
          acknowledged += (yield* client.follow(miner, "SubmitShares.Success")).newSubmitsAcceptedCount
        }
        const { newHost, newPort } = yield* client.expect("Reconnect")
        assert.deepStrictEqual([newHost, newPort], ["other.example", 3334])
        assert.strictEqual((yield* client.ended)._tag, "TransportError")
        const late = yield* Effect.flip(Effect.scoped(TestClient.connect()))
        assert.include(["DialError", "HandshakeError"], late._tag)
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  )

  it.live("sends no Reconnect without the option", () =>
    Effect.gen(function* () {
      const { context, stop } = yield* stoppable(tcpWorld())
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        yield* client.open(openExtended())
        yield* Effect.forkChild(stop)
        const end = (yield* client.ended) as TransportError
        assert.strictEqual(end.reason._tag, "Closed")
        assert.strictEqual(yield* client.waiting, 0)
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  )

  it.live("does not wait for a peer that never stops sending, nor for one that never speaks", () =>
    Effect.gen(function* () {
      const { context, stop } = yield* stoppable(tcpWorld())
      yield* Effect.gen(function* () {
        yield* giveWork
        yield* (yield* FrameDialer).dial(yield* PoolAddress)
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        const share = miner.mine()
        const flood = yield* Effect.forkChild(Effect.ignore(Effect.forever(client.send(share))))
        yield* Effect.sleep(20)
        yield* stop
        yield* Effect.sync(() => flood.interruptUnsafe())
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  )
})

describe("job ids", () => {
  /** The first job's id, and the prefix of the first channel, of a pool that is started now. */
  const start = (layer: Layer.Layer<never, unknown> = Layer.empty, options: Partial<PoolOptions> = {}) =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.send(openExtended())
      const { extranoncePrefix } = yield* client.expect("OpenExtendedMiningChannel.Success")
      const { jobId } = yield* client.expect("NewExtendedMiningJob")
      return { jobId, prefix: Buffer.from(extranoncePrefix).toString("hex") }
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(memoryWorld(options), layer)), Effect.orDie)

  it.effect("begin with the milliseconds since 1970, and go around after 2^32 of them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2 ** 32 + 77)
      assert.strictEqual((yield* start()).jobId, 77)
    })
  )

  it.effect("and prefixes change at each start, so that no share can be counted twice", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_785_000_000_000)
      const before = yield* start()
      yield* TestClock.adjust("1 second")
      const after = yield* start()
      assert.strictEqual(after.jobId, (before.jobId + 1000) >>> 0)
      assert.notStrictEqual(after.prefix, before.prefix)
      assert.strictEqual(after.prefix.length, before.prefix.length)
    })
  )

  it.effect("stay above those of earlier runs if the clock was set back, with a state file", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/pool.state`
      const file = Layer.provide(JobIds.layerFile(path), NodeFileSystem.layer)
      yield* TestClock.setTime(1_785_000_000_000)
      const first = yield* start(file)
      yield* TestClock.setTime(1_784_000_000_000)
      const second = yield* start(file)
      yield* TestClock.setTime(1_783_000_000_000)
      const third = yield* start(file)
      assert.isBelow((second.jobId - first.jobId) >>> 0, 10 * 60_000)
      assert.isAbove((second.jobId - first.jobId) >>> 0, 0)
      assert.isAbove((third.jobId - second.jobId) >>> 0, 0)
      assert.isBelow((third.jobId - second.jobId) >>> 0, 10 * 60_000)
      assert.match(yield* fs.readFileString(path), /^job ids below 1785000\d{6}\n$/)
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.provide(Logger.layer([])))
  )

  it.effect("are on the disk before the state file gets its name", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/pool.state`
      const done: Array<string> = []
      const note = (what: string) => Effect.sync(() => done.push(what))
      const watched = FileSystem.FileSystem.of({
        ...fs,
        open: (...args) =>
          Effect.map(fs.open(...args), (file) =>
            Object.create(file, { sync: { value: Effect.tap(file.sync, note("sync")) } })
          ),
        rename: (...args) => Effect.tap(fs.rename(...args), note("rename"))
      })
      yield* Layer.build(Layer.provide(JobIds.layerFile(path), Layer.succeed(FileSystem.FileSystem, watched)))
      assert.deepStrictEqual(done, ["sync", "rename"])
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.effect("are refused with a state file that holds other text, or cannot be written", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${directory}/other`, "something")
      const failure = (path: string) => Effect.flip(Effect.scoped(Layer.build(JobIds.layerFile(path))))
      assert.match(
        (yield* failure(`${directory}/other`)).message,
        /other holds something else: expected "job ids below/
      )
      assert.match((yield* failure(`${directory}/none/x`)).message, /cannot be written/)
      assert.match((yield* failure(directory)).message, /cannot be read/)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
