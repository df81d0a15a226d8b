import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const lines: Array<string> = []
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
  await import("./readme-example.ts")
  const [template, tip] = lines.filter((line) => /^(template|work)/.test(line))
  assert.match(template!, /^template \d+: 50\d{8} satoshis$/)
  assert.match(tip!, /^work on template \d+ from \d+ on$/)
})
