import * as NodeServices from "@effect/platform-node/NodeServices"
import { globSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Console, Effect, Logger, Schema } from "effect"
import { Command } from "effect/cli"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { defaulted } from "../src/config/key.ts"
import { hostPort } from "../src/config/value.ts"
import { loggingKeys } from "../src/output/logging.ts"
import { program } from "../src/command/program.ts"
import { run } from "./in-process.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const readme = await readFile(new URL("../README.md", import.meta.url), "utf8")
const operators = await Promise.all(
  ["running", "ledger"].map((page) => readFile(new URL(`../../docs/operators/${page}.md`, import.meta.url), "utf8"))
)

/** The lines of a page's shell examples that start with `sluice`, without comments and redirections, and with keys put in. */
const commandsOf = (page: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...page.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block = ""]) =>
    block
      .replaceAll(/\s*\\\n\s*/g, " ")
      .split("\n")
      .filter((line) => line.startsWith("sluice "))
      .map((line) =>
        line
          .replace(/\s*[#|>].*$/, "")
          .replaceAll(/(PROVIDER|POOL|SNIFFER)_KEY/g, publicKey)
          .split(" ")
          .slice(1)
      )
  )

const secretKey = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"
const publicKey = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"

describe("the operators' pages", () => {
  let directory = ""
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-docs-"))
    for (const name of ["provider.key", "pool.key", "sniffer.key", "rpc.password"]) {
      await writeFile(join(directory, name), secretKey, { mode: 0o600 })
    }
    await writeFile(join(directory, "session.ndjson"), "")
    const { stdout } = await run(["pool", "config", "--example"])
    await writeFile(join(directory, "pool.toml"), stdout.replace("authority-secret-key.txt", "pool.key"))
  })
  afterAll(() => rm(directory, { recursive: true }))

  const programs = operators.flatMap(commandsOf).filter(([name]) => name !== "key")

  it.each(programs.map((args) => [args.join(" "), args] as const))(
    "have a valid command: sluice %s",
    async (_, args) => {
      const inPlace = args.map((arg) =>
        /\.(key|toml|password)$/.test(arg) || (args[0] === "replay" && arg.endsWith(".ndjson"))
          ? join(directory, arg)
          : arg
      )
      // `config` checks everything that a start would.
      const { status, stderr } = await run(
        inPlace[1] === "config" ? inPlace : [inPlace[0]!, "config", ...inPlace.slice(1)]
      )
      assert.strictEqual(stderr, "")
      assert.strictEqual(status, 0)
    }
  )
})

describe("the README's example", () => {
  const listing = (source: string): string => /export const echo[^]*?\n\}\)\n/.exec(source)![0]

  /** `sluice echo`, with --listen, SLUICE_ECHO__LISTEN, --config, --help and `sluice echo config --example`. */
  const echo = program({
    program: "echo",
    description: "Say where it would listen.",
    schema: Schema.Struct({
      listen: defaulted(hostPort, { description: "Where clients connect.", default: "127.0.0.1:7" }),
      ...loggingKeys
    }),
    run: ({ listen }) => Effect.logInfo(`${listen.host} port ${listen.port}`)
  })

  it("is the same text as in this test", async () => {
    const here = await readFile(new URL(import.meta.url), "utf8")
    const indented = listing(readme)
      .replace("export ", "")
      .trimEnd()
      .replaceAll(/^(?=.)/gm, "  ")
    assert.include(here, indented)
  })

  it("runs", async () => {
    const lines: Array<string> = []
    const console: Console.Console = { ...globalThis.console, error: (line: string) => lines.push(line) }
    await Command.runWith(echo, { version: "0" })(["--listen", "127.0.0.1:8", "--log-format", "logfmt"]).pipe(
      Effect.provide(NodeServices.layer),
      Effect.provideService(Console.Console, console),
      Effect.provideService(Logger.LogToStderr, true),
      Effect.runPromise
    )
    assert.match(lines.join("\n"), /message="127\.0\.0\.1 port 8"/)
  })
})

describe("troubleshooting", () => {
  it("quotes words that the programs say", async () => {
    const sources = globSync(["packages/*/src/**/*.ts", "programs/src/**/*.ts"], { cwd: repository })
    const said = (await Promise.all(sources.map((file) => readFile(join(repository, file), "utf8")))).join("\n")
    const page = await readFile(join(repository, "docs/operators/troubleshooting.md"), "utf8")
    const quoted = [...page.matchAll(/^\| `(.+?)` +\|/gm)].map(([, words]) => words!)
    assert.isAbove(quoted.length, 20)
    assert.deepStrictEqual(
      quoted.filter((words) => !said.includes(words)),
      []
    )
  })
})
