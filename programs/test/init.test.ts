import * as NodeServices from "@effect/platform-node/NodeServices"
import { DevNode, JsonRpcServer, ZmqPublisher } from "@sluice/dev-node"
import { AuthorityKey } from "@sluice/noise"
import { freePorts } from "@sluice/testing/ports"
import { Console, Duration, Effect, Layer, Redacted, Result } from "effect"
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { FaultsFound, type ProgramError } from "../src/command/report.ts"
import { BLOCK_SCHEMES } from "../src/config/ledger.ts"
import { load } from "../src/config/load.ts"
import { parseToml } from "../src/config/toml.ts"
import { Asker, refuse } from "../src/init/asker.ts"
import { dataFolders, parseBitcoinConf, settingOf } from "../src/init/bitcoin-folder.ts"
import { InitConfig } from "../src/init/config.ts"
import { setUp } from "../src/init/main.ts"
import { lanAddressOf } from "../src/init/next-steps.ts"
import { Patience } from "../src/init/trial.ts"
import { sluice } from "../src/sluice.ts"
import { run } from "./in-process.ts"

const payee = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const poolKey = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
const poolUrl = `stratum2+tcp://pool.example:3333/${poolKey}`
const declaratorUrl = `stratum2+tcp://pool.example:3334/${poolKey}`

let directory = ""
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-init-"))
})
afterEach(() => rm(directory, { recursive: true }))

/** A person's answers, in order: text, the value of a choice, or yes and no. `STOP` is Ctrl-C. */
type Answer = string | boolean | (() => Promise<void>)
const STOP = "STOP"

/** What a person was shown: sentences, questions, and problems with answers. */
interface Shown {
  readonly lines: ReadonlyArray<string>
  readonly error: Error | undefined
}

/** Runs the questions with a person who gives these answers, and to whom no default is shown again. */
const converse = (flags: Readonly<Record<string, unknown>>, answers: ReadonlyArray<Answer>): Promise<Shown> => {
  const lines: Array<string> = []
  const rest = [...answers]
  const next = (): Effect.Effect<string | boolean, ProgramError> =>
    Effect.suspend(() => {
      const answer = rest.shift()
      if (answer === undefined) throw new Error(`no answer is left:\n${lines.join("\n")}`)
      if (typeof answer === "function") return Effect.andThen(Effect.promise(answer), next())
      return answer === STOP ? Effect.fail(refuse("stopped; nothing was written")) : Effect.succeed(answer)
    })
  const asker = Asker.of({
    isPerson: true,
    say: (text) => Effect.sync(() => void lines.push(text)),
    text: ({ check, initial = "", message }) =>
      Effect.gen(function* () {
        lines.push(`? ${message} [${initial}]`)
        for (;;) {
          const answer = yield* next()
          const checked = yield* Effect.result(check(answer === "" ? initial : String(answer)))
          if (Result.isSuccess(checked)) return checked.success
          lines.push(`! ${checked.failure}`)
        }
      }),
    choose: ({ choices, message }) =>
      Effect.map(next(), (answer) => {
        lines.push(`? ${message}`)
        const chosen = choices.find(({ title, value }) => value === answer || title === answer)
        if (chosen === undefined) throw new Error(`${String(answer)} is no choice of ${message}`)
        return chosen.value
      }),
    confirm: ({ message }) =>
      Effect.map(next(), (answer) => {
        lines.push(`? ${message}`)
        return answer === true
      })
  })
  const console = { ...globalThis.console, error: (line: string) => void lines.push(line) }
  return load(InitConfig, { flags: new Map(Object.entries(flags)), environment: {}, file: undefined }).pipe(
    Effect.flatMap(setUp),
    Effect.match({ onSuccess: () => undefined, onFailure: (error): Error => error }),
    Effect.provideService(Asker, asker),
    Effect.provideService(Patience, Duration.minutes(4)),
    Effect.provideService(Console.Console, console),
    Effect.provide(NodeServices.layer),
    Effect.map((error) => ({ lines, error })),
    Effect.runPromise
  )
}

/** Runs a development node with a data folder as Bitcoin Core has one, for as long as the test needs it. */
const withNode = (
  test: (folder: string) => Promise<void>,
  { zmq = true, conf = "" }: { readonly zmq?: boolean; readonly conf?: string } = {}
): Promise<void> => {
  const folder = join(directory, "bitcoin")
  return Effect.gen(function* () {
    yield* Effect.promise(() => mkdir(join(folder, "regtest", "blocks"), { recursive: true }))
    const login = conf === "" ? { cookieFile: join(folder, "regtest", ".cookie") } : {}
    const rpc = JsonRpcServer.layer({ port: 0, user: "alice", password: Redacted.make("secretive"), ...login })
    const announcements = zmq ? ZmqPublisher.layer("tcp://127.0.0.1:*") : Layer.empty
    yield* Effect.gen(function* () {
      const { port } = yield* JsonRpcServer
      yield* Effect.promise(() => writeFile(join(folder, "bitcoin.conf"), `[regtest]\nrpcport=${port}\n${conf}`))
      yield* Effect.promise(() => test(folder))
    }).pipe(Effect.provide(Layer.mergeAll(rpc, announcements).pipe(Layer.provideMerge(DevNode.layer({})))))
  }).pipe(Effect.scoped, Effect.runPromise)
}

const valuesOf = async (file: string): Promise<Record<string, unknown>> =>
  Object.fromEntries(Result.getOrThrow(parseToml(await readFile(file, "utf8"))).values)

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false
  )

const untried = { "no-trial": true, "http-listen": "none" }
const text = ({ lines }: Shown): string => lines.join("\n")

describe("sluice init", () => {
  it(
    "sets up solo mining with the node that it finds, tries it as a miner, and says what to type into miners",
    { timeout: 300_000 },
    () =>
      withNode(async (bitcoin) => {
        const [v2, v1, templates] = await freePorts(3)
        const folder = join(directory, "solo")
        const flags = { "http-listen": "none", "template-listen": `127.0.0.1:${templates}` }
        const shown = await converse({ ...flags, "bitcoin-folder": bitcoin }, [
          "solo",
          payee,
          `0.0.0.0:${v2}`,
          `127.0.0.1:${v1}`,
          folder
        ])
        assert.isUndefined(shown.error, text(shown))
        assert.match(text(shown), /Found Bitcoin Core .*: chain regtest, block 0\.\n/)
        assert.match(text(shown), /It works: a miner gets work\./)
        assert.notInclude(text(shown), "warnings")
        const secretKey = Result.getOrThrow(
          AuthorityKey.parseSecretKey((await readFile(join(folder, "pool.key"), "utf8")).trim())
        )
        const publicKey = AuthorityKey.formatPublicKey(AuthorityKey.publicKeyOf(secretKey))
        assert.match(text(shown), new RegExp(`URL {7}stratum2\\+tcp://[0-9.]+:${v2}/${publicKey}\n`))
        assert.notInclude(text(shown), "0.0.0.0:" + v2 + "/")
        assert.include(text(shown), `URL       stratum+tcp://127.0.0.1:${v1}\n    user      rig1\n    password  x`)
        assert.include(text(shown), `start ${folder}\n`)
        const pool = await valuesOf(join(folder, "pool.toml"))
        assert.deepInclude(pool, {
          "coinbase-address": payee,
          chain: "regtest",
          "authority-secret-key-file": "pool.key"
        })
        const provider = await valuesOf(join(folder, "template-provider.toml"))
        assert.match(String(provider["zmq"]), /^tcp:\/\/127\.0\.0\.1:\d+$/)
        assert.strictEqual(provider["rpc-cookie"], join(bitcoin, "regtest", ".cookie"))
        for (const key of ["pool.key", "template-provider.key"]) {
          assert.strictEqual((await stat(join(folder, key))).mode & 0o777, 0o600)
        }
      })
  )

  it("sets up a pool that pays its miners, with the user and the password of bitcoin.conf in a file", () =>
    withNode(
      async (bitcoin) => {
        const folder = join(directory, "pool")
        const shown = await converse({ ...untried, "bitcoin-folder": bitcoin }, [
          "pool",
          payee,
          "pplns",
          "101",
          "1.5",
          "",
          "none",
          folder
        ])
        assert.isUndefined(shown.error, text(shown))
        assert.include(text(shown), "! expected a number from 0 to 100, got 101")
        assert.include(text(shown), "user      ADDRESS.rig1")
        assert.notInclude(text(shown), "stratum+tcp")
        assert.notInclude(text(shown), "secretive")
        const pool = await valuesOf(join(folder, "pool.toml"))
        assert.deepInclude(pool, { "payout-scheme": "pplns", "payout-fee": 1.5, "node-rpc-user": "alice" })
        assert.strictEqual(pool["ledger"], `sqlite:${join(folder, "pool.ledger")}`)
        const password = join(folder, "node.password")
        assert.strictEqual(await readFile(password, "utf8"), "secretive\n")
        assert.strictEqual((await stat(password)).mode & 0o777, 0o600)
      },
      { conf: "rpcuser=alice\nrpcpassword=secretive\n" }
    ))

  it("sets up a proxy for pools of both protocols, without a node", async () => {
    const folder = join(directory, "proxy")
    const shown = await converse(untried, [
      "proxy",
      "pool.example",
      `${poolUrl}, stratum+tcp://old.example:3333`,
      "alice",
      "",
      "",
      folder
    ])
    assert.isUndefined(shown.error, text(shown))
    assert.include(text(shown), '! "pool.example" is not a server\'s address')
    assert.include(text(shown), "The pool counts its work for the account alice.")
    const values = await valuesOf(join(folder, "proxy.toml"))
    assert.deepStrictEqual(values["upstream"], [poolUrl, "stratum+tcp://old.example:3333"])
    assert.deepStrictEqual((await readdir(folder)).toSorted(), ["proxy.key", "proxy.toml"])
  })

  it("sets up a client of job declaration, which no Stratum V1 pool is for", () =>
    withNode(async (bitcoin) => {
      const folder = join(directory, "declaration")
      const shown = await converse({ ...untried, "bitcoin-folder": bitcoin }, [
        "declaration",
        "stratum+tcp://old.example:3333",
        poolUrl,
        declaratorUrl,
        "alice",
        payee,
        "",
        "",
        folder
      ])
      assert.isUndefined(shown.error, text(shown))
      assert.include(text(shown), "! a pool that speaks Stratum V1 takes no blocks of your own")
      const values = await valuesOf(join(folder, "proxy.toml"))
      assert.deepInclude(values, { "job-declarator": [declaratorUrl], "solo-address": payee, "user-identity": "alice" })
      assert.match(String(values["template-provider"]), /^stratum2\+tcp:\/\/127\.0\.0\.1:\d+\//)
    }))

  it("asks again after a wrong address, one of another chain, a bad port, and a port in use", () =>
    withNode(async (bitcoin) => {
      const busy = createServer().listen(0, "0.0.0.0")
      await new Promise((resolve) => busy.once("listening", resolve))
      const { port } = busy.address() as { port: number }
      const [v2, v1] = await freePorts(2)
      const answers = ["solo", "bc1q", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", payee]
      const shown = await converse({ ...untried, "bitcoin-folder": bitcoin }, [
        ...answers,
        "0.0.0.0:70000",
        "here",
        "0.0.0.0:0",
        `127.0.0.1:${port}`,
        "192.0.2.200:3333",
        `0.0.0.0:${v2}`,
        `127.0.0.1:${v2}`,
        `127.0.0.1:${v1}`,
        "/dev/null/folder",
        join(directory, "solo")
      ])
      busy.close()
      assert.isUndefined(shown.error, text(shown))
      const problems = shown.lines.filter((line) => line.startsWith("! "))
      const expected = [
        /"bc1q" is not a Bitcoin address/,
        /address of another chain than your node's, which is regtest/,
        /expected HOST:PORT.*got "0\.0\.0\.0:70000"/,
        /expected HOST:PORT.*got "here"/,
        /give one from 1 to 65535/,
        /another program uses port/,
        /192\.0\.2\.200 is not an address of this machine/,
        /is given already/,
        /\/dev\/null/
      ]
      assert.strictEqual(problems.length, expected.length, problems.join("\n"))
      for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern)
    }))

  const toTheEnd = {
    solo: [payee, "", "", "FOLDER"],
    pool: [payee, "pplns", "0", "", "", "FOLDER"],
    proxy: [poolUrl, "alice", "", "", "FOLDER"],
    declaration: [poolUrl, declaratorUrl, "alice", payee, "", "", "FOLDER"]
  }
  it("writes nothing if the person stops at any question", () =>
    withNode(async (bitcoin) => {
      const folder = join(directory, "stopped")
      for (const [role, answers] of Object.entries(toTheEnd)) {
        const all = [role, ...answers.map((answer) => (answer === "FOLDER" ? folder : answer))]
        for (const [index] of all.entries()) {
          const shown = await converse({ ...untried, "bitcoin-folder": bitcoin }, [...all.slice(0, index), STOP])
          assert.strictEqual(shown.error?.message, "stopped; nothing was written")
          assert.isFalse(await isThere(folder))
        }
      }
    }))

  it("replaces files only after a yes, and keeps the keys", () =>
    withNode(async (bitcoin) => {
      const folder = join(directory, "solo")
      const flags = { ...untried, "bitcoin-folder": bitcoin, role: "solo", "payout-address": payee, folder }
      const first = await converse(flags, ["", ""])
      const key = await readFile(join(folder, "pool.key"), "utf8")
      await writeFile(join(folder, "pool.toml"), "# mine\n")
      const no = await converse(flags, ["", "", false])
      assert.strictEqual(no.error?.message, "stopped; nothing was written")
      assert.strictEqual(await readFile(join(folder, "pool.toml"), "utf8"), "# mine\n")
      const yes = await converse(flags, ["", "", true])
      assert.isUndefined(yes.error, text(yes))
      assert.include(await readFile(join(folder, "pool.toml"), "utf8"), payee)
      assert.strictEqual(await readFile(join(folder, "pool.key"), "utf8"), key)
      assert.strictEqual(urlsOf(yes), urlsOf(first))
      await writeFile(join(folder, "pool.key"), "not a key")
      const spoilt = await converse(flags, ["", "", true])
      assert.match(spoilt.error?.message ?? "", /pool\.key exists and is not a secret key/)
    }))
  const urlsOf = (shown: Shown): string | undefined => /stratum2\+tcp\S+/.exec(text(shown))?.[0]

  it("leaves the folder as it was if the last file cannot be written", () =>
    withNode(async (bitcoin) => {
      const folder = join(directory, "solo")
      await mkdir(join(folder, "pool.toml"), { recursive: true })
      await writeFile(join(folder, "template-provider.toml"), "# mine\n")
      const flags = { ...untried, "bitcoin-folder": bitcoin, role: "solo", "payout-address": payee, folder }
      const shown = await converse(flags, ["", "", true])
      assert.match(shown.error?.message ?? "", /cannot write .*pool\.toml/)
      assert.deepStrictEqual((await readdir(folder)).toSorted(), ["pool.toml", "template-provider.toml"])
      assert.strictEqual(await readFile(join(folder, "template-provider.toml"), "utf8"), "# mine\n")
    }))

  it("says what to start or to change if no node runs, and looks again", async () => {
    const folder = join(directory, "bitcoin")
    const shown = await converse({ ...untried, "bitcoin-folder": folder }, ["solo", "again", "again", STOP])
    assert.strictEqual(shown.error?.message, "stopped; nothing was written")
    const said = shown.lines.filter((line) => line.startsWith("No Bitcoin Core runs on this machine"))
    assert.strictEqual(said.length, 3)
    assert.include(said[0], folder)
    assert.include(said[0], "server=1")
  })

  it("says that a cookie is not the node's, and takes another one", () =>
    withNode(async (bitcoin) => {
      const wrong = join(directory, "wrong.cookie")
      await writeFile(wrong, "__cookie__:00", { mode: 0o600 })
      const conf = parseBitcoinConf(await readFile(join(bitcoin, "bitcoin.conf"), "utf8"))
      const url = `http://127.0.0.1:${settingOf(conf, "regtest", "rpcport")}`
      const shown = await converse({ ...untried, "bitcoin-folder": join(directory, "nothing") }, [
        "solo",
        "address",
        "127.0.0.1",
        url,
        "cookie",
        wrong,
        "address",
        url,
        "cookie",
        join(bitcoin, "regtest", ".cookie"),
        payee,
        "",
        "",
        join(directory, "solo")
      ])
      assert.isUndefined(shown.error, text(shown))
      assert.include(text(shown), '! expected a URL such as http://127.0.0.1:18443, got "127.0.0.1"')
      assert.match(text(shown), /does not accept our credentials \(HTTP status 401\)/)
      assert.match(text(shown), /Found Bitcoin Core/)
    }))

  it("says which lines are missing from bitcoin.conf if the node does not announce its blocks", () =>
    withNode(
      async (bitcoin) => {
        const folder = join(directory, "solo")
        const shown = await converse({ ...untried, "bitcoin-folder": bitcoin }, [
          "solo",
          "Look again",
          "Go on without",
          payee,
          "",
          "",
          folder
        ])
        assert.isUndefined(shown.error, text(shown))
        const said = shown.lines.filter((line) => line.startsWith("It does not announce new blocks"))
        assert.strictEqual(said.length, 2)
        assert.include(said[0], join(bitcoin, "bitcoin.conf"))
        for (const topic of ["hashblock", "rawblock", "sequence"]) {
          assert.include(said[0], `\n    zmqpub${topic}=tcp://127.0.0.1:28332\n`)
        }
        assert.notProperty(await valuesOf(join(folder, "template-provider.toml")), "zmq")
      },
      { zmq: false }
    ))

  it("takes a template provider in place of a node", async () => {
    const folder = join(directory, "solo")
    const provider = `stratum2+tcp://127.0.0.1:18447/${poolKey}`
    const shown = await converse({ ...untried, "bitcoin-folder": folder }, [
      "solo",
      "provider",
      "stratum+tcp://127.0.0.1:18447",
      provider,
      payee,
      "",
      "",
      folder
    ])
    assert.isUndefined(shown.error, text(shown))
    assert.match(text(shown), /! .*is the address of a Stratum V1 server/)
    assert.deepStrictEqual((await valuesOf(join(folder, "pool.toml")))["template-provider"], [provider])
  })

  it("knows for each way to divide a block what else the pool needs", async () => {
    const provider = `stratum2+tcp://127.0.0.1:18447/${poolKey}`
    for (const scheme of ["none", ...BLOCK_SCHEMES]) {
      const folder = join(directory, scheme)
      const flags = { ...untried, role: "pool", "template-provider": provider, "payout-address": payee, folder }
      const shown = await converse(flags, scheme === "none" ? [scheme, "", ""] : [scheme, "", "", ""])
      assert.isUndefined(shown.error, text(shown))
      const pool = await valuesOf(join(folder, "pool.toml"))
      assert.strictEqual(pool["payout-scheme"], scheme === "none" ? undefined : scheme)
      assert.strictEqual(pool["ledger"] === undefined, scheme === "none" || scheme === "solo")
    }
  })

  it("says why the trial failed, and leaves the files", async () => {
    const [v2] = await freePorts(1)
    const folder = join(directory, "proxy")
    const busy = createServer()
    const flags = { role: "proxy", "http-listen": "none", "user-identity": "alice", upstream: poolUrl }
    const shown = await converse({ ...flags, "v1-listen": "none" }, [
      `127.0.0.1:${v2}`,
      // Another program takes the port after the question.
      () => new Promise((resolve) => busy.listen(v2, "127.0.0.1", () => resolve())),
      folder
    ])
    busy.close()
    assert.instanceOf(shown.error, FaultsFound)
    assert.match(text(shown), /they do not work yet:\nsluice proxy: .*the port is in use/)
    assert.isTrue(await isThere(join(folder, "proxy.toml")))
  })
})

describe("sluice init without a terminal", () => {
  it("asks nothing, and fails with one sentence unless --yes is given", async () => {
    const { status, stderr, stdout } = await run(["init", "--role", "solo"])
    assert.match(stderr, /^sluice init: there is no terminal to ask in: give --role and --yes.*\n$/)
    assert.strictEqual(stdout, "")
    assert.strictEqual(status, 2)
  })

  it("takes flags for answers and defaults for the others, and needs those without", () =>
    withNode(async (bitcoin) => {
      const folder = join(directory, "solo")
      const args = ["init", "--yes", "--role", "solo", "--bitcoin-folder", bitcoin, "--folder", folder, "--no-trial"]
      const without = await run(args)
      assert.match(without.stderr, /^sluice init: --payout-address is missing: expected a Bitcoin address.*\n$/)
      const wrong = await run([...args, "--payout-address", "bc1q"])
      assert.match(wrong.stderr, /^sluice init: --payout-address: "bc1q" is not a Bitcoin address/)
      assert.isFalse(await isThere(folder))
      const done = await run([...args, "--payout-address", payee])
      assert.strictEqual(done.status, 0, done.stderr)
      assert.match(done.stdout, /Found Bitcoin Core[^]*URL {7}stratum2\+tcp:/)
      const again = await run([...args, "--payout-address", payee])
      assert.match(again.stderr, /there is a file already; --replace replaces it/)
      assert.strictEqual((await run([...args, "--payout-address", payee, "--replace"])).status, 0)
    }))

  it("fails with one sentence if no node is found", async () => {
    const args = ["init", "--yes", "--role", "solo", "--bitcoin-folder", directory, "--payout-address", payee]
    const { status, stderr } = await run(args)
    assert.match(stderr, /^sluice init: No Bitcoin Core runs on this machine[^\n]*\n$/)
    assert.strictEqual(status, 2)
  })
})

describe("sluice start", () => {
  it("runs the programs of the folder, and stops them when it is interrupted", async () => {
    const [v2] = await freePorts(1)
    const folder = join(directory, "proxy")
    const flags = { ...untried, role: "proxy", "user-identity": "alice", upstream: "stratum+tcp://127.0.0.1:1", folder }
    await converse({ ...flags, listen: `127.0.0.1:${v2}`, "v1-listen": "none" }, [])
    const lines: Array<string> = []
    const listens = Promise.withResolvers<void>()
    const error = (line: string): void => {
      lines.push(line)
      if (line.includes(`stratum2+tcp://127.0.0.1:${v2}/`)) listens.resolve()
    }
    await Effect.raceFirst(
      sluice(["start", folder]),
      Effect.promise(() => listens.promise)
    ).pipe(Effect.provideService(Console.Console, { ...globalThis.console, error }), Effect.runPromise)
    assert.match(lines.join("\n"), /The proxy listens.* program=proxy/)
    const again = createServer().listen(v2, "127.0.0.1")
    await new Promise((resolve, reject) => again.once("listening", resolve).once("error", reject))
    const { status, stderr } = await run(["start", folder])
    again.close()
    assert.match(stderr, /sluice proxy: .*the port is in use/)
    assert.strictEqual(status, 2)
  })

  it("says which files it looked for in another folder", async () => {
    const { status, stderr } = await run(["start", directory])
    assert.match(stderr, /^sluice start: there is no .*proxy\.toml: run sluice init first\n$/)
    assert.strictEqual(status, 2)
  })
})

describe("Bitcoin Core's folder", () => {
  it("is where each platform has it", () => {
    const environment = { LOCALAPPDATA: "L", APPDATA: "A" }
    assert.strictEqual(dataFolders({ platform: "linux", home: "/h", environment: {} })[0], "/h/.bitcoin")
    const mac = dataFolders({ platform: "darwin", home: "/h", environment: {} })
    assert.deepStrictEqual(mac, ["/h/Library/Application Support/Bitcoin"])
    const windows = dataFolders({ platform: "win32", home: "/h", environment })
    assert.deepStrictEqual(windows, [join("L", "Bitcoin"), join("A", "Bitcoin")])
  })

  it("has settings in sections, with a prefix, or for all chains", () => {
    const conf = parseBitcoinConf(
      "# a = b\nrpcport=1\nrpcport=2\nrpcuser = alice # me\nsignet.rpcport=3\n[regtest]\nrpcport=4\n"
    )
    assert.strictEqual(settingOf(conf, "main", "rpcport"), "1")
    assert.strictEqual(settingOf(conf, "signet", "rpcport"), "3")
    assert.strictEqual(settingOf(conf, "regtest", "rpcport"), "4")
    assert.strictEqual(settingOf(conf, "regtest", "rpcuser"), "alice")
    // Bitcoin Core takes rpcport outside of a section for the main chain alone.
    assert.isUndefined(settingOf(conf, "test", "rpcport"))
  })
})

it("the address for miners is that of the network, not one of containers", () => {
  const at = (address: string, internal = false) => [
    { address, internal, family: "IPv4" as const, netmask: "", mac: "", cidr: null }
  ]
  const interfaces = { lo: at("127.0.0.1", true), docker0: at("172.17.0.1"), eth0: at("192.168.1.20") }
  assert.strictEqual(lanAddressOf(interfaces), "192.168.1.20")
  assert.strictEqual(lanAddressOf({ wan: at("203.0.113.5"), docker0: at("172.17.0.1") }), "203.0.113.5")
  assert.isUndefined(lanAddressOf({ lo: at("127.0.0.1", true) }))
})
