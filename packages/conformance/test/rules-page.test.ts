/** docs/conformance.md is what the rules say. */
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { page, path } from "../../../scripts/conformance-page.ts"
import { Conformance } from "../src/index.ts"

test("docs/conformance.md is up to date; `npm run conformance-page` writes it", () => {
  expect(readFileSync(path, "utf8")).toBe(page())
})

test("no two rules have the same name, and each says its section", () => {
  const rules = [...Conformance.serverRules, ...Conformance.clientRules]
  const ids = rules.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { id, section, side, title } of rules) {
    expect(id).toMatch(/^[a-z-]+\.[a-z-]+$/)
    expect(id.startsWith("client-")).toBe(side === "client")
    expect(section).toMatch(/^(\d+(\.\d+)*|0x[0-9a-f]{4}, \d)$/)
    expect(title).toMatch(/^\w.*[^.]$/)
  }
})
