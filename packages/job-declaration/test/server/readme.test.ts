import { assert, it, vi } from "@effect/vitest"
import { readFileSync } from "node:fs"

it("the example of the server in the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  assert.include(readme, "```ts\n" + example + "```")

  const lines: Array<string> = []
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
  await import("./readme-example.ts")
  assert.include(lines, "AllocateMiningJobToken.Success")
})

it("the table of metrics in the README has those of the source", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  const source = readFileSync(new URL("../../src/server/metrics.ts", import.meta.url), "utf8")
  const rows = [...readme.matchAll(/^\| `sluice_declarator_([a-z_]+)` +\| (gauge|counter) +\| (.*?) +\|$/gm)]
  const metrics = [...source.matchAll(/(counter|gauge)\(\s*"([a-z_]+)",\s*"([^"]+)"/g)]
  assert.sameDeepMembers(
    rows.map(([, name, kind, meaning]) => [name, kind, meaning]),
    metrics.map(([, kind, name, meaning]) => [name, kind, meaning])
  )
  assert.isAbove(rows.length, 10)
})
