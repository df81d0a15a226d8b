/** The layer over sockets in memory: what a dial gives, and how connections end. */
import { describe, expect, it } from "@effect/vitest"
import { Miner } from "@sluice/miner"
import { Mining } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionError,
  type Duplex,
  Listener,
  Memory,
  MiningDialer,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Deferred, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Translator } from "../../src/index.ts"
import { notify } from "./notify-line.ts"
import { ANY_TARGET } from "./rig.ts"
import { advanceUntil, minerWorld, POOL, quiet, V1Pool } from "./world.ts"

/** A pool of which the test writes every byte. */
class RawPool extends Context.Service<RawPool, { readonly accept: Effect.Effect<Duplex> }>()("test/RawPool") {}

const rawWorld = (network: Memory.NetworkOptions = {}, options: Translator.DialerOptions = {}) => {
  const memory = Memory.make(network)
  const pool = Layer.effect(
    RawPool,
    Effect.gen(function* () {
      const { run } = yield* Listener
      const accepted = yield* Queue.unbounded<Duplex>()
      const stop = yield* Deferred.make<void>()
      yield* Effect.forkScoped(run((duplex) => Effect.andThen(Queue.offer(accepted, duplex), Deferred.await(stop))))
      return { accept: Queue.take(accepted) }
    })
  )
  return Layer.merge(
    Layer.provide(pool, memory.listener(POOL)),
    Layer.provide(Translator.dialer(options), memory.dialer)
  ).pipe(Layer.provide(quiet))
}

const write = (duplex: Duplex, ...lines: ReadonlyArray<string>) =>
  duplex.write(() => Buffer.from(lines.map((line) => `${line}\n`).join("")))

const SUBSCRIBED = '{"id":2,"result":[[],"a1a1a1a1",8],"error":null}'
const CONFIGURED = '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}'
const AUTHORIZED = '{"id":4,"result":true,"error":null}'

const open: Mining.OpenExtendedMiningChannel = {
  _tag: "OpenExtendedMiningChannel",
  requestId: 7,
  userIdentity: "alice",
  nominalHashRate: 0,
  maxTarget: ANY_TARGET,
  minExtranonceSize: 4
}

type MiningConnection = Connection<Mining.ToClient, Mining.ToServer>

/** A subscribed connection, and the pool's end of it. */
const dialRaw = (...lines: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { dial } = yield* MiningDialer
    const { accept } = yield* RawPool
    const dialing = yield* Effect.forkScoped(dial(POOL))
    const pool = yield* accept
    yield* write(pool, ...(lines.length === 0 ? [CONFIGURED, SUBSCRIBED] : lines))
    return { pool, connection: yield* Fiber.join(dialing) }
  })

/** All messages until the connection ends, and why it ended. */
const drain = Effect.fnUntraced(function* (connection: MiningConnection) {
  const messages: Array<Mining.ToClient> = []
  const end = yield* Effect.flip(
    Stream.runForEachArray(connection.receive, (batch) => Effect.sync(() => void messages.push(...batch)))
  )
  return { messages, end: end as ConnectionError }
})

describe("dialing a V1 pool", () => {
  it.effect("gives a connection when the pool has subscribed it, with flags for the pool's version bits", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      expect(connection.setup).toMatchObject({ version: 2, flags: 0, extensions: [] })
      expect(Buffer.concat(yield* pool.pull).toString()).toContain(
        '"method":"mining.subscribe","params":["sluice/0.1.0"]'
      )
      const fixed = yield* dialRaw(SUBSCRIBED)
      expect(fixed.connection.setup.flags).toBe(Mining.REQUIRES_FIXED_VERSION)
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("fails in time where the pool does not answer mining.subscribe, though it sends other lines", () =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const { accept } = yield* RawPool
      const dialing = yield* Effect.forkScoped(Effect.flip(dial(POOL)))
      const pool = yield* accept
      for (let second = 0; second < 10; second++) {
        expect(dialing.pollUnsafe()).toBeUndefined()
        yield* write(pool, CONFIGURED)
        yield* TestClock.adjust("1 second")
      }
      const error = yield* Fiber.join(dialing)
      expect(error).toMatchObject({ _tag: "SetupError", reason: { _tag: "SetupTimeout" } })
      expect(error.message).toContain("the pool did not answer mining.subscribe within 10 s")
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("fails with the pool's words where it refuses to subscribe", () =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const { accept } = yield* RawPool
      const dialing = yield* Effect.forkScoped(Effect.flip(dial(POOL)))
      const pool = yield* accept
      yield* write(pool, '{"id":2,"result":null,"error":[20,"banned",null]}')
      yield* write(pool, '{"id":3,"result":null,"error":[20,"banned for good",null]}')
      expect((yield* Fiber.join(dialing)).message).toBe("the pool refused mining.subscribe: banned for good (code 20)")
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect.each([
    [Mining.REQUIRES_WORK_SELECTION, [CONFIGURED, SUBSCRIBED], Mining.REQUIRES_WORK_SELECTION],
    [Mining.REQUIRES_VERSION_ROLLING | Mining.REQUIRES_STANDARD_JOBS, [SUBSCRIBED], Mining.REQUIRES_VERSION_ROLLING]
  ] as const)("refuses the flags %s that the pool cannot serve", ([flags, lines, refused]) =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const { accept } = yield* RawPool
      const dialing = yield* Effect.forkScoped(Effect.flip(dial(POOL, { flags })))
      yield* write(yield* accept, ...lines)
      expect(yield* Fiber.join(dialing)).toMatchObject({
        _tag: "SetupError",
        reason: { _tag: "RefusedByServer", errorCode: "unsupported-feature-flags", flags: refused }
      })
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("refuses a client that requires extensions, and the address of a V2 server", () =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const missing = yield* Effect.flip(dial(POOL, { requiredExtensions: [2] }))
      expect(missing).toMatchObject({ _tag: "SetupError", reason: { _tag: "MissingExtensions", extensions: [2] } })
      const other = yield* Effect.flip(dial({ ...POOL, security: { _tag: "plain" } }))
      expect(other).toMatchObject({ _tag: "DialError", code: "SECURITY" })
      const nowhere = yield* Effect.flip(dial({ ...POOL, port: 1 }))
      expect(nowhere).toMatchObject({ _tag: "DialError", code: "ECONNREFUSED" })
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("goes to servers of either protocol, as the address says", () =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const { accept } = yield* RawPool
      const plain: ServerAddress = { ...POOL, security: { _tag: "plain" } }
      for (const [server, first] of [
        [plain, 0],
        [POOL, "{".charCodeAt(0)]
      ] as const) {
        yield* Effect.forkScoped(Effect.ignore(dial(server)))
        const [bytes] = yield* (yield* accept).pull
        expect(bytes[0]).toBe(first)
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(
          Effect.sync(() => {
            const memory = Memory.make()
            const v2 = Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(memory.dialer))
            const pool = Layer.effect(
              RawPool,
              Effect.gen(function* () {
                const { run } = yield* Listener
                const accepted = yield* Queue.unbounded<Duplex>()
                yield* Effect.forkScoped(run((duplex) => Effect.andThen(Queue.offer(accepted, duplex), Effect.never)))
                return { accept: Queue.take(accepted) }
              })
            ).pipe(Layer.provide(memory.listener(POOL)))
            const either = Translator.eitherDialer().pipe(Layer.provide(v2), Layer.provide(memory.dialer))
            return Layer.merge(pool, either).pipe(Layer.provide(quiet))
          })
        )
      )
    )
  )
})

describe("a connection to a V1 pool", () => {
  it.effect("answers what the pool asks while the client only waits, and what the client asks wrongly", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      yield* pool.pull
      const draining = yield* Effect.forkScoped(drain(connection))
      yield* write(pool, '{"id":"p","method":"mining.ping","params":[]}')
      yield* Effect.yieldNow
      expect(Buffer.concat(yield* pool.pull).toString()).toContain('{"id":"p","result":"pong","error":null}')
      yield* connection.send([{ ...open, userIdentity: "" }])
      yield* write(pool, "not json")
      const { end, messages } = yield* Fiber.join(draining)
      expect(messages).toEqual([{ _tag: "OpenMiningChannel.Error", requestId: 7, errorCode: "invalid-user-identity" }])
      expect(end).toMatchObject({ _tag: "TransportError", reason: { _tag: "Translation" } })
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("gives the answers to all shares before it ends", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      yield* connection.send([open])
      yield* write(pool, AUTHORIZED, notify({}), '{"id":null,"method":"nonsense"}')
      const opened = yield* connection.receive.pipe(Stream.take(3), Stream.runCollect)
      const [{ channelId }, { jobId }] = opened as unknown as [{ channelId: number }, { jobId: number }]
      const share = { channelId, jobId, nonce: 1, ntime: 1, version: 0x2000_0000, extranonce: new Uint8Array(6) }
      yield* connection.send(
        [1, 2].map((sequenceNumber) => ({ _tag: "SubmitSharesExtended", sequenceNumber, ...share }) as const)
      )
      yield* pool.write(() => Buffer.from(`{"x":"${"y".repeat(300_000)}`))
      const { end, messages } = yield* drain(connection)
      expect(messages.map((message) => (message as Mining.SubmitSharesError).errorCode)).toEqual([
        "no-answer-from-pool",
        "no-answer-from-pool"
      ])
      expect(end.message).toBe("expected a line of at most 294912 bytes; got a longer one")
      expect(yield* Effect.flip(connection.send([open]))).toBe(end)
    }).pipe(Effect.scoped, Effect.provide(rawWorld({ capacity: 1 << 20 })))
  )

  it.effect("ends with a typed error where a pool that authorized a worker sends no job", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      yield* connection.send([open])
      yield* write(pool, AUTHORIZED)
      const draining = yield* Effect.forkScoped(drain(connection))
      yield* TestClock.adjust("31 seconds")
      const { end } = yield* Fiber.join(draining)
      expect(end.message).toContain("expected mining.notify")
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )

  it.effect("ends where the pool sends nothing but pieces of a line that does not end", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      const draining = yield* Effect.forkScoped(drain(connection))
      for (let step = 0; step < 4; step++) {
        expect(draining.pollUnsafe()).toBeUndefined()
        yield* pool.write(() => Buffer.from("{"))
        yield* TestClock.adjust("15 seconds")
      }
      const { end } = yield* Fiber.join(draining)
      expect(end.message).toBe("the peer sent nothing for 60 s; expected any line")
    }).pipe(Effect.scoped, Effect.provide(rawWorld({}, { silenceTimeout: "1 minute" })))
  )

  it.effect("reads no faster than its client, so that a flood of jobs fills the pool's own window", () =>
    Effect.gen(function* () {
      const { connection, pool } = yield* dialRaw()
      yield* connection.send([open])
      yield* write(pool, AUTHORIZED, notify({}))
      let written = 0
      const flood = yield* write(pool, ...Array.from({ length: 100 }, () => notify({}))).pipe(
        Effect.andThen(Effect.sync(() => (written += 100))),
        Effect.forever,
        Effect.forkScoped
      )
      for (let n = 0; n < 50; n++) yield* Effect.yieldNow
      const stuck = written
      expect(stuck).toBeLessThan(2000)
      let messages = 0
      const reading = yield* Stream.runForEachArray(connection.receive, (batch) =>
        Effect.sync(() => (messages += batch.length))
      ).pipe(Effect.forkScoped)
      yield* Effect.repeat(Effect.yieldNow, { until: () => written >= stuck + 2000 })
      // A read is one job, however many the pool put into it.
      expect(messages).toBeLessThan(written / 20)
      yield* Fiber.interrupt(flood)
      yield* Fiber.interrupt(reading)
    }).pipe(Effect.scoped, Effect.provide(rawWorld()))
  )
})

describe("our miner over a V1 pool", () => {
  it.effect("mines on when the pool sent it elsewhere on its site, and when the connection was lost", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { stats } = yield* Miner
      const first = yield* accept
      yield* advanceUntil(Effect.repeat(Effect.yieldNow, { until: () => first.accepted.length > 0 }))
      first.server.reconnect("pool.example.com", 3333)
      first.onLines()
      const second = yield* advanceUntil(accept)
      yield* advanceUntil(Effect.repeat(Effect.yieldNow, { until: () => second.accepted.length > 0 }))
      pool.newJob({ block: 2 })
      pool.setDifficulty(2 ** -23)
      pool.newJob({ block: 3 })
      const before = second.accepted.length
      yield* advanceUntil(Effect.repeat(Effect.yieldNow, { until: () => second.accepted.length > before + 5 }))
      const { connections, refused } = yield* stats
      expect(connections).toBe(2)
      expect(refused).toEqual({})
      expect(second.accepted.length).toBe(second.shares.length)
    }).pipe(Effect.provide(minerWorld({ channel: "extended" })))
  )
})
