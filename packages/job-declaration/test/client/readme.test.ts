import { expect, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { inspect } from "node:util"

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")

it("the example of the client in the README runs and prints the output in the README", async () => {
  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  const lines = log.mock.calls.map(([line]) => `${typeof line === "string" ? line : inspect(line)}\n`).join("")
  log.mockRestore()

  const readme = read("../../README.md")
  expect(readme).toContain("```ts\n" + read("./readme-example.ts") + "```")
  expect(readme).toContain("```\n" + lines + "```")
})
