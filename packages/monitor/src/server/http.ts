/** Serves a monitor over HTTP: the API, its description, and the page. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { type Endpoint, formatEndpoint, ListenError, makeBoundedHttpServer, Tls } from "@sluice/transport"
import { printable } from "@sluice/protocol"
import { Effect, Layer, type Redacted } from "effect"
import {
  HttpRouter,
  HttpServer,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
  ProblemDetails
} from "effect/http"
import { HttpApiBuilder, OpenApi } from "effect/http-api"
import * as Net from "node:net"
import { MonitorApi } from "../api/api.ts"
import { MAX_READERS } from "../follow/event-hub.ts"
import { Monitor } from "../monitor.ts"
import { hostOf, layerAccess } from "./access.ts"
import { changing } from "./changing.ts"
import { ledger } from "./ledger.ts"
import { pageRoutes } from "./page.ts"
import { health, reading, shared } from "./reading.ts"
import { Links } from "./secret.ts"

export interface HttpOptions {
  /** Where to listen. */
  readonly listen: Endpoint
  /** Needed to read from elsewhere than this machine, and to change anything. */
  readonly token?: Redacted.Redacted
  /** Host names that requests may use, beside IP addresses and localhost. */
  readonly hostNames?: ReadonlyArray<string>
  /** Files with a certificate and its key, for HTTPS. They are read again when they change. */
  readonly tls?: Tls.CertificateFiles
  /** Answers paths that this server does not know, such as `/metrics`. */
  readonly other?: (path: string, query: string) => Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined
}

/** Above this limit, the connection without a request for the longest time is closed. Readers of events are not closed. */
const MAX_CONNECTIONS = MAX_READERS + 128
/** Bytes of a name or a link in a path, percent-encoded. */
const MAX_PARAMETER = 2000
/** Bytes of a request; the longest one is a few hundred. */
const MAX_BODY = 16_384

/** Serves while the layer is open. Gives the address through `listening`. */
export const layerHttp = (
  options: HttpOptions,
  listening: (url: string) => Effect.Effect<void> = () => Effect.void
): Layer.Layer<never, ListenError | Tls.CertificateError, Monitor> => Layer.effectDiscard(serve(options, listening))

const serve = Effect.fnUntraced(function* (
  { hostNames = [], listen, other, tls, token }: HttpOptions,
  listening: (url: string) => Effect.Effect<void>
) {
  const certificate = tls === undefined ? undefined : yield* Tls.serverCertificate(tls)
  const timeouts = { headersTimeout: 10_000, requestTimeout: 10_000 }
  const { http, trust } = makeBoundedHttpServer(MAX_CONNECTIONS, timeouts, certificate)
  const server = yield* NodeHttpServer.make(() => http, { ...listen, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapError(({ cause }) => new ListenError({ address: listen, code: codeOf(cause), cause }))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
  const links = token === undefined ? undefined : new Links(token)
  const monitor = yield* Monitor
  const routes = Layer.mergeAll(
    HttpApiBuilder.layer(MonitorApi, { openapiPath: "/api/openapi.json" }).pipe(
      Layer.provide([reading({ links, trust }), changing, ledger, shared(links), health]),
      Layer.provide(layerAccess(token)),
      Layer.provide(Layer.succeed(Monitor, monitor))
    ),
    pageRoutes
  ).pipe(Layer.provide(HttpServer.layerServices))
  const router = yield* HttpRouter.toHttpEffect(routes).pipe(
    Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: MAX_PARAMETER })
  )
  const names = new Set(["localhost", listen.host, ...hostNames].map((name) => name.toLowerCase()))
  yield* server.serve(answer(router, names, other))
  const { address } = server
  const port = address._tag === "UnixPathAddress" ? listen.port : address.port
  yield* listening(`${tls === undefined ? "http" : "https"}://${formatEndpoint({ host: listen.host, port })}`)
})

type Answer<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const answer = <E, R>(router: Answer<E, R>, names: ReadonlySet<string>, other: HttpOptions["other"]) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { headers, method, url } = request
    if (!isServed(headers["host"], names)) {
      const asked = JSON.stringify(printable(headers["host"]!.slice(0, 64)))
      const text = `Expected an IP address, localhost or a name of http-host-names as the Host, got ${asked}\n`
      return HttpServerResponse.text(text, { status: 421 })
    }
    if (Number(headers["content-length"] ?? 0) > MAX_BODY || headers["transfer-encoding"] !== undefined) {
      return HttpServerResponse.text(`Expected a body of at most ${MAX_BODY} bytes, with its length\n`, { status: 413 })
    }
    const [path = "", query = ""] = url.split("?", 2)
    const page = method === "GET" || method === "HEAD" ? other?.(path, query) : undefined
    const answered = page ?? Effect.catchIf(router, isRouteNotFound, () => notFound(method, path))
    return HttpServerResponse.setHeaders(yield* answered, SECURITY)
  })

const isRouteNotFound = (error: unknown): boolean =>
  HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"

/** The methods of each path of the API. */
const METHODS = Object.entries(OpenApi.fromApi(MonitorApi).paths).map(([path, operations]) => ({
  pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  methods: Object.keys(operations).map((method) => method.toUpperCase())
}))

const notFound = (method: string, path: string) => {
  const known = METHODS.find(({ methods, pattern }) => pattern.test(path) && !methods.includes(method))
  const problem = known === undefined ? NO_SUCH_PATH : OTHER_METHOD
  return Effect.map(Effect.succeed(ProblemDetails.toResponse(problem)), (response) =>
    known === undefined ? response : HttpServerResponse.setHeader(response, "allow", known.methods.join(", "))
  )
}

const type = ProblemDetails.blankType
const NO_SUCH_PATH = {
  type,
  status: 404,
  title: "Not Found",
  detail: "There is nothing here; /api/docs has all paths."
}
const OTHER_METHOD = { type, status: 405, title: "Method Not Allowed", detail: "This path has another method." }

/** Browsers show the page in no frame, guess no types, and tell nobody where their user is. The page's own policy is in page.ts. */
const SECURITY = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin"
}

/** Whether the Host of a request is a name of this server: a web page can have its own name resolved to this machine. */
const isServed = (host: string | undefined, names: ReadonlySet<string>): boolean => {
  if (host === undefined) return true
  const name = hostOf(host)
  return names.has(name) || Net.isIPv4(name) || (host.startsWith("[") && Net.isIPv6(name))
}

const codeOf = (cause: unknown): string => {
  const inner = cause instanceof Error && "cause" in cause && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error && "code" in inner ? String(inner.code) : String(inner)
}
