import { Effect, Logger, Metric } from "effect"
import { readFileSync } from "node:fs"
import { once } from "node:events"
import { request } from "node:http"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it, onTestFinished } from "vitest"
import { layerMetrics, type MetricsConfig } from "../src/server/metrics.ts"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"

const at = (path: string): string => new URL(`../../${path}`, import.meta.url).pathname
const page = readFileSync(at("docs/operators/pool.md"), "utf8")
const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| (gauge|counter|histogram) +\|/gm)]
const documented = new Map(rows.map(([, name = "", kind = ""]) => [name, kind]))

const get = (
  url: string,
  headers: Readonly<Record<string, string>> = {}
): Promise<{ readonly status: number | undefined; readonly text: string }> =>
  new Promise((resolve, reject) =>
    request(url, { headers }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part: string) => (text += part))
      response.on("end", () => resolve({ status: response.statusCode, text }))
    })
      .on("error", reject)
      .end()
  )

/** Names and kinds of what Prometheus would read. */
const kindsIn = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]))

describe("metrics", () => {
  it("of the operators' table are those of the sources, and follow the conventions of Prometheus", () => {
    const inSources = new Set<string>()
    const paths = [
      "packages/mining-server/src/statistics/metrics.ts",
      "packages/transport/src/metrics.ts",
      "packages/template-provider/src/client/template-client.ts",
      "programs/src/server/metrics.ts",
      "programs/src/workers/primary.ts"
    ]
    for (const path of paths) {
      const source = readFileSync(at(path), "utf8")
      for (const [, name = ""] of source.matchAll(/"(sluice_[a-z_]+)"/g)) inSources.add(name)
      for (const [, name = ""] of source.matchAll(/(?:counter|gauge)\(\s*"([a-z_]+)"/g)) {
        if (!/^(sluice|process)_/.test(name)) inSources.add(`sluice_pool_${name}`)
      }
    }
    const ours = [...documented.keys()].filter((name) => name.startsWith("sluice_"))
    assert.sameMembers(ours, [...inSources])
    for (const [name, kind] of documented) {
      assert.strictEqual(name.endsWith("_total"), kind === "counter", name)
      if (kind === "histogram") assert.match(name, /_seconds$/)
    }
  })

  it("of upstreams and of declared jobs in the table of the proxy are those of its sources", () => {
    const rows = readFileSync(at("docs/operators/proxy.md"), "utf8").matchAll(
      /^\| `([a-z_]+)` +\| (gauge|counter) +\|/gm
    )
    const kinds = new Map([...rows].map(([, name = "", kind = ""]) => [name, kind]))
    const inSources = ["upstream", "declared"].flatMap((part) => {
      const source = readFileSync(at(`packages/proxy/src/${part}/metrics.ts`), "utf8")
      return [...source.matchAll(/(counter|gauge)\(\s*"([a-z_]+)"/g)].map(
        ([, kind = "", name = ""]): [string, string] => [`sluice_proxy_${part}_${name}`, kind]
      )
    })
    assert.sameDeepMembers([...kinds], inSources)
  })

  it("of a pool that runs are in the table, with their kinds", async () => {
    const [mining, metrics] = await freePorts(2)
    const pool = new Sluice(
      ["pool", "--plain", "--listen", `127.0.0.1:${mining}`].concat(
        ["--template-provider", "stratum2+tcp+plain://127.0.0.1:1", "--metrics-listen", `127.0.0.1:${metrics}`],
        ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
      )
    )
    await pool.find(/The pool listens/)
    await pool.find(/Metrics are at/)
    const { status, text: first } = await get(`http://127.0.0.1:${metrics}/metrics`)
    assert.strictEqual(status, 200)
    // It listens before it serves.
    let text = first
    while (!text.includes("sluice_pool_")) ({ text } = await get(`http://127.0.0.1:${metrics}/metrics`))
    const kinds = kindsIn(text)
    for (const [name, kind] of kinds) assert.strictEqual(documented.get(name), kind, name)
    for (const name of ["sluice_pool_connections", "sluice_pool_shares_accepted_total", "process_cpu_seconds_total"]) {
      assert.isTrue(kinds.has(name), name)
    }
    assert.match(text, /^sluice_pool_upstream_connected 0$/m)
    assert.match(text, /^sluice_pool_channels\{kind="standard"\} 0$/m)
    for (const path of ["/", "/stats", "/metrics/x"]) {
      assert.deepStrictEqual(await get(`http://127.0.0.1:${metrics}${path}`), { status: 404, text: "See /metrics\n" })
    }
    const post = await fetch(`http://127.0.0.1:${metrics}/metrics`, { method: "POST" })
    assert.deepStrictEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"])
    assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
  })

  it("at an address in use give a clear error", async () => {
    const [port] = await freePorts(1)
    const twice = Effect.scoped(
      Effect.gen(function* () {
        const listen = { metricsListen: { host: "127.0.0.1", port: port! } }
        yield* Effect.provide(
          Effect.flip(Effect.provide(Effect.void, layerMetrics(listen))).pipe(
            Effect.tap((error) =>
              Effect.sync(() => assert.match(error.message, /cannot listen on .*: the port is in use/))
            )
          ),
          layerMetrics(listen)
        )
      })
    )
    await Effect.runPromise(
      twice.pipe(Effect.provide(Logger.layer([])), Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  })

  /** Metrics on a free port until the end of `use`, which gets the URL of a path. */
  const serving = (
    config: MetricsConfig,
    text: Effect.Effect<string> | undefined,
    use: (port: number) => Promise<void>
  ) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const [port] = yield* Effect.promise(() => freePorts(1))
        const layer = layerMetrics({ ...config, metricsListen: { host: "127.0.0.1", port: port! } }, text)
        yield* Effect.provide(
          Effect.promise(() => use(port!)),
          layer
        )
      }).pipe(Effect.provide(Logger.layer([])), Effect.provideService(Metric.MetricRegistry, new Map()))
    )

  /** A connection to this port until the test is over. */
  const connected = async (port: number) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => {})
    onTestFinished(() => void socket.destroy())
    await once(socket, "connect")
    return socket
  }

  it("are served while 64 clients are silent: the one that was silent for the longest time is closed", async () => {
    await serving({}, undefined, async (port) => {
      const closed: Array<number> = []
      for (let number = 0; number < 64; number++) {
        const socket = await connected(port)
        socket.resume().on("close", () => closed.push(number))
      }
      assert.strictEqual((await get(`http://127.0.0.1:${port}/metrics`)).status, 200)
      while (closed.length === 0) await sleep(5)
      assert.deepStrictEqual(closed, [0])
    })
  })

  it("are served while 64 clients do not read their answers", async () => {
    // More than the system takes for a client that does not read.
    const large = "x".repeat(8_000_000)
    const asked: Array<number> = []
    const text = Effect.sync(() => (asked.push(0), large))
    await serving({}, text, async (port) => {
      for (let number = 0; number < 64; number++) {
        const socket = await connected(port)
        socket.pause().write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while (asked.length <= number) await sleep(5)
      }
      assert.strictEqual((await get(`http://127.0.0.1:${port}/metrics`)).status, 200)
    })
  })

  it("are for addresses of this machine and for names that were configured, not for a page of another (DNS rebinding)", async () => {
    await serving({ metricsHostNames: ["pool.internal"] }, undefined, async (port) => {
      const ask = async (host: string) => {
        const { status, text } = await get(`http://127.0.0.1:${port}/metrics`, { host })
        return status === 200 ? 200 : `${status} ${text}`
      }
      const ours = ["127.0.0.1", `127.0.0.1:${port}`, "localhost:9090", "LOCALHOST", "[::1]:9090", "192.0.2.7"]
      for (const host of [...ours, "pool.internal", "Pool.Internal:9090"])
        assert.strictEqual(await ask(host), 200, host)
      const expected = "Expected an IP address, localhost or a name of metrics-host-names as the Host, got"
      for (const host of [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:9090",
        "[::1].evil",
        "::1"
      ]) {
        assert.strictEqual(await ask(host), `421 ${expected} "${host}"\n`)
      }
    })
  })
})
