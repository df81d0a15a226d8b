import { expect, it, vi } from "@effect/vitest"
import { formatServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { tcpPool } from "@sluice/testing/pool-worlds"

it.live("the example of the README runs as it stands there", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    const server = yield* tcpPool({ policy: { sharesPerMinute: 600 } })
    vi.stubEnv("POOL", formatServerAddress(server))
    const log = vi.spyOn(console, "log").mockReturnValue(undefined)
    yield* Effect.promise(() => import("./readme-example.ts"))
    const lines = log.mock.calls.map(([line]) => String(line))
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines.at(-1)).toMatch(/^\d+ shares accepted at \d+ kH\/s$/)
    expect(lines.some((line) => line.startsWith('{"_tag":"ShareSubmitted"'))).toBe(true)
  })
)
