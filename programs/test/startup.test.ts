import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const programs = new URL("../", import.meta.url)
const workspace = new URL("../", programs)
const main = new URL("src/main.ts", programs)

const node = (...args: Array<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args], {
    cwd: fileURLToPath(programs),
    encoding: "utf8"
  })
  assert.strictEqual(status, 0, stderr)
  return { stdout, stderr }
}

/** Runs before a program. When the program ends, it writes the URL of each module that was loaded to stderr. */
const listModules = `
  import { registerHooks } from "node:module"
  import { writeSync } from "node:fs"
  const loaded = []
  registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
  process.on("exit", () => writeSync(2, loaded.join("\\n")))
`

/** The modules outside of `programs` that `sluice ARGS` loads: of the packages, and of zeromq. */
const packageModules = (...args: ReadonlyArray<string>): Array<string> => {
  const hook = `data:text/javascript,${encodeURIComponent(listModules)}`
  const modules = node("--import", hook, fileURLToPath(main), ...args).stderr.split("\n")
  assert.include(modules, main.href)
  return modules
    .filter((url) => url.startsWith(workspace.href))
    .map((url) => url.slice(workspace.href.length))
    .filter((path) => /^(packages|embedded)\/|zeromq/.test(path))
}

describe("a program loads the packages that it needs and no others:", () => {
  /** A file of its own: any program may be a worker, which tells of its log. */
  const logLine = "packages/monitor/src/follow/log-line.ts"

  it("sluice --help", () => {
    assert.deepStrictEqual(packageModules("--help"), ["packages/protocol/src/describe/printable.ts"])
  })

  it("sluice key generate", () => {
    assert.sameMembers(packageModules("key", "generate"), [
      "packages/protocol/src/describe/printable.ts",
      "packages/noise/src/authority-key.ts",
      "packages/noise/src/entropy.ts",
      logLine
    ])
  })

  it("sluice decode --help", () => {
    assert.isEmpty(
      packageModules("decode", "--help").filter((path) => path !== logLine && !path.startsWith("packages/protocol/"))
    )
  })

  it("sluice pool --help", () => {
    const modules = packageModules("pool", "--help")
    assert.include(modules, "packages/pool/src/index.ts")
    assert.isEmpty(
      modules.filter((path) => /^packages\/(dev-node|swarm|sniffer|conformance|miner)\/|zeromq/.test(path))
    )
  })
})

describe("importing a package loads no native code:", () => {
  const packages = [...readdirSync(new URL("packages/", workspace)), "embedded"].filter((name) => name !== "testing")

  /** The native addons that are loaded after each import, in one process. */
  const addonsAfter = (modules: ReadonlyArray<string>): Record<string, ReadonlyArray<string>> =>
    JSON.parse(
      node(
        "--input-type=module",
        "--eval",
        `const found = {}
        for (const name of ${JSON.stringify(modules)}) {
          await import(name)
          found[name] = process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node"))
        }
        console.log(JSON.stringify(found))`
      ).stdout
    )

  it(packages.join(", "), () => {
    const names = packages.map((name) => `@sluice/${name}`)
    const { zeromq, ...found } = addonsAfter([...names, "zeromq"])
    assert.deepStrictEqual(found, Object.fromEntries(names.map((name) => [name, []])))
    assert.match(zeromq!.join(), /zeromq.*\.node$/, "an addon would have been found")
  })
})
