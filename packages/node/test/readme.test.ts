import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.deepStrictEqual(log.mock.calls, [["regtest: block 1 pays 5000000000 satoshis"]])
})
