/**
 * `npm run check`: all static checks of the sources, and whether the vardiff page is up to date. The checks run at the same
 * time. Each prints its output only if it fails.
 */
import { spawn } from "node:child_process"

const checks: ReadonlyArray<readonly [name: string, command: string, ...args: ReadonlyArray<string>]> = [
  ["types", "tsc", "-b", ".", "packages/monitor/page"],
  ["lint and package floors", "oxlint", "--deny-warnings"],
  ["format", "oxfmt", "--check"],
  ["portable rules", "node", "scripts/portable.ts"],
  ["page of the vardiff rule", "node", "scripts/vardiff-page.ts", "--check"]
]

const run = ([name, command, ...args]: (typeof checks)[number]): Promise<boolean> =>
  new Promise((resolve) => {
    const started = performance.now()
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" })
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => (output += String(error)))
    child.on("close", (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`)
      if (code !== 0) console.log(output.trimEnd())
      resolve(code === 0)
    })
  })

const results = await Promise.all(checks.map(run))
process.exit(results.every((ok) => ok) ? 0 : 1)
