/**
 * `npm run api-check`: schemathesis holds the running API of a demo against its OpenAPI document. It is installed from PyPI into a
 * virtual environment of Python once. The requests count as forwarded, so that the token is needed as from another machine.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const VERSION = "4.32.5"
const TOKEN = "the-token-of-this-check"
const root = fileURLToPath(new URL("../../..", import.meta.url))
const directory = join(root, "node_modules", ".cache", "sluice", `schemathesis-${VERSION}`)
const program = join(directory, "bin", "schemathesis")

if (!existsSync(program)) {
  execFileSync("python3", ["-m", "venv", directory], { stdio: "inherit" })
  const install = ["install", "--quiet", "--disable-pip-version-check", `schemathesis==${VERSION}`]
  execFileSync(join(directory, "bin", "pip"), install, { stdio: "inherit" })
}

const demo = spawn(process.execPath, ["programs/src/main.ts", "demo", "--browser", "false"], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, SLUICE_DEMO__HTTP_TOKEN: TOKEN }
})
const url = await new Promise<string>((resolve, reject) => {
  let output = ""
  demo.stdout.on("data", (part) => {
    output += String(part)
    const found = /page is at (\S+)/.exec(output)?.[1]
    if (found !== undefined) resolve(found)
  })
  demo.on("close", () => reject(new Error(`the demo ended: ${output}`)))
})

const check = spawn(
  program,
  ["run", `${url}/api/openapi.json`, "--url", url, "--phases", "coverage,fuzzing", "--max-examples", "30"].concat(
    ["-H", `Authorization: Bearer ${TOKEN}`, "-H", "X-Forwarded-For: 192.0.2.1"],
    // Events never end.
    ["--exclude-path", "/api/events"]
  ),
  { stdio: "inherit", cwd: directory }
)
process.exitCode = await new Promise<number>((resolve) => check.on("close", (code) => resolve(code ?? 1)))
demo.kill("SIGINT")
