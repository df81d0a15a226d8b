/** Channels with a connection to the V1 pool each. */
import { describe, expect, it } from "@effect/vitest"
import { ChannelClient, type ClientEvent, type ClientOutbox, Outbox } from "@sluice/channels"
import { MiningDialer } from "@sluice/transport"
import { Effect, Exit, Fiber, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ANY_TARGET } from "./rig.ts"
import { advanceUntil, POOL, poolWorld, V1Pool } from "./world.ts"

/** A client of V2 that dialed, and the events of its machine. */
const connect = Effect.gen(function* () {
  const { dial } = yield* MiningDialer
  const connection = yield* dial(POOL)
  const client = new ChannelClient()
  const out: ClientOutbox = new Outbox()
  const events = yield* Queue.unbounded<ClientEvent>()
  const reading = yield* connection.receive.pipe(
    Stream.runForEachArray((messages) =>
      Effect.sync(() => {
        client.receive(messages, 0, out)
        for (const event of out.takeEvents()) {
          if (event._tag === "ProtocolViolation") throw event
          Queue.offerUnsafe(events, event)
        }
      })
    ),
    Effect.exit,
    Effect.forkScoped
  )
  const flush = Effect.suspend(() => connection.send(out.takeMessages()))
  const until = <Tag extends ClientEvent["_tag"]>(tag: Tag): Effect.Effect<Extract<ClientEvent, { _tag: Tag }>> =>
    Effect.flatMap(Queue.take(events), (event) =>
      event._tag === tag ? Effect.succeed(event as Extract<ClientEvent, { _tag: Tag }>) : until(tag)
    )
  const open = (userIdentity: string) => {
    const request = { userIdentity, nominalHashRate: 0, maxTarget: ANY_TARGET, minExtranonceSize: 4 }
    client.openExtendedChannel(request, out)
    return flush
  }
  const submit = (channelId: number) => {
    const { jobId, minNtime: ntime, version } = client.channels.get(channelId)!.work!
    client.submit(channelId, { jobId, ntime, version, nonce: 1, extranonce: new Uint8Array(4) }, 0, out)
    return flush
  }
  const close = (channelId: number) => {
    client.closeChannel(channelId, "done", out)
    return flush
  }
  return { connection, client, open, submit, close, until, reading }
})

const world = poolWorld({ extranonce2Size: 4 }, { connectionPerChannel: true })

describe("channels with a connection each", () => {
  it.effect("each have all of extranonce2, their own extranonce1, worker and shares", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { client, open, submit, until } = yield* connect
      yield* open("alice.1")
      const first = yield* until("ChannelOpened")
      yield* open("alice.2")
      const second = yield* until("ChannelOpened")
      const ends = [yield* accept, yield* accept]
      expect(ends.map(({ authorized }) => authorized)).toEqual([["alice.1:x"], ["alice.2:x"]])
      expect(
        [first, second].map(({ extranoncePrefix, extranonceSize }) => [extranoncePrefix[0], extranonceSize])
      ).toEqual([
        [0xa1, 4],
        [0xa2, 4]
      ])
      expect(first.groupChannelId).not.toBe(second.groupChannelId)
      yield* until("WorkChanged")
      pool.newJob({ block: 2 })
      yield* until("WorkChanged")
      yield* until("WorkChanged")
      for (const { channelId } of client.channels.values()) yield* submit(channelId)
      yield* until("ShareRefused")
      yield* until("ShareRefused")
      expect(ends.map(({ shares }) => shares.map(({ worker }) => worker))).toEqual([["alice.1"], ["alice.2"]])
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("close with their connections, and the last one is open until the next channel has a connection", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { close, open, until } = yield* connect
      yield* open("alice.1")
      const first = yield* until("ChannelOpened")
      yield* open("alice.2")
      const second = yield* until("ChannelOpened")
      const ends = [yield* accept, yield* accept]
      yield* close(first.channelId)
      yield* Effect.repeat(Effect.yieldNow, { until: () => ends[0]!.isClosed })
      yield* close(second.channelId)
      yield* Effect.yieldNow
      expect(ends[1]!.isClosed).toBe(false)
      // Such a pool refuses another worker on a connection that already has one.
      yield* open("bob.1")
      yield* until("ChannelOpened")
      expect(pool.ends.map(({ authorized }) => authorized)).toEqual([["alice.1:x"], ["alice.2:x"], ["bob.1:x"]])
      yield* Effect.repeat(Effect.yieldNow, { until: () => ends[1]!.isClosed })
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("lose their channel with their connection, and the client its connection with the last of them", () =>
    Effect.gen(function* () {
      const { accept } = yield* V1Pool
      const { connection, open, reading, submit, until } = yield* connect
      yield* open("alice.1")
      const { channelId } = yield* until("ChannelOpened")
      yield* open("alice.2")
      yield* until("ChannelOpened")
      const ends = [yield* accept, yield* accept]
      ends[0]!.holdsShares = true
      yield* submit(channelId)
      yield* Effect.repeat(Effect.yieldNow, { until: () => ends[0]!.held.length > 0 })
      ends[0]!.close()
      expect(yield* until("ShareRefused")).toMatchObject({ errorCode: "no-answer-from-pool" })
      yield* TestClock.adjust("1 second")
      expect(yield* until("ChannelClosed")).toMatchObject({ channelId })
      ends[1]!.close()
      expect(Exit.isFailure(yield* Fiber.join(reading))).toBe(true)
      expect(yield* Effect.flip(connection.send([]))).toMatchObject({ _tag: "TransportError" })
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("are not closed if all connections end within a second: the client hears that the pool is lost", () =>
    Effect.gen(function* () {
      const { accept } = yield* V1Pool
      const { client, open, reading, until } = yield* connect
      for (const user of ["alice.1", "alice.2", "alice.3"]) {
        yield* open(user)
        yield* until("ChannelOpened")
      }
      const ends = [yield* accept, yield* accept, yield* accept]
      ends[0]!.close()
      yield* TestClock.adjust("900 millis")
      ends[1]!.close()
      ends[2]!.close()
      expect(Exit.isFailure(yield* Fiber.join(reading))).toBe(true)
      expect(client.channels.size).toBe(3)
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("are lost with the pool although one more is being opened when it goes", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { open, reading, until } = yield* connect
      yield* open("alice.1")
      yield* until("ChannelOpened")
      const end = yield* accept
      pool.isDeaf = true
      yield* open("alice.2")
      yield* Effect.yieldNow
      end.close()
      // The client hears at once that the pool is gone, and nothing of the channel that was not opened.
      yield* TestClock.adjust("1 second")
      expect(Exit.isFailure(yield* Fiber.join(reading))).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("are refused where the pool refuses the worker or cannot be reached, and others go on", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { open, until } = yield* connect
      yield* open("alice.1")
      yield* until("ChannelOpened")
      yield* open("bob")
      expect(yield* until("OpenRefused")).toMatchObject({ errorCode: "unknown-user" })
      yield* accept
      const bobs = yield* accept
      yield* Effect.repeat(Effect.yieldNow, { until: () => bobs.isClosed })
      pool.isDeaf = true
      yield* open("alice.2")
      yield* Effect.yieldNow
      yield* TestClock.adjust("11 seconds")
      expect(yield* until("OpenRefused")).toMatchObject({ errorCode: "no-answer-from-pool" })
      pool.isDeaf = false
      yield* open("alice.3")
      yield* until("ChannelOpened")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        poolWorld(
          { extranonce2Size: 4, refuse: (worker) => (worker === "bob" ? "who?" : undefined) },
          { connectionPerChannel: true }
        )
      )
    )
  )

  it.effect("are refused where their connection ends before they are open", () =>
    Effect.gen(function* () {
      const { accept, pool } = yield* V1Pool
      const { open, until } = yield* connect
      yield* open("alice.1")
      yield* until("ChannelOpened")
      yield* accept
      pool.job = undefined
      yield* open("alice.2")
      const second = yield* accept
      yield* Effect.repeat(Effect.yieldNow, { until: () => second.authorized.length > 0 })
      second.close()
      expect(yield* advanceUntil(until("OpenRefused"))).toMatchObject({ errorCode: "no-answer-from-pool" })
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.effect("are each known by their own id, and others by none", () =>
    Effect.gen(function* () {
      const { connection, open, until } = yield* connect
      yield* open("alice.1")
      yield* until("ChannelOpened")
      yield* connection.send([{ _tag: "UpdateChannel", channelId: 77, nominalHashRate: 0, maximumTarget: ANY_TARGET }])
      expect((yield* until("Ignored")).messageTag).toBe("UpdateChannel.Error")
    }).pipe(Effect.scoped, Effect.provide(world))
  )
})
