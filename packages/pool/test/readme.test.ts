import { expect, it, vi } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { TemplateProvider } from "@sluice/template-provider"
import { parseServerAddress, Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, Result } from "effect"
import { readFileSync } from "node:fs"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { openExtended, TestClient } from "@sluice/testing/pool-client"

const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 })),
  Layer.provide(Logger.layer([]))
)

it.live("the example of the README runs as it stands there", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    const { address } = yield* TemplateProvider
    vi.stubEnv("TEMPLATE_PROVIDER", `stratum2+tcp+plain://${address.host}:${address.port}`)
    const lines: Array<string> = []
    const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
    const running = import("./readme-example.ts")
    const announced = () => lines.find((line) => line.startsWith("miners"))
    while (announced() === undefined) yield* Effect.sleep(10)
    const endpoint = announced()!.split(" ").at(-1)
    const server = Result.getOrThrow(parseServerAddress(`stratum2+tcp+plain://${endpoint}`))
    yield* Effect.gen(function* () {
      const client = yield* TestClient.connect()
      // The pool may be without a template still: the first job then comes for the group.
      const miner = yield* client.open(openExtended({ userIdentity: "carol", nominalHashRate: 0 }))
      yield* client.send(miner.mine(), miner.mine(), miner.mine())
      yield* client.follow(miner, "SubmitShares.Success")
    }).pipe(
      Effect.scoped,
      Effect.provide(Plain.dialer.pipe(Layer.provide(Tcp.dialer), Layer.merge(Layer.succeed(PoolAddress, server))))
    )
    yield* Effect.promise(() => running)
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines.filter((line) => line.startsWith("carol: a share of difficulty"))).toHaveLength(3)
    expect(lines).toContain("3 shares at height 1")
  }).pipe(Effect.provide(provider))
)
