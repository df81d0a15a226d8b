/** The rules for sources of work hold for an upstream with a channel for each miner. */
import type { WorkSource } from "@sluice/mining-server"
import { TemplateDistribution, type Mining } from "@sluice/protocol"
import { ANY_TARGET } from "@sluice/testing/templates"
import { WorkSourceDriver, workSourceSuite } from "@sluice/testing/work-source-suite"
import {
  Closed,
  type Connection,
  type ConnectionDialer,
  type ConnectionError,
  DialError,
  MiningDialer,
  TransportError
} from "@sluice/transport"
import { Clock, Effect, Layer, Logger, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Upstream } from "../src/index.ts"
import { ChannelPool, type Wire } from "./channel-pool.ts"

const SERVER = { host: "pool", port: 1, security: { _tag: "plain" } } as const
/** Every share is a block, so the pool shows its header. */
const EVERY_SHARE = { target: ANY_TARGET, nbits: 0x207fffff }

/** A driver that plays a pool. */
const make = Layer.unwrap(
  Effect.sync(() => {
    const pool = new ChannelPool({ mark: 0x31, newPrevHash: EVERY_SHARE })
    const inboxes = new Map<Wire, Queue.Queue<ReadonlyArray<Mining.ToClient>, ConnectionError>>()
    let isUp = true
    let looked = 0
    pool.onSay = (wire) => {
      const inbox = inboxes.get(wire)
      if (inbox !== undefined) Queue.offerUnsafe(inbox, wire.toProxy.splice(0))
    }
    const closed = new TransportError({ remote: SERVER, reason: new Closed({ pendingBytes: 0 }) })
    const dialer: ConnectionDialer<Mining.ToClient, Mining.ToServer> = {
      dial: () =>
        Effect.gen(function* () {
          if (!isUp) return yield* new DialError({ endpoint: SERVER, code: "ECONNREFUSED" })
          const inbox = yield* Queue.unbounded<ReadonlyArray<Mining.ToClient>, ConnectionError>()
          const wire = pool.connect()
          inboxes.set(wire, inbox)
          const connection: Connection<Mining.ToClient, Mining.ToServer> = {
            receive: Stream.flattenArray(Stream.fromQueue(inbox) as never),
            send: (messages) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                Effect.sync(() => {
                  wire.toPool.push(...messages)
                  pool.answer(wire, messages.length, now)
                })
              ),
            setup: {
              version: 2,
              flags: 0,
              extensions: [],
              device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" }
            },
            remote: SERVER
          }
          return connection
        })
    }
    const at = (act: (now: number) => void) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => act(now)))
    const driver = Layer.succeed(WorkSourceDriver, {
      newBlock: (future) => at((now) => pool.block(now, future)),
      newJob: at((now) => pool.job(now)),
      futureJob: at((now) => pool.future(now)),
      maxFutureJobs: TemplateDistribution.MAX_FUTURE_TEMPLATES,
      newPrefix: at((now) => {
        for (const wire of pool.wires) pool.run(wire, (server, out) => void server.changeExtranoncePrefix(2, out))
        pool.job(now)
      }),
      disconnect: Effect.suspend(() => {
        isUp = false
        for (const wire of pool.wires) pool.disconnect(wire)
        const ended = [...inboxes.values()]
        inboxes.clear()
        return Effect.forEach(ended, (inbox) => Queue.fail(inbox, closed), { discard: true })
      }),
      reconnect: Effect.andThen(
        Effect.sync(() => (isUp = true)),
        TestClock.adjust("2 seconds")
      ),
      submitted: Effect.sync(() => {
        const headers = pool.found.slice(looked)
        looked = pool.found.length
        return headers
      }),
      users: ["alice.1", "bob"]
    })
    const source: Layer.Layer<WorkSource, unknown> = Upstream.layer({
      mode: "per-miner",
      upstreams: [{ server: SERVER }]
    }).pipe(Layer.provide(Layer.succeed(MiningDialer, dialer)), Layer.provide(Logger.layer([])))
    return Layer.merge(source, driver)
  })
)

workSourceSuite("Upstream, per miner", make, { ownChannels: true })
