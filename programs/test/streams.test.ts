/** What the reader of a program's output and log does to the program: real processes, real pipes, a real full disk. */
import { type ChildProcess, spawn } from "node:child_process"
import { openSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { formatServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it, onTestFinished } from "vitest"
import { tcpPool } from "@sluice/testing/pool-worlds"
import { Program, Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const quote = (args: ReadonlyArray<string>): string => args.map((arg) => `'${arg}'`).join(" ")
const sluice = (args: ReadonlyArray<string>): string => quote([process.execPath, main, ...args])
/** The status of the program before a pipe is the last line on standard error. */
const shell = (command: string) => new Program(["bash", "-c", command])

let directory = ""
let frames = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-streams-"))
  frames = join(directory, "frames.hex")
  await writeFile(frames, "00801805000001000000 00".repeat(20_000))
})
afterAll(() => rm(directory, { recursive: true }))

describe("a program that prints results", () => {
  it("ends quietly when its reader stops", async () => {
    const { stderr, stdout } = await shell(
      `${sluice(["decode", "--in", frames])} | head -2; echo "\${PIPESTATUS[0]}" >&2`
    ).finished
    assert.lengthOf(stdout.trimEnd().split("\n"), 2)
    assert.strictEqual(stderr, "0\n")
  })

  it("prints everything to a slow reader", async () => {
    const { stderr, stdout } = await shell(`${sluice(["decode", "--in", frames])} | (sleep 2; wc -l)`).finished
    assert.deepStrictEqual([stdout.trim(), stderr], ["20000", ""])
  })

  it("reports a full disk, and ends with status 1", async () => {
    const { status, stderr } = await shell(`${sluice(["decode", "--in", frames])} > /dev/full`).finished
    assert.match(stderr, /^sluice: cannot write to standard output: ENOSPC.*\n$/)
    assert.strictEqual(status, 1)
  })

  it("stops all that it runs, in good order, when nobody reads its events any more", async () => {
    const demo = `${sluice(["demo", "--json", "--bits", "1f001fff"])} | head -1; echo "\${PIPESTATUS[0]}" >&2`
    const { stderr, stdout } = await shell(demo).finished
    assert.strictEqual(JSON.parse(stdout).event, "Started")
    assert.strictEqual(stderr, "0\n")
  }, 60_000)
})

describe("a service", () => {
  it("serves miners after the reader of its log is gone, and counts the dropped lines", async () => {
    const [rpc, zmq, templates, mining, metrics] = await freePorts(5)
    const node = ["--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", `tcp://127.0.0.1:${zmq}`]
    const chain = new Sluice(["node", ...node, "--bits", "1f001fff"], { SLUICE_NODE__RPC_PASSWORD: "p" })
    const provider = new Sluice(
      ["template-provider", "--plain", "--listen", `127.0.0.1:${templates}`, "--rpc-user", "u"].concat([
        "--rpc-url",
        `http://127.0.0.1:${rpc}`,
        "--zmq",
        `tcp://127.0.0.1:${zmq}`
      ]),
      { SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
    )
    const command = sluice(
      ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--metrics-listen", `127.0.0.1:${metrics}`].concat(
        ["--template-provider", `stratum2+tcp+plain://127.0.0.1:${templates}`, "--log-level", "debug"],
        ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "--shares-per-minute", "600"]
      )
    )
    await Promise.all([chain.find(/listens/), provider.find(/listens/)])
    const pipeline = group(`${command} 2>&1 | head -2`)
    await lineOf(pipeline.stdout!)

    for (const user of ["alice", "bob"]) {
      const miner = ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${mining}`, "--user", user, "--shares", "3"]
      const { status, stderr } = await new Sluice(miner).finished
      assert.strictEqual(status, 0, stderr)
    }
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    const [, dropped] = /^sluice_log_lines_dropped_total (\d+)$/m.exec(text)!
    assert.isAbove(Number(dropped), 5)
    assert.match(text, /^sluice_pool_shares_accepted_total ([6-9]|\d\d+)$/m)
  }, 120_000)

  it("goes on if its log cannot be written, and stops at a signal", async () => {
    const [rpc] = await freePorts(1)
    const args = ["node", "--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", "tcp://127.0.0.1:*"]
    const full = openSync("/dev/full", "w")
    const node = spawn(process.execPath, [main, ...args], {
      stdio: ["ignore", "ignore", full],
      env: { PATH: process.env["PATH"], SLUICE_NODE__RPC_PASSWORD: "p" }
    })
    onTestFinished(() => void node.kill("SIGKILL"))
    assert.strictEqual(await untilServed(`http://127.0.0.1:${rpc}`), 401)
    const ended = new Promise((resolve) => node.once("close", resolve))
    node.kill("SIGTERM")
    assert.strictEqual(await ended, 0)
  }, 60_000)

  it("keeps a limited number of lines for a slow reader of its log, and reports the dropped ones", async () => {
    const chatty = fileURLToPath(new URL("chatty.ts", import.meta.url))
    const child = spawn(process.execPath, [chatty, "20000"], { stdio: ["ignore", "pipe", "pipe"] })
    onTestFinished(() => void child.kill("SIGKILL"))
    const held = JSON.parse(await lineOf(child.stdout!)) as { readonly waitingBytes: number; readonly dropped: number }
    assert.isAtMost(held.waitingBytes, 2 ** 20)
    assert.isAbove(held.dropped, 15_000)
    const log = (await allOf(child.stderr!)).trimEnd().split("\n")
    assert.match(log.at(-1)!, new RegExp(`level=WARN .*lines were dropped" droppedSoFar=${held.dropped}$`))
    assert.strictEqual(log.length, 20_000 - held.dropped + 1)
    for (const [i, line] of log.slice(0, -1).entries()) assert.match(line, new RegExp(` message=x{1000} i=${i}$`))
  }, 60_000)

  it("that is a sniffer passes on messages after the reader of its output is gone", async () => {
    const [own] = await freePorts(1)
    await Effect.gen(function* () {
      const url = formatServerAddress(yield* tcpPool({ policy: { sharesPerMinute: 600, shareBatchSize: 1 } }))
      yield* Effect.promise(async () => {
        const command = sluice(["sniff", "--plain", "--listen", `127.0.0.1:${own}`, "--connect", url])
        const pipeline = group(`${command} 2>'${directory}/sniff.log' | head -1`)
        const line = lineOf(pipeline.stdout!)
        for (const user of ["alice", "bob"]) {
          const connect = `stratum2+tcp+plain://127.0.0.1:${own}`
          const miner = await new Sluice(["miner", "--connect", connect, "--user", user, "--shares", "2"]).finished
          assert.strictEqual(miner.status, 0, miner.stderr)
        }
        assert.match(await line, /^\S+ #1 opened by .*\n$/)
      })
    }).pipe(Effect.scoped, Effect.runPromise)
  }, 60_000)
})

/** A pipeline of the shell, all of whose processes end with the test. */
const group = (command: string): ChildProcess => {
  const child = spawn("bash", ["-c", command], { detached: true, stdio: ["ignore", "pipe", "pipe"] })
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, "SIGKILL")
    } catch {
      // All of them have ended.
    }
  })
  return child
}

const allOf = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let text = ""
  for await (const part of stream) text += String(part)
  return text
}

/** Waits for one line; the stream stays open. */
const lineOf = (stream: NodeJS.ReadableStream): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    stream.on("data", (part) => {
      text += String(part)
      if (text.includes("\n")) resolve(text)
    })
  })

/** The status of the first answer. */
const untilServed = async (url: string): Promise<number> => {
  for (;;) {
    try {
      return (await fetch(url, { method: "POST", body: "{}" })).status
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
