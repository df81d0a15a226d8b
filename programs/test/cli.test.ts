import { readFileSync } from "node:fs"
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { keysOf } from "../src/config/key.ts"
import { DemoConfig } from "../src/demo/config.ts"
import { JobDeclaratorConfig } from "../src/job-declarator/config.ts"
import { MinerConfig } from "../src/miner/config.ts"
import { NodeConfig } from "../src/node/config.ts"
import { PoolConfig } from "../src/pool/config.ts"
import { ProxyConfig } from "../src/proxy/config.ts"
import { ReplayConfig } from "../src/replay/config.ts"
import { SniffConfig } from "../src/sniff/config.ts"
import { SwarmConfig } from "../src/swarm/config.ts"
import { TemplateProviderConfig } from "../src/template-provider/config.ts"
import { Sluice } from "@sluice/testing/program"
import { run } from "./in-process.ts"

const programs = [
  NodeConfig,
  TemplateProviderConfig,
  PoolConfig,
  JobDeclaratorConfig,
  ProxyConfig,
  MinerConfig,
  DemoConfig,
  SwarmConfig,
  SniffConfig,
  ReplayConfig
]
// Section 1 of the interoperability data that the Stratum V2 reference implementation publishes.
const secretKey = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"
const tokenKey = "5d".repeat(32)
const publicKey = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-cli-"))
})
afterAll(() => rm(directory, { recursive: true }))

/** Runs a command that must print these lines on stderr, nothing else, and start nothing. */
const refuses = async (args: ReadonlyArray<string>, ...lines: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = await run(args)
  const command = args[0] === "key" ? args.slice(0, 2).join(" ") : args[0]
  assert.deepStrictEqual(stderr.trimEnd().split("\n").slice(0, -1), lines)
  assert.include(stderr, `See \`sluice ${command?.split(" ")[0]}`)
  assert.strictEqual(stdout, "")
  assert.strictEqual(status, 2)
}

describe("a wrong command line", () => {
  it("an unknown command is refused with the nearest one", async () => {
    const { status, stderr } = await run(["poll"])
    assert.strictEqual(stderr, "sluice: there is no command poll; did you mean pool?\nSee `sluice --help`.\n")
    assert.strictEqual(status, 2)
  })

  it("all wrong addresses are reported at once", () =>
    refuses(
      [
        "pool",
        "--plain",
        "--listen",
        "here",
        "--template-provider",
        "stratum2+tcp://a:1",
        "--coinbase-address",
        "bc1q"
      ],
      'sluice pool: --listen: expected HOST:PORT, such as 127.0.0.1:3333 or [::1]:3333, got "here"',
      'sluice pool: --template-provider: "stratum2+tcp://a:1" lacks the authority key that the server publishes: ' +
        "expected stratum2+tcp://HOST:PORT/AUTHORITYKEY",
      'sluice pool: --coinbase-address: "bc1q" is not a Bitcoin address of any network: a character is missing, mistyped or too many'
    ))

  for (const [what, flags, message] of [
    [
      "a spare node without a cookie of its own",
      ["--spare-rpc-urls", "http://127.0.0.1:2"],
      "spare-rpc-urls needs spare-rpc-cookies or spare-rpc-logins beside rpc-cookie: each node has a cookie of its own"
    ],
    [
      "two spare nodes with one cookie",
      ["--spare-rpc-urls", "http://127.0.0.1:2,http://127.0.0.1:3", "--spare-rpc-cookies", "/two"],
      "spare-rpc-cookies names 1, and spare-rpc-urls 2: one for each node"
    ],
    [
      "a login without a password, which is not shown",
      ["--spare-rpc-urls", "http://127.0.0.1:2", "--spare-rpc-logins", "secretive:"],
      "--spare-rpc-logins: expected one or several USER:PASSWORD, each on a line, got something else, which is not shown " +
        "(each must be a user, a colon and a password, without blanks)"
    ],
    [
      "one bad ZMQ endpoint of two",
      ["--zmq", "tcp://127.0.0.1:1,udp://x"],
      "--zmq: expected endpoints such as tcp://127.0.0.1:28332, with commas between them, got " +
        '"tcp://127.0.0.1:1,udp://x" (it does not begin with tcp:// or ipc://)'
    ]
  ] as const) {
    it(what, () =>
      refuses(
        ["template-provider", "--plain", "--rpc-url", "http://127.0.0.1:1", "--rpc-cookie", "/one", ...flags],
        `sluice template-provider: ${message}`
      )
    )
  }

  const provider = ["template-provider", "config", "--plain", "--rpc-url", "http://127.0.0.1:1"]
  const server = ["--connect", "stratum2+tcp+plain://127.0.0.1:1"]
  for (const [what, args, message] of [
    ["a cookie that is a directory", [...provider, "--rpc-cookie", "/tmp"], /--rpc-cookie: .*\(it is a directory\)/],
    [
      "blocks to be kept in a file",
      [...provider, "--rpc-cookie", "/one", "--blocks-directory", import.meta.filename],
      /--blocks-directory: .*cli\.test\.ts is not a directory\)/
    ],
    [
      "blocks to be kept in a directory below a file",
      [...provider, "--rpc-cookie", "/one", "--blocks-directory", `${import.meta.filename}/blocks/main`],
      /--blocks-directory: .*cli\.test\.ts is not a directory\)/
    ],
    [
      "one port for clients and for metrics",
      [...provider, "--rpc-cookie", "/one", "--metrics-listen", "127.0.0.1:18447"],
      /listen, metrics-listen: both are port 18447/
    ],
    [
      "a recording over a file that is there",
      ["sniff", "config", "--plain", ...server, "--record", import.meta.filename],
      /--record: .*\(there is a file already\)/
    ],
    [
      "a recording to be read that is not there",
      ["replay", "config", ...server, "--recording", "/no/where"],
      /--recording: .*\(there is no such file\)/
    ],
    [
      "a report that is a directory",
      ["swarm", "config", ...server, "--report", "/tmp"],
      /--report: .*\(it is a directory\)/
    ],
    [
      "a user that fits no message",
      ["miner", "config", ...server, "--user", "é".repeat(128)],
      /--user: .*\(it has 256 bytes, and 255 at most fit\)/
    ],
    [
      "a worker of a standard channel",
      ["miner", "config", ...server, "--user", "a", "--worker", "b"],
      /miner: worker needs channel extended/
    ]
  ] as const) {
    it(`refuses ${what} before anything starts`, async () => {
      const { status, stderr } = await run(args)
      assert.match(stderr, message)
      assert.strictEqual(status, 2)
    })
  }

  it("an unknown key of a file is reported with its line", async () => {
    const path = join(directory, "pool.toml")
    await writeFile(path, 'plain = true\ncoinbase_address = "x"\n')
    const { status, stderr } = await run(["pool", "--config", path])
    assert.include(
      stderr,
      `sluice pool: ${path}, line 2: there is no key "coinbase_address"; did you mean coinbase-address?\n`
    )
    assert.strictEqual(status, 2)
  })

  it("a server needs a key or --plain", async () => {
    const args = ["pool", "--template-provider", "stratum2+tcp+plain://a:1"]
    await refuses(
      [...args, "--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"],
      "sluice pool: --authority-secret-key or --authority-secret-key-file is missing: expected a secret key as " +
        "`sluice key generate` makes it, or --plain for a trusted network"
    )
  })
})

describe("sluice", () => {
  it("prints its version with --version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
    assert.include((await run(["--version"])).stdout, version)
  })

  it.each(programs)("$program --help names every key with its flag", async (config) => {
    const { status, stdout } = await run([config.program, "--help"])
    assert.strictEqual(status, 0)
    for (const key of keysOf(config.program, config.schema.fields)) {
      assert.include(stdout, `--${key.name}`)
      assert.include(stdout, key.description)
      if (key.value.secret) assert.include(stdout, `--${key.name}-file`)
    }
    for (const always of ["--config", "--log-level", "--help", "--version"]) assert.include(stdout, always)
  })

  it.each(programs)(
    "$program config --example prints the example that stands beside its source",
    async ({ program }) => {
      const { stdout } = await run([program, "config", "--example"])
      assert.strictEqual(stdout, await readFile(new URL(`../src/${program}/example.toml`, import.meta.url), "utf8"))
    }
  )

  it.each(programs)(
    "the example of $program is a valid configuration once its secret files exist",
    async ({ program }) => {
      const place = await mkdtemp(join(directory, `${program}-`))
      const example = await readFile(new URL(`../src/${program}/example.toml`, import.meta.url), "utf8")
      await writeFile(join(place, "example.toml"), example)
      for (const [, name] of example.matchAll(/^(?:[a-z-]+-file|recording) = "(.*)"$/gm)) {
        await writeFile(join(place, name!), name!.includes("token") ? tokenKey : secretKey, { mode: 0o600 })
      }
      const { status, stdout, stderr } = await run([program, "config", "--config", join(place, "example.toml")])
      assert.strictEqual(stderr, "")
      assert.strictEqual(status, 0)
      assert.notInclude(stdout, secretKey)
      assert.notInclude(stdout, tokenKey)
    }
  )
})

describe("sluice key", () => {
  const warnedOfArgument =
    "sluice key: warning: SECRET: every user of this machine can see the arguments of a program; give --secret-key-file FILE instead"

  it("warns of a secret key on the command line, and of one in a file that other users can read", async () => {
    assert.strictEqual((await run(["key", "show", secretKey])).stderr, `${warnedOfArgument}\n`)
    const path = join(directory, "open.key")
    await writeFile(path, secretKey, { mode: 0o644 })
    const { status, stderr } = await run(["key", "show", "--secret-key-file", path])
    assert.strictEqual(
      stderr,
      `sluice key: warning: --secret-key-file: every user of this machine can read or write ${path}; chmod 600 ${path}\n`
    )
    assert.strictEqual(status, 0)
  })

  it("shows the public key of a known secret key", async () => {
    assert.strictEqual((await run(["key", "show", secretKey])).stdout, `publicKey: ${publicKey}\n`)
    assert.deepStrictEqual(JSON.parse((await run(["key", "show", "--json", secretKey])).stdout), { publicKey })
  })

  it("generates a pair that belongs together", async () => {
    const pair = JSON.parse((await run(["key", "generate", "--json"])).stdout)
    assert.deepStrictEqual(Object.keys(pair), ["secretKey", "publicKey"])
    assert.strictEqual((await run(["key", "show", pair.secretKey])).stdout, `publicKey: ${pair.publicKey}\n`)
  })

  it("writes a secret key to a file for its owner alone, and never overwrites one", async () => {
    const path = join(directory, "authority.txt")
    const { stdout } = await run(["key", "generate", "--secret-key-file", path])
    assert.strictEqual((await run(["key", "show", "--secret-key-file", path])).stdout, stdout)
    assert.strictEqual((await stat(path)).mode & 0o777, 0o600)
    await refuses(["key", "generate", "--secret-key-file", path], `sluice key: ${path}: there is a file already`)
  })

  it("keeps a key that is there already if it is told to, and nothing else that is there", async () => {
    const path = join(directory, "kept.key")
    const keep = ["key", "generate", "--keep", "--secret-key-file", path]
    const { stdout } = await run(keep)
    assert.strictEqual((await run(["key", "show", "--secret-key-file", path])).stdout, stdout)
    assert.deepStrictEqual(await run(keep), { status: 0, stdout, stderr: "" })
    const { status } = await run([...keep.slice(0, -1), directory])
    assert.strictEqual(status, 2)
    await refuses(["key", "generate", "--keep"], "sluice key: keep: expected --secret-key-file FILE too")
  })

  it("refuses a public key in place of a secret key", () =>
    refuses(
      ["key", "show", publicKey],
      warnedOfArgument,
      "sluice key: this is an authority public key; expected the secret key that belongs to it (`sluice key generate`)"
    ))
})

/** The command as its users run it: a process of its own, which the tests above do without. */
describe("the process", () => {
  const serve = (...more: ReadonlyArray<string>) =>
    ["template-provider", "--rpc-url", "http://127.0.0.1:1", "--rpc-user", "u", "--rpc-password", "p"].concat(more)

  it("ends with status 2 and one line for an unknown flag", async () => {
    const { status, stdout, stderr } = await new Sluice(["pool", "--lisen", "x"]).finished
    assert.strictEqual(
      stderr,
      "sluice pool: there is no flag --lisen; did you mean --listen?\nSee `sluice pool --help`.\n"
    )
    assert.strictEqual(stdout, "")
    assert.strictEqual(status, 2)
  })

  it("ends with status 2 if its port is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => other.once("listening", resolve))
    const { port } = other.address() as AddressInfo
    const args = serve("--plain", "--listen", `127.0.0.1:${port}`).filter((arg) => !/^(--rpc-password|p)$/.test(arg))
    const { status, stderr } = await new Sluice(args, { SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }).finished
    other.close()
    assert.strictEqual(
      stderr,
      `sluice template-provider: cannot listen on 127.0.0.1:${port}: the port is in use; ` +
        "stop the program that has it or choose another port\n"
    )
    assert.strictEqual(status, 2)
  })

  it("logs its URL, waits longer and longer for a node, and ends with 0 at a signal", async () => {
    const server = new Sluice(serve("--listen", "127.0.0.1:0", "--authority-secret-key", secretKey))
    const [, url] = await server.find(/connect to (\S+)"/)
    assert.match(url!, new RegExp(`^stratum2\\+tcp://127\\.0\\.0\\.1:\\d+/${publicKey}$`))
    await server.find(
      /level=WARN .*--authority-secret-key: every user of this machine can see the arguments of a program/
    )
    await server.find(/cannot be reached.*0\.25 s[^]*cannot be reached.*0\.5 s/)
    const { status, stdout } = await server.stop("SIGTERM")
    assert.strictEqual(stdout, "")
    assert.strictEqual(status, 0)
  })

  it("warns if it serves without encryption, and logs in the chosen format", async () => {
    const server = new Sluice(serve("--plain", "--listen", "127.0.0.1:0", "--log-format", "json"))
    await server.find(/trusted networks only.*"level":"WARN"/)
    await server.find(/stratum2\+tcp\+plain:\/\/127\.0\.0\.1:\d+/)
    assert.strictEqual((await server.stop("SIGINT")).status, 0)
  })
})
