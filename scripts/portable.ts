/**
 * `npm run check`'s portable rules: packages/core in the subset that Node and AssemblyScript understand alike
 * (portable-rules.ts), and all of it compiled by asc. With files as arguments it holds only these to the rules.
 */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { check, sources } from "../packages/core/assembly/compile.ts"
import { findProblems } from "./portable-rules.ts"

const core = fileURLToPath(new URL("../packages/core/", import.meta.url))
const given = process.argv.slice(2)
const files = given.length > 0 ? given : (await sources()).map((name) => `packages/core/${name}`)

const read = async (name: string) => {
  const path = given.length > 0 ? name : core + name.slice("packages/core/".length)
  return { name, text: await readFile(path, "utf8") }
}

const problems = findProblems(await Promise.all(files.map(read)))
for (const { file, line, column, rule, reason } of problems)
  console.error(`${file}:${line}:${column}  ${rule}: ${reason}`)

// asc's messages do not help if the file breaks the rules.
const compiled = given.length > 0 || problems.length > 0 ? undefined : await check()
if (compiled?.report) console.error(compiled.report.trim())

if (problems.length > 0) console.error(`${problems.length} places are not portable (scripts/portable-rules.ts)`)
else if (compiled?.ok === false) console.error("asc does not compile packages/core")
else console.log(`${files.length} files are portable`)
process.exitCode = problems.length === 0 && compiled?.ok !== false ? 0 : 1
