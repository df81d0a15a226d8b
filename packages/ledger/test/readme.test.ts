import { readFileSync } from "node:fs"
import { assert, it, vi } from "@effect/vitest"

it("the example of the README runs as it stands there", async () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")
  assert.include(read("../README.md"), "```ts\n" + read("./readme-example.ts") + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.deepStrictEqual(log.mock.calls, [["3 shares"], ["alice 185625000, bob 123750000, the pool 3125001"]])
})
