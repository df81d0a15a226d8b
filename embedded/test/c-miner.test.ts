/**
 * The example miner in C against `sluice pool`, with a development node and a template provider, all of them processes of
 * their own: natively, and as programs for ARM with and without floating-point registers.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll } from "vitest"
import { Program } from "@sluice/testing/program"
import { writeSourceFiles } from "../c/build.ts"
import { isDeviceRun } from "./device-run.ts"
import { type PoolProcesses, startPool } from "./pool-processes.ts"

const run = promisify(execFile)
const examples = fileURLToPath(new URL("../examples/", import.meta.url))

const targets = [
  { name: "native", emulator: [] },
  { name: "armhf", emulator: ["qemu-arm"] },
  { name: "armel", emulator: ["qemu-arm"] }
] as const
/** Another C library than this machine's. */
const musl = { name: "musl", emulator: [] } as const

/** A program of the examples for a target. */
const example = (
  target: (typeof targets)[number] | typeof musl,
  name: string,
  args: ReadonlyArray<string>
): Program => {
  const file = `${examples}build/${target.name}/${name}`
  return new Program([...target.emulator, file, ...args], { pipes: name === "bare-loop" })
}

const listen = (onConnection: (socket: Socket) => void): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer(onConnection).listen(0, "127.0.0.1", () => resolve(server))
  })
const portOf = (server: Server): number => (server.address() as AddressInfo).port

describe.skipIf(!isDeviceRun)("the miner in C", { timeout: 120_000 }, () => {
  let processes: PoolProcesses
  let url = ""
  let node: Program

  beforeAll(async () => {
    await writeSourceFiles(new URL("../build/c/", import.meta.url))
    await run("make", ["all", "musl", "armhf", "armel"], { cwd: examples })
    processes = await startPool()
    ;({ url, node } = processes)
  }, 300_000)

  afterAll(() => processes.stop())

  for (const target of targets) {
    it(`finds shares that the pool accepts, is given other targets and new blocks: ${target.name}`, async () => {
      const blocks = node.output.length
      // The pool remembers a user's hash rate for some minutes, and begins with the target for it.
      const miner = example(target, "linux-miner", [url, `alice-${target.name}`])
      await miner.find(/channel \d+ is open/)
      await miner.find(/\d+ accepted, 3 in all/)
      // An emulated miner may be just as fast as it says, and then the pool has no reason for another target.
      if (target.name === "native") await miner.find(/new target/)
      // Somebody quicker helps to find a block.
      const helper = example(targets[0], "linux-miner", [url, "carol"])
      await miner.find(/on a new block[^]*on a new block/)
      await node.find(/Block \d+ accepted/, blocks)
      await helper.stop("SIGTERM")
      assert.strictEqual((await miner.stop("SIGTERM")).status, 0)
      assert.match(miner.output, /\d+ accepted, \d+ refused, \d+ hashes a second\n$/)
      assert.notMatch(miner.output, /broke|not sent/)
    })

    it(`runs without an operating system: ${target.name}`, async () => {
      const child = example(target, "bare-loop", [url.split("/").at(-1)!, "bob", "2"])
      const socket = connect(processes.port, "127.0.0.1")
      child.process.stdout!.pipe(socket)
      socket.pipe(child.process.stdin!)
      socket.on("error", () => {})
      child.process.stdin!.on("error", () => {})
      assert.strictEqual((await child.finished).status, 0, child.output)
      socket.destroy()
    })
  }

  it("comes back to a pool that was killed and started anew", async () => {
    const miner = example(musl, "linux-miner", [url, "alice"])
    await miner.find(/in all/)
    await processes.pool().stop("SIGKILL")
    await miner.find(/the server closed the connection|the connection is lost/)
    const from = miner.output.length
    processes.restartPool()
    await miner.find(/channel \d+ is open[^]*in all/, from)
    assert.strictEqual((await miner.stop("SIGINT")).status, 0)
  })

  it("does not mine for who has another authority key", async () => {
    const wrong = `stratum2+tcp://127.0.0.1:${processes.port}/${processes.otherKey}`
    const miner = example(targets[0], "linux-miner", [wrong, "alice", "2"])
    assert.strictEqual((await miner.finished).status, 1)
    // 8: the certificate is not signed by this key.
    assert.match(miner.output, /the server broke noise-handshake \(1\), detail 8/)
    assert.notMatch(miner.output, /channel/)
  })

  it("gives up a server that sends garbage, one that is silent, and one that hangs up", async () => {
    const garbage = await listen((socket: Socket) => {
      socket.on("error", () => {}).write(randomBytes(4096))
    })
    const hangsUp = await listen((socket: Socket) => socket.destroy())
    const silent = await listen((socket: Socket) => socket.on("error", () => {}))
    const key = url.split("/").at(-1)!
    const against = (server: Server, scheme = "stratum2+tcp", suffix = `/${key}`) =>
      example(targets[0], "linux-miner", [`${scheme}://127.0.0.1:${portOf(server)}${suffix}`, "alice", "12"])
    const miners = [
      { pattern: /the server broke noise-handshake/, miner: against(garbage) },
      { pattern: /the server (broke|closed)/, miner: against(garbage, "stratum2+tcp+plain", "") },
      { pattern: /the server closed the connection|the connection is lost/, miner: against(hangsUp) },
      { pattern: /the server broke timely-answer/, miner: against(silent) }
    ]
    await Promise.all(
      miners.map(async ({ miner, pattern }) => {
        await miner.find(pattern)
        assert.strictEqual((await miner.stop("SIGTERM")).status, 1)
      })
    )
    for (const server of [garbage, hangsUp, silent]) server.close()
  })

  it("says what it expects on its command line", async () => {
    for (const args of [[], ["stratum2+tcp://127.0.0.1:1/9b", "alice"], ["127.0.0.1:1", "alice"]]) {
      const miner = example(targets[0], "linux-miner", args)
      assert.strictEqual((await miner.finished).status, 2)
      assert.match(miner.output, /expected stratum2\+tcp/)
    }
  })

  it("needs nothing but copying and filling of memory from its surroundings", async () => {
    for (const object of ["sluice.o", "bare-loop.o"]) {
      const { stdout } = await run("nm", ["--undefined-only", `${examples}build/native/${object}`])
      const wanted = [...stdout.matchAll(/U (\S+)/g)].map((match) => match[1]!)
      const others = wanted.filter(
        (name) => !/^(mem(cpy|move|set)|str(len|chr)|sluice_\w+|_GLOBAL_OFFSET_TABLE_)$/.test(name)
      )
      assert.deepStrictEqual(others, [], object)
    }
  })
})
