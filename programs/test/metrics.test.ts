import { Effect, Logger, Metric } from "effect"
import { readFileSync } from "node:fs"
import { request } from "node:http"
import { assert, describe, it } from "vitest"
import { layerMetrics } from "../src/metrics.ts"
import { freePorts } from "./free-ports.ts"
import { Sluice } from "./child.ts"

const at = (path: string): string => new URL(`../../${path}`, import.meta.url).pathname
const page = readFileSync(at("docs/operators/pool.md"), "utf8")
const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| (gauge|counter|histogram) +\|/gm)]
const documented = new Map(rows.map(([, name = "", kind = ""]) => [name, kind]))

const get = (url: string): Promise<{ readonly status: number | undefined; readonly text: string }> =>
  new Promise((resolve, reject) =>
    request(url, (response) => {
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
  it("in the operators' table are those in the sources, by Prometheus' conventions", () => {
    const inSources = new Set<string>()
    const files = ["pool/src/metrics.ts", "transport/src/metrics.ts", "template-provider/src/template-client.ts"]
    for (const path of files.map((file) => `packages/${file}`)) {
      const source = readFileSync(at(path), "utf8")
      for (const [, name = ""] of source.matchAll(/"(sluice_[a-z_]+)"/g)) inSources.add(name)
      for (const [, name = ""] of source.matchAll(/(?:counter|gauge)\(\s*"([a-z_]+)"/g)) {
        if (!name.startsWith("sluice_")) inSources.add(`sluice_pool_${name}`)
      }
    }
    const ours = [...documented.keys()].filter((name) => name.startsWith("sluice_"))
    assert.sameMembers(ours, [...inSources])
    for (const [name, kind] of documented) {
      assert.strictEqual(name.endsWith("_total"), kind === "counter", name)
      if (kind === "histogram") assert.match(name, /_seconds$/)
    }
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
    assert.strictEqual((await get(`http://127.0.0.1:${metrics}/`)).status, 404)
    assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
  })

  it("at an address that is taken are a sentence", async () => {
    const [port] = await freePorts(1)
    const twice = Effect.scoped(
      Effect.gen(function* () {
        const listen = { host: "127.0.0.1", port: port! }
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
})
