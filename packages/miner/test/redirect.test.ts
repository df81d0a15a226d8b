import { expect, it } from "@effect/vitest"
import type { Mining } from "@sluice/protocol"
import { type ConnectionDialer, MiningDialer, type ServerAddress } from "@sluice/transport"
import { Effect, Layer, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HashInProcess, Miner } from "../src/index.ts"
import { bytes } from "./work-fixture.ts"

const SERVER: ServerAddress = { host: "pool", port: 3333, security: { _tag: "noise", authorityKey: bytes(9) } }

/** A server, wherever it is dialed, that sends everyone somewhere else. */
const restless = (dialed: Array<ServerAddress>): ConnectionDialer<Mining.ToClient, Mining.ToServer> => ({
  dial: (server) =>
    Effect.sync(() => {
      dialed.push(server)
      return {
        receive: Stream.make({ _tag: "Reconnect", newHost: `${server.host}x`, newPort: 0 } as const),
        send: () => Effect.void,
        setup: {
          version: 2,
          flags: 0,
          extensions: [],
          device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" }
        },
        remote: server
      }
    })
})

it.effect("a server named by Reconnect must show a certificate of the same authority (3.6.5)", () => {
  const dialed: Array<ServerAddress> = []
  return Effect.gen(function* () {
    yield* TestClock.adjust("10 seconds")
    expect(dialed.slice(0, 3)).toEqual(["pool", "poolx", "poolxx"].map((host) => ({ ...SERVER, host })))
  }).pipe(
    Effect.provide(
      Miner.layer({ servers: [SERVER], user: "miner" }).pipe(
        Layer.provide([Layer.succeed(MiningDialer, restless(dialed)), HashInProcess.layer()]),
        Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
      )
    )
  )
})
