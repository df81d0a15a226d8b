/** Miners on the device module, and connections that it ends. */
import { describe, expect, it } from "@effect/vitest"
import { AuthorityKey } from "@sluice/noise"
import type { Mining } from "@sluice/protocol"
import { type ConnectionDialer, Listener, Memory, MiningDialer, Tcp } from "@sluice/transport"
import { Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { tcpPool } from "@sluice/testing/pool-worlds"
import { DeviceDialer, HashInProcess, Miner, type MinerOptions } from "../src/index.ts"
import { nextEvent } from "@sluice/testing/miner-event"
import { acceptStandard, advanceUntil, parts, SERVER } from "./scripted-server.ts"

/** A dialer that says when it was used. */
const unused: ConnectionDialer<Mining.ToClient, Mining.ToServer> = {
  dial: () => Effect.die("the client of messages was dialed")
}
const quiet = Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))

const minerOver = (options: MinerOptions, dialer: typeof Tcp.dialer) =>
  Miner.layer(options).pipe(
    Layer.provide([Layer.succeed(MiningDialer, unused), DeviceDialer.layer, HashInProcess.layer()]),
    Layer.provide(dialer),
    quiet
  )

describe("a miner with the device's layer", () => {
  it.live("needs no other dialer for a standard channel over TCP with Noise", () =>
    Effect.gen(function* () {
      const server = yield* tcpPool()
      const opened = yield* Effect.provide(
        nextEvent("ChannelOpened"),
        minerOver({ servers: [server], user: "device", nominalHashRate: 1 }, Tcp.dialer)
      )
      expect(opened.kind).toBe("standard")
    })
  )

  it.live("reports a wrong authority key", () =>
    Effect.gen(function* () {
      const server = yield* tcpPool()
      const { publicKey } = yield* AuthorityKey.generate
      const other = { ...server, security: { _tag: "noise", authorityKey: publicKey } } as const
      const failed = yield* Effect.provide(
        nextEvent("ConnectFailed"),
        minerOver({ servers: [other], user: "device", nominalHashRate: 1 }, Tcp.dialer)
      )
      expect(failed.reason).toContain("not signed by the authority")
    })
  )

  it.effect("leaves a server that accepts the connection and stays silent", () => {
    const network = Memory.make()
    const silent = Layer.effectDiscard(
      Effect.gen(function* () {
        const listener = yield* Listener
        yield* Effect.forkScoped(listener.run(() => Effect.never))
      })
    ).pipe(Layer.provide(network.listener(SERVER)))
    return advanceUntil(nextEvent("ConnectFailed")).pipe(
      Effect.tap(({ reason }) => Effect.sync(() => expect(reason).toContain("did not answer"))),
      Effect.provide(minerOver({ servers: [SERVER], user: "device", nominalHashRate: 1 }, network.dialer)),
      Effect.provide(silent)
    )
  })

  it.effect("works without the module if it cannot be loaded", () => {
    const dialed: Array<string> = []
    const dialer: typeof unused = {
      dial: ({ host }) =>
        Effect.andThen(
          Effect.sync(() => dialed.push(host)),
          Effect.never
        )
    }
    const device = DeviceDialer.layerOf(async () => Promise.reject(new Error("ENOENT: sluice-device")))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      expect(dialed).toEqual(["pool"])
    }).pipe(
      Effect.provide(
        Miner.layer({ servers: [SERVER], user: "device", nominalHashRate: 1 }).pipe(
          Layer.provide([Layer.succeed(MiningDialer, dialer), device, HashInProcess.layer()]),
          Layer.provide(Memory.make().dialer),
          quiet
        )
      )
    )
  })

  it.effect("counts shares that a server never answers", () => {
    const { miner, servers } = parts({}, { hashing: { hashesPerSlice: 2000 } })
    return Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* advanceUntil(nextEvent("ShareSubmitted", ({ sequenceNumber }) => sequenceNumber === 5))
      yield* client.close
      const { unanswered } = yield* advanceUntil(nextEvent("Disconnected"))
      expect(unanswered).toBeGreaterThanOrEqual(5)
    }).pipe(Effect.provide(Layer.provideMerge(miner, servers)))
  })
})
