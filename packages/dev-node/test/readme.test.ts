import { readFileSync } from "node:fs"
import { assert, it, vi } from "@effect/vitest"

it("the example of the README runs as it stands there", async () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")
  assert.include(read("../README.md"), "```ts\n" + read("./readme-example.ts") + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.deepStrictEqual(log.mock.calls, [["verdict: null, once more: duplicate"], ["block 1 has 4 transactions"]])
})
