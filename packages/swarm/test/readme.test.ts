import { expect, it, vi } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { formatEndpoint, Plain, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { readFileSync } from "node:fs"
import { fedPool, newBlock } from "@sluice/testing/pool-worlds"
import { poolOptions } from "./world.ts"

const pool = fedPool(poolOptions).pipe(
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(Logger.layer([]))
)

it.live("the example of the README runs as it stands there", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    yield* newBlock(1)
    const { address } = yield* Pool
    vi.stubEnv("POOL", `stratum2+tcp+plain://${formatEndpoint(address)}`)
    const log = vi.spyOn(console, "log").mockReturnValue(undefined)
    yield* Effect.promise(() => import("./readme-example.ts"))
    const lines = log.mock.calls.map(([line]) => String(line))
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines[0]).toMatch(/^[1-9]\d* of \d+ shares accepted$/)
    expect(lines[1]).toMatch(/^acknowledged after [\d.]+ ms, p99 [\d.]+ ms$/)
    expect(lines[2]).toMatch(/^0 of [1-9]\d* duplicates accepted$/)
  }).pipe(Effect.provide(pool))
)
