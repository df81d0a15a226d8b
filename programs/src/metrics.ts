/** `--metrics-listen`: a program's metrics over HTTP, in the text format of Prometheus, and pages of its own beside them. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { type Endpoint, formatEndpoint, ListenError } from "@sluice/transport"
import { type Context, Effect, Layer, Metric } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { optional } from "./config/key.ts"
import { hostPort } from "./config/value.ts"
import { stderr } from "./streams.ts"

/** The key of programs that have metrics; `pages` says what else is there. */
export const metricsKeys = (pages = "") => ({
  metricsListen: optional(hostPort, {
    description: `Where Prometheus reads metrics, at /metrics${pages}; without it nothing is served. There is no access control.`,
    example: "127.0.0.1:9090"
  })
})

/** What a program tells over HTTP beside its metrics. */
export interface Pages {
  /** Where there is something, for those who are lost: `/users/NAME`. */
  readonly paths: ReadonlyArray<string>
  /** What a GET is answered, or `undefined` where there is nothing. Both are as they came: percent-encoded, the query without `?`. */
  readonly at: (path: string, query: string) => Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined
}

const NO_PAGES: Pages = { paths: [], at: () => undefined }

/** Requests that may be open at once; more are somebody's mistake. */
const MAX_CONNECTIONS = 64

/** Serves metrics, and these pages, at this address for as long as the layer lives; nothing without one. */
export const layerMetrics = (listen: Endpoint | undefined, pages: Pages = NO_PAGES): Layer.Layer<never, ListenError> =>
  listen === undefined ? Layer.empty : Layer.effectDiscard(serve(listen, pages))

const serve = Effect.fnUntraced(function* (listen: Endpoint, pages: Pages) {
  const http = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 })
  http.maxConnections = MAX_CONNECTIONS
  const server = yield* NodeHttpServer.make(() => http, { ...listen, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapError(({ cause }) => new ListenError({ address: listen, code: codeOf(cause), cause }))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
  yield* processMetrics
  yield* server.serve(answer(pages))
  const { address } = server
  const port = address._tag === "UnixPathAddress" ? listen.port : address.port
  yield* Effect.logInfo(`Metrics are at http://${formatEndpoint({ host: listen.host, port })}/metrics`)
})

const answer = ({ at, paths }: Pages) =>
  Effect.gen(function* () {
    const { method, url } = yield* HttpServerRequest.HttpServerRequest
    const [path = "", query = ""] = splitOnce(url, "?")
    const page = path === "/metrics" ? metrics : at(path, query)
    if (page === undefined) {
      return HttpServerResponse.text(`See ${["/metrics", ...paths].join(", ")}\n`, { status: 404 })
    }
    if (method !== "GET" && method !== "HEAD") {
      return HttpServerResponse.empty({ status: 405, headers: { allow: "GET, HEAD" } })
    }
    return yield* page
  })

const splitOnce = (text: string, separator: string): ReadonlyArray<string> => {
  const index = text.indexOf(separator)
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)]
}

const metrics = Effect.map(PrometheusMetrics.format(), (text) =>
  HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
)

const codeOf = (cause: unknown): string => {
  const inner = cause instanceof Error && "cause" in cause && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error && "code" in inner ? String(inner.code) : String(inner)
}

/** What Prometheus' own libraries tell of a process, under the same names. */
const processMetrics = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => monitorEventLoopDelay({ resolution: 10 })),
    (delay) => Effect.sync(() => delay.disable())
  )
  delay.enable()
  const startedAt = Date.now() / 1000 - process.uptime()
  const gauges: ReadonlyArray<readonly [string, string, () => number]> = [
    ["process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss()],
    ["process_start_time_seconds", "When the process began, in seconds since 1970", () => startedAt],
    [
      "nodejs_eventloop_lag_p99_seconds",
      "Delay of the event loop since the last time this was read, 99th percentile",
      () => {
        const seconds = delay.percentile(99) / 1e9
        delay.reset()
        return Number.isFinite(seconds) ? seconds : 0
      }
    ]
  ]
  for (const [name, description, value] of gauges) {
    yield* registered(Metric.gauge(name, { description }), context, () => ({ value: value() }))
  }
  const dropped = Metric.counter("sluice_log_lines_dropped_total", {
    description: "Log lines that could not be written, or not as fast as they came",
    incremental: true
  })
  yield* registered(dropped, context, () => ({ count: stderr.dropped, incremental: true }))
  const cpu = Metric.counter("process_cpu_seconds_total", { description: "User and system time", incremental: true })
  yield* registered(cpu, context, () => {
    const { system, user } = process.cpuUsage()
    return { count: (system + user) / 1e6, incremental: true }
  })
})

const registered = <Input, State>(
  metric: Metric.Metric<Input, State>,
  context: Context.Context<never>,
  get: () => State
) =>
  Effect.acquireRelease(
    Effect.sync(() => Metric.registerUnsafe(metric, context, { get, update: () => {}, modify: () => {} })),
    ({ remove }) => Effect.sync(remove)
  )
