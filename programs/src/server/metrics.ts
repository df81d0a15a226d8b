/** `--metrics-listen`: serves a program's metrics in the text format of Prometheus over HTTP. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { printable } from "@sluice/protocol"
import { type Endpoint, formatEndpoint, ListenError, makeBoundedHttpServer, metricReaders } from "@sluice/transport"
import { Effect, Layer, Metric } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import * as Net from "node:net"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { optional } from "../config/key.ts"
import { hostNames, hostPort } from "../config/value.ts"
import { stderr } from "../output/streams.ts"

/** The keys of programs that have metrics. */
export const metricsKeys = {
  metricsListen: optional(hostPort, {
    description:
      "Where Prometheus reads metrics, at /metrics; without it nothing is served. There is no access control.",
    example: "127.0.0.1:9090"
  }),
  metricsHostNames: optional(hostNames, {
    description:
      "Host names that requests may use, beside IP addresses and localhost. Requests for other names are refused, because a web page could read the metrics through one (DNS rebinding).",
    example: ["pool.internal"]
  })
}

/** The decoded values of `metricsKeys`. */
export interface MetricsConfig {
  readonly metricsListen?: Endpoint
  readonly metricsHostNames?: ReadonlyArray<string>
}

/** Above this limit, the connection without a request for the longest time is closed. */
const MAX_CONNECTIONS = 64

/** Serves the text of metrics, by default those of this process, while the layer is open. Without an address it serves nothing. */
export const layerMetrics = (
  config: MetricsConfig,
  text: Effect.Effect<string> = PrometheusMetrics.format()
): Layer.Layer<never, ListenError> => {
  const { metricsHostNames = [], metricsListen } = config
  if (metricsListen === undefined) return Layer.empty
  const names = ["localhost", metricsListen.host, ...metricsHostNames].map((name) => name.toLowerCase())
  return Layer.merge(Layer.effectDiscard(serve(metricsListen, new Set(names), text)), layerProcessMetrics)
}

const serve = Effect.fnUntraced(function* (listen: Endpoint, names: ReadonlySet<string>, text: Effect.Effect<string>) {
  const { http } = makeBoundedHttpServer(MAX_CONNECTIONS, { headersTimeout: 10_000, requestTimeout: 10_000 })
  const server = yield* NodeHttpServer.make(() => http, { ...listen, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapError(({ cause }) => new ListenError({ address: listen, code: codeOf(cause), cause }))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
  yield* server.serve(answer(names, metricsPage(text)))
  const { address } = server
  const port = address._tag === "UnixPathAddress" ? listen.port : address.port
  yield* Effect.logInfo(`Metrics are at http://${formatEndpoint({ host: listen.host, port })}/metrics`)
})

const answer = (names: ReadonlySet<string>, metrics: Effect.Effect<HttpServerResponse.HttpServerResponse>) =>
  Effect.gen(function* () {
    const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
    if (!isServed(headers["host"], names)) {
      const asked = JSON.stringify(printable(headers["host"]!.slice(0, 64)))
      const text = `Expected an IP address, localhost or a name of metrics-host-names as the Host, got ${asked}\n`
      return HttpServerResponse.text(text, { status: 421 })
    }
    const [path] = url.split("?", 1)
    if (path !== "/metrics") return HttpServerResponse.text("See /metrics\n", { status: 404 })
    if (method !== "GET" && method !== "HEAD") {
      return HttpServerResponse.empty({ status: 405, headers: { allow: "GET, HEAD" } })
    }
    return yield* metrics
  })

/**
 * Whether the Host of a request is a name of this server. A web page of evil.example can have its name resolved to this
 * machine, but its requests have the Host evil.example. Browsers always send a Host.
 */
const isServed = (host: string | undefined, names: ReadonlySet<string>): boolean => {
  if (host === undefined) return true
  const name = host.replace(/:\d*$/, "").toLowerCase()
  return names.has(name) || Net.isIPv4(name) || (/^\[.*\]$/.test(name) && Net.isIPv6(name.slice(1, -1)))
}

/** The answer with these metrics, by default those of this process. */
export const metricsPage = (text: Effect.Effect<string> = PrometheusMetrics.format()) =>
  Effect.map(text, (body) => HttpServerResponse.text(body, { contentType: "text/plain; version=0.0.4; charset=utf-8" }))

const codeOf = (cause: unknown): string => {
  const inner = cause instanceof Error && "cause" in cause && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error && "code" in inner ? String(inner.code) : String(inner)
}

/** The process metrics of Prometheus' own client libraries, under the same names. */
export const processMetrics = Effect.gen(function* () {
  const { count, read } = yield* metricReaders
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => monitorEventLoopDelay({ resolution: 10 })),
    (delay) => Effect.sync(() => delay.disable())
  )
  delay.enable()
  const startedAt = Date.now() / 1000 - process.uptime()
  const gauges: ReadonlyArray<readonly [string, string, () => number]> = [
    ["process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss()],
    ["process_start_time_seconds", "Start of the process, in seconds since 1970", () => startedAt],
    [
      "nodejs_eventloop_lag_p99_seconds",
      "Delay of the event loop since the last scrape, 99th percentile",
      () => {
        const seconds = delay.percentile(99) / 1e9
        delay.reset()
        return Number.isFinite(seconds) ? seconds : 0
      }
    ]
  ]
  for (const [name, description, value] of gauges) {
    yield* read(Metric.gauge(name, { description }), {}, value)
  }
  const dropped = Metric.counter("sluice_log_lines_dropped_total", {
    description: "Log lines that could not be written, or not fast enough",
    incremental: true
  })
  yield* count(dropped, {}, () => stderr.dropped)
  const cpu = Metric.counter("process_cpu_seconds_total", { description: "User and system time", incremental: true })
  yield* count(cpu, {}, () => {
    const { system, user } = process.cpuUsage()
    return (system + user) / 1e6
  })
})

/** The layer of `processMetrics`, which is built once however often it is provided. */
export const layerProcessMetrics = Layer.effectDiscard(processMetrics)
