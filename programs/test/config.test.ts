import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted, Result, Schema } from "effect"
import { effectiveToml, exampleToml } from "../src/config/example.ts"
import { defaulted, optional, required } from "../src/config/key.ts"
import { load } from "../src/config/load.ts"
import { nearest } from "../src/config/nearest.ts"
import { parseToml } from "../src/config/toml.ts"
import * as Value from "../src/config/value.ts"
import { run } from "./in-process.ts"

const Fountain = {
  program: "fountain-pump",
  schema: Schema.Struct({
    listen: defaulted(Value.hostPort, { description: "Where water comes in.", default: "127.0.0.1:3333" }),
    basinUrl: required(Value.httpUrl, { description: "The basin.", example: "http://127.0.0.1:1" }),
    threads: defaulted(Value.whole("N", 1, 8), { description: "Pumps.", default: 2 }),
    quiet: defaulted(Value.toggle, { description: "No noise.", default: false }),
    valveKey: optional(
      Value.text({ metavar: "KEY", expected: "the valve's key", secret: true }, (text) =>
        text.startsWith("k-") ? Result.succeed(Redacted.make(text)) : Result.fail("it does not begin with k-")
      ),
      { description: "Opens the valve." }
    ),
    plan: optional(Value.file("a plan"), { description: "The plan." })
  }).check(
    Schema.makeFilter(({ quiet, valveKey }) =>
      quiet && valveKey !== undefined ? "a quiet pump has no valve" : undefined
    )
  )
}

const basin = ["basin-url", "http://basin"] as const
const file = (content: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const path = `${directory}/fountain.toml`
    yield* fs.writeFileString(path, content)
    return { path, directory }
  })
const given = (sources: {
  flags?: Record<string, string | boolean>
  environment?: Record<string, string>
  file?: string
}) =>
  load(Fountain, {
    flags: new Map(Object.entries(sources.flags ?? {})),
    environment: sources.environment ?? {},
    file: sources.file
  })
const problems = (sources: Parameters<typeof given>[0]) =>
  Effect.map(Effect.flip(given(sources)), (error) => error.problems)

describe("configuration", () => {
  it.effect("takes a flag before a variable, a variable before the file, and the file before the default", () =>
    Effect.gen(function* () {
      const { path } = yield* file('listen = "0.0.0.0:1"\nthreads = 3\nbasin-url = "http://file"\nquiet = true\n')
      const environment = {
        SLUICE_FOUNTAIN_PUMP__LISTEN: "0.0.0.0:2",
        SLUICE_FOUNTAIN_PUMP__THREADS: "4",
        SLUICE_FOUNTAIN_PUMP__CONFIG: path
      }
      const { config } = yield* given({ flags: { listen: "[::1]:3" }, environment })
      assert.deepStrictEqual(config, {
        listen: { host: "::1", port: 3 },
        threads: 4,
        basinUrl: "http://file",
        quiet: true
      })
      assert.strictEqual((yield* given({ flags: Object.fromEntries([basin]) })).config.threads, 2)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reports every wrong key, type and value of a file at once, with its line", () =>
    Effect.gen(function* () {
      const { path } = yield* file(
        [
          "# a comment",
          "lisen = '''",
          "threads = 1",
          "'''",
          "threads = 9",
          "",
          'quiet = "true" # a string',
          "basin-url = 7",
          "[pump]",
          'listen = "127.0.0.1:1"'
        ].join("\n")
      )
      assert.deepStrictEqual(yield* problems({ file: path }), [
        `${path}, line 2: there is no key "lisen"; did you mean listen?`,
        `${path}, line 9: there is no key "pump"; known are listen, basin-url, threads, quiet, valve-key, valve-key-file, plan`,
        `${path}, line 8: basin-url: expected a URL such as http://127.0.0.1:18443, got 7 (write it in quotes)`,
        `${path}, line 5: threads: expected a whole number from 1 to 8, got 9`,
        `${path}, line 7: quiet: expected true or false, got "true"`
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reports the right lines of a file with CRLF and a byte order mark", () =>
    Effect.gen(function* () {
      const lines = ["# a comment", "lisen = 1", "basin-url = 7", 'quiet = """', 'threads = 1"""', "threads = 9", ""]
      const { path } = yield* file(`\ufeff${lines.join("\r\n")}`)
      assert.deepStrictEqual(
        (yield* problems({ file: path })).map((problem) => problem.replace(/:.*/, "")),
        [2, 3, 6, 4].map((line) => `${path}, line ${line}`)
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("shows numbers that are not finite as TOML writes them", () =>
    Effect.gen(function* () {
      for (const number of ["nan", "inf", "-inf"]) {
        const { path } = yield* file(`threads = ${number}\nbasin-url = [${number}]\n`)
        assert.deepStrictEqual(yield* problems({ file: path }), [
          `${path}, line 2: basin-url: expected a URL such as http://127.0.0.1:18443, got ["${number}"] (write it in quotes)`,
          `${path}, line 1: threads: expected a whole number from 1 to 8, got ${number}`
        ])
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("warns of each secret that other users of the machine can read, and of no other", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, path } = yield* file('basin-url = "http://basin"\nvalve-key = "k-1"\n')
      const key = `${directory}/valve.txt`
      yield* fs.writeFileString(key, "k-opens\n", { mode: 0o600 })
      const warnings = (sources: Parameters<typeof given>[0]) =>
        Effect.map(given({ flags: Object.fromEntries([basin]), ...sources }), (loaded) => loaded.warnings)
      const all = [
        { flags: { "basin-url": "http://b", "valve-key": "k-1" } },
        { environment: { SLUICE_FOUNTAIN_PUMP__VALVE_KEY: "k-1" } },
        { environment: { SLUICE_FOUNTAIN_PUMP__VALVE_KEY_FILE: key } },
        { file: path }
      ]
      const everyUser = "every user of this machine can"
      const argument = [
        `--valve-key: ${everyUser} see the arguments of a program; give --valve-key-file or SLUICE_FOUNTAIN_PUMP__VALVE_KEY instead`
      ]
      yield* fs.chmod(path, 0o640)
      assert.deepStrictEqual(yield* Effect.forEach(all, warnings), [argument, [], [], []])
      for (const open of [path, key]) yield* fs.chmod(open, 0o644)
      assert.deepStrictEqual(yield* Effect.forEach(all, warnings), [
        argument,
        [],
        [`SLUICE_FOUNTAIN_PUMP__VALVE_KEY_FILE: ${everyUser} read or write ${key}; chmod 600 ${key}`],
        [`${path}, line 2: valve-key: ${everyUser} read or write ${path}; chmod 600 ${path}`]
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reports the place where a file is not TOML", () =>
    Effect.gen(function* () {
      const { path } = yield* file('listen = "a"\nthreads 3\n')
      assert.deepStrictEqual(yield* problems({ file: path }), [`${path}: Expected '=' at line 2, column 9`])
      assert.deepStrictEqual(yield* problems({ file: `${path}x` }), [`cannot read ${path}x: there is no such file`])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("names the wrong flag or variable, what was expected and what was given", () =>
    Effect.gen(function* () {
      const environment = {
        SLUICE_FOUNTAIN_PUMP__THREADS: "many",
        SLUICE_FOUNTAIN_PUMP__LISTN: "x",
        SLUICE_NODE__LISTN: "another program's",
        SLUICE_FOUNTAIN_PUMP_PORT: "set by a container's network, not by anyone here"
      }
      assert.deepStrictEqual(yield* problems({ flags: { listen: "localhost:99999" }, environment }), [
        "SLUICE_FOUNTAIN_PUMP__LISTN: there is no such key; did you mean SLUICE_FOUNTAIN_PUMP__LISTEN?",
        '--listen: expected HOST:PORT, such as 127.0.0.1:3333 or [::1]:3333, got "localhost:99999" ' +
          "(port must be an integer from 0 through 65535)",
        "--basin-url is missing (or SLUICE_FOUNTAIN_PUMP__BASIN_URL, or basin-url in the file): " +
          "expected a URL such as http://127.0.0.1:18443",
        'SLUICE_FOUNTAIN_PUMP__THREADS: expected a whole number from 1 to 8, got "many"'
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reads a secret from the file that a key names, relative to the configuration, and never shows it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { path, directory } = yield* file(
        'basin-url = "http://basin"\nvalve-key-file = "valve.txt"\nplan = "p.txt"\n'
      )
      assert.deepStrictEqual(yield* problems({ file: path }), [
        `${path}, line 2: valve-key-file: cannot read ${directory}/valve.txt: there is no such file`
      ])
      yield* fs.writeFileString(`${directory}/valve.txt`, "k-opens\n")
      const { config, given: from } = yield* given({ file: path })
      assert.strictEqual(config.valveKey && Redacted.value(config.valveKey), "k-opens")
      assert.strictEqual(config.plan, `${directory}/p.txt`)
      assert.notInclude(effectiveToml(Fountain, from) + String(config.valveKey) + JSON.stringify(config), "k-opens")

      yield* fs.writeFileString(`${directory}/valve.txt`, "hush")
      const [problem] = yield* problems({ file: path })
      assert.include(problem, "expected the valve's key")
      assert.notInclude(problem, "hush")
      assert.deepStrictEqual(
        yield* problems({
          flags: { "basin-url": "http://b", "valve-key": "k-1", "valve-key-file": `${directory}/valve.txt` }
        }),
        ["--valve-key-file: give it or --valve-key, not both"]
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("never shows the user and password of a URL in an error", () =>
    Effect.gen(function* () {
      for (const url of [
        "http://u:SECRET@host:1",
        "http://u:SECRET@b@host:1",
        "http://u:SECRET/@host:1",
        "ftp://u:SECRET@host:1",
        "u:SECRET@host:1",
        "http://u:SECRET@host:x",
        "http://u:SECRET@"
      ]) {
        const shown = url.slice(url.lastIndexOf("@"))
        const [problem] = yield* problems({ flags: { "basin-url": url } })
        assert.include(problem, `got "...${shown}"`)
        assert.notInclude(problem, "SECRET")
      }
      const { path } = yield* file('basin-url = ["http://u:SECRET@host:1"]\n')
      assert.include((yield* problems({ file: path }))[0], 'got ["...@host:1"]')
      for (const args of [
        ["template-provider", "--spare-rpc-urls", "http://a:1,http://u:SECRET@host:1"],
        ["template-provider", "http://u:SECRET@host:1"],
        ["pool", "--template-provider", "stratum2+tcp+plain://a:1,stratum2+tcp://u:SECRET@host:1"],
        ["pool", "--listen", "http://u:SECRET@host:1"],
        ["miner", "--connect", "stratum2+tcp+plain://u:SECRET@host:1"],
        ["miner", "--connect", 'u:SEC"RET@host:1']
      ]) {
        const { status, stderr } = yield* Effect.promise(() => run(args))
        assert.strictEqual(status, 2)
        assert.include(stderr, "...@host:1")
        assert.notInclude(stderr, "SEC")
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reports keys that exclude each other", () =>
    Effect.gen(function* () {
      const flags = { "basin-url": "http://b", quiet: true, "valve-key": "k-1" }
      assert.deepStrictEqual(yield* problems({ flags }), ["a quiet pump has no valve"])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("of a swarm reports percentages whose sum is above 100", () =>
    Effect.gen(function* () {
      const server = ["--connect", "stratum2+tcp+plain://127.0.0.1:1"]
      const { status, stderr } = yield* Effect.promise(() =>
        run(["swarm", "config", ...server, "--stale", "60", "--duplicate", "60"])
      )
      assert.strictEqual(status, 2)
      assert.include(stderr, "stale, duplicate, low-difficulty, garbage: at most 100 percent")
      assert.include(stderr, "these sum to 120")
      const { status: good } = yield* Effect.promise(() =>
        run(["swarm", "config", ...server, "--stale", "60", "--duplicate", "40"])
      )
      assert.strictEqual(good, 0)
    })
  )

  it.effect("an example documents every key and is a valid file, also with its defaults as values", () =>
    Effect.gen(function* () {
      const example = exampleToml(Fountain)
      for (const said of ["Where water comes in.", "HOST:PORT", "valve-key-file", '# listen = "127.0.0.1:3333"']) {
        assert.include(example, said)
      }
      yield* given({ file: (yield* file(example)).path })
      const uncommented = example.replaceAll(/^# ([a-z-]+ = )/gm, "$1").replace(/^(valve-key|plan).*$/gm, "")
      const { config } = yield* given({ file: (yield* file(uncommented)).path })
      assert.deepStrictEqual(config.listen, { host: "127.0.0.1", port: 3333 })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("nearest", () => {
  it("finds the nearest word, with any separator, and nothing if no word is near", () => {
    const known = ["listen", "rpc-url", "rpc-user", "SLUICE_NODE__BITS"]
    assert.strictEqual(nearest("lisen", known), "listen")
    assert.strictEqual(nearest("rpc_url", known), "rpc-url")
    assert.strictEqual(nearest("SLUICE_NODE__BIST", known), "SLUICE_NODE__BITS")
    assert.strictEqual(nearest("zmq", known), undefined)
  })
})

describe("the line of a key", () => {
  it("is where its statement begins, after strings over many lines, tables and quoted names", () => {
    const parsed = parseToml('a = """\nb = 1\n"""\n\n"b" = [\n  1,\n]\nc.d = 1\n[e]\nf = 1\n')
    assert.isTrue(Result.isSuccess(parsed))
    if (Result.isFailure(parsed)) return
    assert.deepStrictEqual(["a", "b", "c", "e"].map(parsed.success.lineOf), [1, 5, 8, 9])
  })
})
