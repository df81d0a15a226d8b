import { assert, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

it("the example of the README runs and prints what it says", () => {
  const cwd = fileURLToPath(new URL("..", import.meta.url))
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  const block = (language: string): string => new RegExp("```" + language + "\n(.*?)```", "s").exec(readme)![1]!
  const printed = execFileSync(process.execPath, ["--input-type=module-typescript"], { cwd, input: block("ts") })
  assert.strictEqual(printed.toString(), block("text"))
})
