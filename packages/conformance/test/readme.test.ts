import { expect, it, vi } from "@effect/vitest"
import { formatServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { tcpPool } from "@sluice/testing/pool-worlds"

it.live("the example of the README runs as it stands there, against a pool on a real socket with Noise", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    vi.stubEnv("SERVER", formatServerAddress(yield* tcpPool()))
    const lines: Array<string> = []
    const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
    yield* Effect.promise(() => import("./readme-example.ts"))
    vi.unstubAllEnvs()
    log.mockRestore()
    expect(lines.filter((line) => !line.startsWith("Passed "))).toEqual([
      "Skipped shares.version-fixed (5.3.16)",
      "Skipped shares.stale (5.3.17)"
    ])
    expect(lines).toContain("Passed shares.duplicate-standard (5.3.14)")
  })
)
