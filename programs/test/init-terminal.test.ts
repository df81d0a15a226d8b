/**
 * `sluice init` as a process in a pseudo-terminal, which `script` of util-linux makes. One short run by default; with
 * SLUICE_TERMINAL_RUNS (`npm run soak`) every role, wrong answers, and Ctrl-C at each question.
 */
import { DevNode, JsonRpcServer, ZmqPublisher } from "@sluice/dev-node"
import { freePorts } from "@sluice/testing/ports"
import { Effect, Layer } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, it, onTestFinished } from "vitest"

const runsAll = Number(process.env["SLUICE_TERMINAL_RUNS"] ?? 0) > 0
const hasScript = process.platform === "linux" && (runsAll || spawnSync("script", ["--version"]).status === 0)

const payee = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const poolKey = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
const poolUrl = `stratum2+tcp://pool.example:3333/${poolKey}`

const ENTER = "\r"
const CTRL_C = "\u0003"
const DOWN = "\u001b[B"
/** Clears the default and types an answer. */
const type = (answer: string): string => `\u0015${answer}${ENTER}`
const choose = (index: number): string => DOWN.repeat(index) + ENTER

/** A question, by a part of its text, and the keys to press. */
type Step = readonly [question: string, keys: string]

class Terminal {
  private readonly process: ChildProcess
  private output = ""
  private wake: () => void = () => undefined
  private readonly ended: Promise<number | null>

  constructor(args: ReadonlyArray<string>) {
    const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
    const command = [process.execPath, main, ...args].map((arg) => `'${arg}'`).join(" ")
    this.process = spawn("script", ["-qec", command, "/dev/null"], {
      env: {
        PATH: process.env["PATH"],
        TERM: "xterm",
        NO_COLOR: "1",
        NODE_COMPILE_CACHE: join(tmpdir(), "sluice-test-compiled"),
        HOME: tmpdir()
      }
    })
    onTestFinished(() => void this.process.kill("SIGKILL"))
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.output += text
      this.wake()
    })
    this.ended = new Promise((resolve) => this.process.on("close", resolve))
    void this.ended.then(() => this.wake())
  }

  /** Waits for each question in turn, answers it, and gives the output and the exit status. */
  async answer(steps: ReadonlyArray<Step>): Promise<{ readonly output: string; readonly status: number | null }> {
    let from = 0
    for (const [question, keys] of steps) {
      for (;;) {
        const at = this.output.indexOf(question, from)
        if (at >= 0) {
          from = at + question.length
          break
        }
        if (this.process.exitCode !== null) throw new Error(`expected ${question} in:\n${this.output}`)
        await new Promise<void>((resolve) => (this.wake = resolve))
      }
      this.process.stdin!.write(keys)
    }
    const status = await this.ended
    return { output: this.output.replaceAll("\r\n", "\n"), status }
  }
}

let directory = ""
let folder = ""
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-init-terminal-"))
  folder = join(directory, "set-up")
})
afterEach(() => rm(directory, { recursive: true }))

/** Runs a development node whose data folder the test gets. */
const withNode = (test: (bitcoin: string) => Promise<void>, { zmq = true } = {}): Promise<void> => {
  const bitcoin = join(directory, "bitcoin")
  return Effect.gen(function* () {
    yield* Effect.promise(() => mkdir(join(bitcoin, "regtest"), { recursive: true }))
    const rpc = JsonRpcServer.layer({ port: 0, cookieFile: join(bitcoin, "regtest", ".cookie") })
    const layer = zmq ? Layer.merge(rpc, ZmqPublisher.layer("tcp://127.0.0.1:*")) : rpc
    yield* Effect.gen(function* () {
      const { port } = yield* JsonRpcServer
      yield* Effect.promise(() => writeFile(join(bitcoin, "bitcoin.conf"), `[regtest]\nrpcport=${port}\n`))
      yield* Effect.promise(() => test(bitcoin))
    }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(DevNode.layer({})))))
  }).pipe(Effect.scoped, Effect.runPromise)
}

const untried = ["init", "--no-trial", "--http-listen", "none"]

describe.runIf(hasScript)("sluice init in a terminal", () => {
  it("shows what is wrong with an answer beside the question, and writes nothing after Ctrl-C", async () => {
    const { output, status } = await new Terminal([...untried, "--folder", folder]).answer([
      ["What do you want to do?", choose(2)],
      ["Address of the pool", type("pool.example")],
      ["is not a server's address", type(poolUrl)],
      ["Your account at the pool", CTRL_C]
    ])
    assert.include(output, "stopped; nothing was written")
    assert.strictEqual(status, 2)
    assert.deepStrictEqual(await readdir(directory), [])
  })
})

describe.runIf(hasScript && runsAll)("every answer of sluice init in a terminal", () => {
  const listens: ReadonlyArray<Step> = [
    ["Address and port for miners that speak Stratum V2", ENTER],
    ["Address and port for miners that speak Stratum V1", ENTER]
  ]
  const last = (): Step => ["Folder for the configuration", type(folder)]
  const upstream: ReadonlyArray<Step> = [["Address of the pool", type(poolUrl)]]
  const roles = {
    solo: [["What do you want to do?", choose(0)], ["Your Bitcoin address", type(payee)], ...listens],
    pool: [
      ["What do you want to do?", choose(1)],
      ["own Bitcoin address", type(payee)],
      ["How is a block divided", choose(0)],
      ["Your part of each block", ENTER],
      ...listens
    ],
    proxy: [["What do you want to do?", choose(2)], ...upstream, ["Your account", type("alice")], ...listens],
    declaration: [
      ["What do you want to do?", choose(3)],
      ...upstream,
      ["job declarator", type(poolUrl.replace("3333", "3334"))],
      ["Your account", type("alice")],
      ["Your Bitcoin address", type(payee)],
      ...listens
    ]
  } satisfies Record<string, ReadonlyArray<Step>>

  for (const [role, steps] of Object.entries<ReadonlyArray<Step>>(roles)) {
    it(`${role}: writes the files and says what to type into miners`, { timeout: 60_000 }, () =>
      withNode(async (bitcoin) => {
        const terminal = new Terminal([...untried, "--bitcoin-folder", bitcoin])
        const { output, status } = await terminal.answer([...steps, last()])
        assert.strictEqual(status, 0, output)
        assert.match(output, /URL {7}stratum2\+tcp:\/\//)
        assert.include(await readdir(folder), role === "solo" || role === "pool" ? "pool.toml" : "proxy.toml")
      })
    )

    it(`${role}: Ctrl-C at each question leaves nothing`, { timeout: 300_000 }, () =>
      withNode(async (bitcoin) => {
        const all = [...steps, last()]
        for (const [index, [question]] of all.entries()) {
          const terminal = new Terminal([...untried, "--bitcoin-folder", bitcoin])
          const { output, status } = await terminal.answer([...all.slice(0, index), [question, CTRL_C]])
          assert.include(output, "stopped; nothing was written", `at: ${question}`)
          assert.strictEqual(status, 2)
          assert.notInclude(await readdir(directory), "set-up")
        }
      })
    )
  }

  it("tries what it has written, with a miner that gets work", { timeout: 60_000 }, () =>
    withNode(async (bitcoin) => {
      const [v2, v1] = await freePorts(2)
      const terminal = new Terminal(["init", "--http-listen", "none", "--bitcoin-folder", bitcoin, "--role", "solo"])
      const { output, status } = await terminal.answer([
        ["Your Bitcoin address", type("bc1q")],
        ["is not a Bitcoin address", type(payee)],
        ["Stratum V2", type("0.0.0.0:99999")],
        ["expected HOST:PORT", type(`127.0.0.1:${v2}`)],
        ["Stratum V1", type(`127.0.0.1:${v1}`)],
        last()
      ])
      assert.strictEqual(status, 0, output)
      assert.include(output, "It works: a miner gets work.")
    })
  )

  it("replaces a file after a yes alone", { timeout: 120_000 }, () =>
    withNode(async (bitcoin) => {
      const flags = ["--bitcoin-folder", bitcoin, "--role", "solo", "--payout-address", payee, "--folder", folder]
      const runs = (keys: string) =>
        new Terminal([...untried, ...flags, "--listen", "127.0.0.1:3999", "--v1-listen", "none"]).answer([
          ["Replace ", keys]
        ])
      await mkdir(folder)
      await writeFile(join(folder, "pool.toml"), "# mine\n")
      assert.strictEqual((await runs("n")).status, 2)
      assert.strictEqual(await readFile(join(folder, "pool.toml"), "utf8"), "# mine\n")
      assert.strictEqual((await runs(CTRL_C)).status, 2)
      assert.strictEqual(await readFile(join(folder, "pool.toml"), "utf8"), "# mine\n")
      assert.strictEqual((await runs("y")).status, 0)
      assert.include(await readFile(join(folder, "pool.toml"), "utf8"), payee)
    })
  )

  it("looks again for a node, and takes a typed address, with a wrong cookie first", { timeout: 60_000 }, () =>
    withNode(async (bitcoin) => {
      const [, port = ""] = /rpcport=(\d+)/.exec(await readFile(join(bitcoin, "bitcoin.conf"), "utf8")) ?? []
      const wrong = join(directory, "wrong")
      await writeFile(wrong, "__cookie__:00", { mode: 0o600 })
      const url: Step = ["Address of the node's RPC", type(`http://127.0.0.1:${port}`)]
      const cookie = (path: string): Step => ["Path of the cookie file", type(path)]
      const terminal = new Terminal([...untried, "--bitcoin-folder", join(directory, "none")])
      const { output, status } = await terminal.answer([
        ["What do you want to do?", choose(0)],
        ["Where is the node?", choose(0)],
        ["No Bitcoin Core runs", ""],
        ["Where is the node?", choose(1)],
        url,
        ["How does one log in", choose(0)],
        cookie(wrong),
        ["does not accept our credentials", ""],
        ["Where is the node?", choose(1)],
        url,
        ["How does one log in", choose(0)],
        cookie(join(bitcoin, "regtest", ".cookie")),
        ["Your Bitcoin address", type(payee)],
        ...listens,
        last()
      ])
      assert.strictEqual(status, 0, output)
    })
  )

  it("says the lines for bitcoin.conf if the node announces no blocks", { timeout: 60_000 }, () =>
    withNode(
      async (bitcoin) => {
        const terminal = new Terminal([...untried, "--bitcoin-folder", bitcoin, "--role", "solo"])
        const { output, status } = await terminal.answer([
          ["zmqpubhashblock=tcp://127.0.0.1:28332", ""],
          ["And now?", choose(1)],
          ["zmqpubhashblock=tcp://127.0.0.1:28332", ""],
          ["And now?", choose(0)],
          ["Your Bitcoin address", type(payee)],
          ...listens,
          last()
        ])
        assert.strictEqual(status, 0, output)
      },
      { zmq: false }
    )
  )
})
