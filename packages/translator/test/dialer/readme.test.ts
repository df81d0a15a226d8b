/** The example of the README over real sockets. */
import { expect, it, vi } from "@effect/vitest"
import { formatServerAddress, Listener, Tcp } from "@sluice/transport"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import { quiet, servePool, V1Pool } from "./world.ts"

/** A difficulty that a thread meets a few hundred times a second. */
const DIFFICULTY = 2 ** -20

it.live("the example for a V1 pool runs as it stands in the README", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    const { pool } = yield* V1Pool
    const { address } = yield* Listener
    vi.stubEnv("V1_POOL", formatServerAddress({ ...address, security: { _tag: "v1", tls: false } }))
    const log = vi.spyOn(console, "log").mockReturnValue(undefined)
    yield* Effect.promise(() => import("./readme-example.ts"))
    const lines = log.mock.calls.map(([line]) => String(line))
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines).toEqual([expect.stringMatching(/^\d+ shares accepted, of 1 jobs$/)])
    const [end] = pool.ends
    expect(end!.authorized).toEqual(["farm.rig1:x"])
    expect(end!.accepted.length).toBeGreaterThanOrEqual(3)
    expect(end!.accepted).toHaveLength(end!.shares.length)
  }).pipe(
    Effect.provide(
      servePool({ difficulty: DIFFICULTY }).pipe(
        Layer.provideMerge(Tcp.listener({ host: "127.0.0.1", port: 0 })),
        Layer.provide(quiet)
      )
    )
  )
)
