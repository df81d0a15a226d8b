/** A fiber may give way to others between any two of its steps: what it is about to wait for may happen then. */
import { assert, describe, it } from "@effect/vitest"
import { Dialer, type Duplex, Listener, Memory } from "@sluice/transport"
import { Effect, Exit, Fiber, Queue, Scheduler } from "effect"
import type * as Net from "node:net"
import { Duplex as NodeDuplex } from "node:stream"
import { openDuplex } from "../src/bytes/tcp-duplex.ts"

const remote = { host: "127.0.0.1", port: 1 }

/** Runs `waiting` in a fiber that gives way after each few steps, and `event` some turns later, for each pair of these numbers. */
const eachWay = <A, E, R, E2, R2>(
  make: Effect.Effect<{ readonly waiting: Effect.Effect<A, E>; readonly event: Effect.Effect<unknown, E2> }, R, R2>
) =>
  Effect.gen(function* () {
    for (let steps = 3; steps < 10; steps++) {
      for (let turns = 0; turns < 12; turns++) {
        const { event, waiting } = yield* make
        const fiber = yield* Effect.forkChild(
          Effect.provideService(Effect.andThen(Effect.yieldNow, waiting), Scheduler.MaxOpsBeforeYield, steps),
          { startImmediately: true }
        )
        yield* Effect.replicateEffect(Effect.yieldNow, turns, { discard: true })
        yield* event
        yield* Effect.timeout(Fiber.join(fiber), 1_000)
      }
    }
  })

describe("a fiber that gives way before it waits", () => {
  it.live("writes when the socket has drained meanwhile", () =>
    eachWay(
      Effect.gen(function* () {
        const written: Array<() => void> = []
        const socket = new NodeDuplex({
          read() {},
          write: (_chunk, _encoding, done) => void written.push(done),
          writableHighWaterMark: 1
        })
        const duplex = yield* openDuplex(socket as Net.Socket, remote, { closeTimeout: 0 })
        yield* duplex.write(() => new Uint8Array(10))
        assert.isTrue(socket.writableNeedDrain)
        return {
          waiting: duplex.write(() => new Uint8Array(10)),
          event: Effect.sync(() => written.shift()!())
        }
      })
    ).pipe(Effect.scoped)
  )

  it.live("closes a connection that is ended while it is opened", () =>
    Effect.gen(function* () {
      for (let steps = 3; steps < 20; steps++) {
        for (let turns = 0; turns < 12; turns++) {
          const socket = new NodeDuplex({ read() {}, write: (_chunk, _encoding, done) => done() })
          const opened = Effect.scoped(openDuplex(socket as Net.Socket, remote, { closeTimeout: 0 }))
          const fiber = yield* Effect.forkChild(
            Effect.provideService(Effect.andThen(Effect.yieldNow, opened), Scheduler.MaxOpsBeforeYield, steps),
            { startImmediately: true }
          )
          yield* Effect.replicateEffect(Effect.yieldNow, turns, { discard: true })
          yield* Fiber.interrupt(fiber)
          const exit = yield* Fiber.await(fiber)
          assert.isFalse(Exit.hasDies(exit), `${steps} steps, ${turns} turns`)
        }
      }
    })
  )

  it.live("reads and writes in memory when the peer has written or read meanwhile", () =>
    Effect.gen(function* () {
      const accepted = yield* Queue.unbounded<Duplex>()
      const { address, run } = yield* Listener
      const { dial } = yield* Dialer
      yield* Effect.forkScoped(run((duplex) => Effect.andThen(Queue.offer(accepted, duplex), Effect.never)))
      const ends = Effect.gen(function* () {
        const client = yield* dial(address)
        return { client, server: yield* Queue.take(accepted) }
      })
      const bytes = () => new Uint8Array(10)
      yield* eachWay(Effect.map(ends, ({ client, server }) => ({ waiting: server.pull, event: client.write(bytes) })))
      yield* eachWay(
        Effect.gen(function* () {
          const { client, server } = yield* ends
          yield* client.write(bytes)
          return { waiting: client.write(bytes), event: server.pull }
        })
      )
    }).pipe(Effect.scoped, Effect.provide(Memory.network({ capacity: 10 })))
  )
})
