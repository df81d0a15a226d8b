/** The README's example of a listener is a file that is checked and run. */
import { readFileSync } from "node:fs"
import { expect, test, vi } from "vitest"

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")

test("the example of the README runs and says what the README says", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined)
  await import("./readme-example.ts")
  const lines = log.mock.calls.map(([line]) => `${line}\n`).join("")
  log.mockRestore()

  const readme = read("../../README.md")
  expect(readme).toContain(`\`\`\`ts\n${read("./readme-example.ts")}\`\`\``)
  expect(readme).toContain(`\`\`\`\n${lines}\`\`\``)
})
