import { expect, it, vi } from "@effect/vitest"
import { Miner, openExtended, TestClient } from "@sluice/testing/pool-client"
import { fedPool, newBlock, PoolAddress } from "@sluice/testing/pool-worlds"
import { Pool } from "@sluice/pool"
import { formatEndpoint, parseServerAddress, Plain, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger, Result } from "effect"
import { readFileSync } from "node:fs"

const pool = fedPool().pipe(
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(Logger.layer([]))
)

it.live("the example of the README runs as it stands there", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    const { address } = yield* Pool
    yield* newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) })
    vi.stubEnv("POOL", `stratum2+tcp+plain://${formatEndpoint(address)}`)
    const lines: Array<string> = []
    const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
    const running = import("./readme-example.ts")
    const announced = () => lines.find((line) => line.startsWith("miners"))
    while (announced() === undefined) yield* Effect.sleep(10)
    const endpoint = announced()!.split(" ").at(-1)
    const server = Result.getOrThrow(parseServerAddress(`stratum2+tcp+plain://${endpoint}`))
    yield* Effect.gen(function* () {
      const client = yield* TestClient.connect()
      yield* client.send(openExtended({ userIdentity: "carol", nominalHashRate: 0 }))
      const miner = new Miner(yield* client.expect("OpenExtendedMiningChannel.Success"))
      // The proxy may be without a pool still.
      yield* client.follow(miner, "SetNewPrevHash")
      yield* client.send(miner.mine(), miner.mine(), miner.mine())
      yield* client.follow(miner, "SubmitShares.Success")
    }).pipe(
      Effect.scoped,
      Effect.provide(Plain.dialer.pipe(Layer.provide(Tcp.dialer), Layer.merge(Layer.succeed(PoolAddress, server))))
    )
    yield* Effect.promise(() => running)
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines).toContain("the pool is active and got 3 shares")
  }).pipe(Effect.provide(pool))
)
