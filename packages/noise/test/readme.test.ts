import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const log = vi.spyOn(console, "log").mockReturnValue(undefined)
  await import("./readme-example.ts")
  assert.match(log.mock.calls[0]?.[0], /^stratum2\+tcp:\/\/pool\.example:3333\/9[A-Za-z0-9]{50}$/)
  assert.match(log.mock.calls[1]?.[0], /^a certificate for 3660 s/)
})
