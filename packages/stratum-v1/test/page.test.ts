/** docs/stratum-v1.md is what the declarations say. */
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { page, path } from "../../../scripts/stratum-v1-page.ts"
import { ToClient, ToServer } from "../src/index.ts"

test("docs/stratum-v1.md is up to date; `npm run stratum-v1-page` writes it", () => {
  expect(readFileSync(path, "utf8")).toBe(page())
})

test("the page has every method, with each of its parameters and their types", () => {
  const [, toServer, toClient] = page().split("\n## ")
  for (const [chapter, methods] of [
    [toServer!, ToServer.toServer],
    [toClient!, ToClient.toClient]
  ] as const) {
    for (const { name, params, purpose } of methods) {
      expect(chapter).toContain(`| \`${name}\``)
      expect(chapter).toContain(purpose)
      const section = chapter.split("\n### ").find((part) => part.startsWith(`${name}\n`)) ?? ""
      const rows = section.split("\n").filter((line) => line.startsWith("| `"))
      const cells = rows.map((row) =>
        row
          .split("|")
          .map((cell) => cell.trim())
          .slice(1, 3)
      )
      expect(cells).toEqual(Object.entries(params).map(([field, type]) => [`\`${field}\``, type.name]))
    }
  }
})
