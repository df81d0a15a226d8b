import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.deepStrictEqual(log.mock.calls, [
    ["a coinbase of 61 + 16 + 40 bytes"],
    ["with an extranonce of zeros its txid is 409b5bb8d067b49f770b7390e4b455b4d16cad8af8996147aa5f13734a9a4145"]
  ])
})
