/** docs/messages.md is what the declarations say. */
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { page, path } from "../../../scripts/messages-page.ts"
import { everyMessage } from "./directions.ts"

test("docs/messages.md is up to date; `npm run messages-page` writes it", () => {
  expect(readFileSync(path, "utf8")).toBe(page())
})

test("the page has a section for every message, with each of its fields and their types", () => {
  const sections = page().split("\n### ")
  for (const { message } of everyMessage) {
    const found = sections.filter((section) => section.startsWith(`${message.name}\n`))
    const right = found.find((section) => section.includes(`section ${message.spec};`))
    expect(right, `${message.name} of ${message.spec}`).toBeDefined()
    const rows = right!.split("\n").filter((line) => line.startsWith("| `"))
    const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()))
    expect(cells.map(([, name, type]) => [name, type])).toEqual(
      message.layout.map(({ name, type }) => [`\`${name}\``, type.name])
    )
  }
})
