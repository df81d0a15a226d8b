import { expect, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")

it("the pool's example in the README runs and prints the output in the README", async () => {
  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-pool-example.ts")
  const lines = log.mock.calls.map(([line]) => `${line}\n`).join("")
  log.mockRestore()

  const readme = read("../README.md")
  expect(readme).toContain("```ts\n" + read("./readme-pool-example.ts") + "```")
  expect(readme).toContain("```\n" + lines + "```")
})
