import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the README runs as it is printed there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.deepStrictEqual(log.mock.calls, [[{ _tag: "Reconnect", newHost: "other.example", newPort: 3333 }]])
})
