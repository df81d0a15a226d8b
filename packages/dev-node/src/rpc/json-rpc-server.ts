/**
 * Serves a development node's JSON-RPC over HTTP as Bitcoin Core does: POST with basic authentication, one request or an array,
 * and HTTP status codes for errors to clients older than JSON-RPC 2.0. It has no TLS; use it on loopback or a trusted network.
 * It refuses requests of web pages: a page whose name resolves to this machine could otherwise guess passwords (DNS rebinding).
 * Browsers name the page of a POST in its Origin header; mining programs send none.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import type { Socket } from "node:net"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Context, Deferred, Effect, FileSystem, Layer, Predicate, Redacted, Result, Schema } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { makeBoundedHttpServer } from "@sluice/transport"
import type { DevNodeCalls } from "../dev-node-calls.ts"
import { DevNode } from "../dev-node.ts"
import { answer, httpStatus, type JsonRpcRequest, readRequest } from "./json-rpc.ts"
import { JsonRpcCode, JsonRpcError } from "./json-rpc-error.ts"
import { callMethod } from "./rpc-methods.ts"

export interface JsonRpcServerOptions {
  /** The address or name to listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** The port; 0 for any free port. */
  readonly port: number
  /** `rpcuser` and `rpcpassword`. If there is a cookie file too, both are accepted. */
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  /** A file to write a new random password to, as Core's `.cookie`. Removed at the end. */
  readonly cookieFile?: string | undefined
  /** The longest request in bytes. Default 9 MiB, enough for the largest block in hex. */
  readonly maxRequestBytes?: number | undefined
}

/** The server cannot start. The message gives the reason. */
export class JsonRpcServerError extends Schema.TaggedError<JsonRpcServerError>("sluice/dev-node/JsonRpcServerError")(
  "JsonRpcServerError",
  { message: Schema.String }
) {}

/** A JSON-RPC server and its address. */
export class JsonRpcServer extends Context.Service<
  JsonRpcServer,
  { readonly host: string; readonly port: number; readonly url: string }
>()("sluice/dev-node/JsonRpcServer") {
  static readonly layer = (options: JsonRpcServerOptions): Layer.Layer<JsonRpcServer, JsonRpcServerError, DevNode> =>
    Layer.effect(this, make(options)).pipe(Layer.provide(NodeFileSystem.layer))
}

const make = Effect.fnUntraced(function* (options: JsonRpcServerOptions) {
  const node = yield* DevNode
  const host = options.host ?? "127.0.0.1"
  const secrets = yield* makeSecrets(options)
  const { http, trust } = makeBoundedHttpServer(MAX_CONNECTIONS, { headersTimeout: 10_000, requestTimeout: 60_000 })
  const server = yield* NodeHttpServer.make(() => http, {
    host,
    port: options.port,
    gracefulShutdownTimeout: "1 second"
  }).pipe(
    Effect.mapError(
      ({ cause }) => new JsonRpcServerError({ message: `cannot listen on ${host}:${options.port}: ${advice(cause)}` })
    )
  )
  // Runs after the grace period: closes connections with unfinished requests, so that they do not hold the port.
  yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
  const closing = Deferred.makeUnsafe<never, JsonRpcError>()
  const limit = ByteSize.fromInputUnsafe(options.maxRequestBytes ?? MAX_REQUEST_BYTES)
  yield* server.serve(
    handle({ node, secrets, trust }, Deferred.await(closing)).pipe(
      Effect.provideService(HttpServerRequest.MaxBodySize, limit)
    )
  )
  // Runs before the server stops, which waits for answers: answers waiting long polls now.
  yield* Effect.addFinalizer(() =>
    Deferred.fail(closing, new JsonRpcError({ code: JsonRpcCode.notConnected, message: "Shutting down" }))
  )
  const { address } = server
  const port = address._tag === "UnixPathAddress" ? options.port : address.port
  return JsonRpcServer.of({ host, port, url: HttpServer.formatAddress(address) })
})

interface Serving {
  readonly node: DevNodeCalls
  readonly secrets: ReadonlyArray<Uint8Array>
  readonly trust: (socket: Socket) => void
}

/** One HTTP request. `closing` fails when the server ends. */
const handle = Effect.fnUntraced(function* (
  { node, secrets, trust }: Serving,
  closing: Effect.Effect<never, JsonRpcError>
) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const { origin } = request.headers
  if (origin !== undefined) {
    const message = `JSONRPC server does not serve web pages: expected a request without Origin, got ${JSON.stringify(origin)}`
    return HttpServerResponse.text(message, { status: 403 })
  }
  if (request.url !== "/") return HttpServerResponse.empty({ status: 404 })
  if (request.method !== "POST") {
    return HttpServerResponse.text("JSONRPC server handles only POST requests", { status: 405 })
  }
  const { authorization } = request.headers
  if (authorization === undefined) return UNAUTHORIZED
  if (!isAuthorized(authorization, secrets)) {
    yield* Effect.sleep("250 millis")
    return UNAUTHORIZED
  }
  trust(NodeHttpServerRequest.toIncomingMessage(request).socket as Socket)
  const body = yield* Effect.result(request.text)
  if (Result.isFailure(body)) {
    const { reason } = body.failure
    const tooLarge = reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
    return HttpServerResponse.empty({ status: tooLarge ? 413 : 400 })
  }
  const json = parseJson(body.success)
  if (json === undefined) return refuse("Parse error")
  if (Array.isArray(json)) return yield* answerBatch(node, json, closing)
  if (!Predicate.isObject(json)) return refuse("Top-level object parse error")
  const parsed = readRequest(json)
  if (Result.isFailure(parsed)) {
    const { error, id, version } = parsed.failure
    // Not 200 even in version 2.0: without a readable request there is none to answer.
    return reply(answer({ id, version }, Result.fail(error)), httpStatus("legacy", error))
  }
  const outcome = yield* run(node, parsed.success, closing)
  if (parsed.success.isNotification) return HttpServerResponse.empty({ status: 204 })
  const error = Result.isFailure(outcome) ? outcome.failure : undefined
  return reply(answer(parsed.success, outcome), httpStatus(parsed.success.version, error))
})

/** Answers the requests one after another, as Core does. */
const answerBatch = Effect.fnUntraced(function* (
  node: DevNodeCalls,
  batch: ReadonlyArray<unknown>,
  closing: Effect.Effect<never, JsonRpcError>
) {
  if (batch.length > MAX_BATCH) return refuse(`A batch has at most ${MAX_BATCH} requests`, JsonRpcCode.invalidRequest)
  const answers: Array<unknown> = []
  for (const each of batch) {
    const parsed = readRequest(each)
    if (Result.isFailure(parsed)) {
      answers.push(answer(parsed.failure, Result.fail(parsed.failure.error)))
    } else {
      const outcome = yield* run(node, parsed.success, closing)
      if (!parsed.success.isNotification) answers.push(answer(parsed.success, outcome))
    }
  }
  // A batch of notifications only gets no answer. An empty batch gets an empty batch.
  return batch.length > 0 && answers.length === 0 ? HttpServerResponse.empty({ status: 204 }) : reply(answers, 200)
})

const run = (
  node: DevNodeCalls,
  { method, params }: JsonRpcRequest,
  closing: Effect.Effect<never, JsonRpcError>
): Effect.Effect<Result.Result<unknown, JsonRpcError>> =>
  callMethod(node, method, params).pipe(
    Effect.raceFirst(closing),
    Effect.catchDefect((defect) =>
      Effect.logError("a JSON-RPC method failed", defect).pipe(
        Effect.andThen(Effect.fail(new JsonRpcError({ code: JsonRpcCode.internal, message: "Internal error" })))
      )
    ),
    Effect.result
  )

const UNAUTHORIZED = HttpServerResponse.empty({
  status: 401,
  headers: { "www-authenticate": 'Basic realm="jsonrpc"' }
})

const reply = (body: unknown, status: number): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${JSON.stringify(body)}\n`, { status, contentType: "application/json" })

/** The answer to a body that is not a readable request. */
const refuse = (message: string, code: number = JsonRpcCode.parse): HttpServerResponse.HttpServerResponse => {
  const error = new JsonRpcError({ code, message })
  return reply(answer({ id: null, version: "legacy" }, Result.fail(error)), httpStatus("legacy", error))
}

/** The parsed JSON; `undefined` if it is invalid, as JSON has no `undefined`. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Digests of all accepted `user:password`, to compare in constant time. */
const makeSecrets = Effect.fnUntraced(function* (options: JsonRpcServerOptions) {
  const secrets: Array<Uint8Array> = []
  if (options.password !== undefined) secrets.push(digest(`${options.user ?? ""}:${Redacted.value(options.password)}`))
  if (options.cookieFile !== undefined) secrets.push(digest(yield* writeCookie(options.cookieFile)))
  if (secrets.length > 0) return secrets
  return yield* new JsonRpcServerError({
    message: "a JSON-RPC server needs a user and a password, or a cookie file; got neither"
  })
})

const writeCookie = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const cookie = `__cookie__:${randomBytes(32).toString("hex")}`
  yield* Effect.acquireRelease(
    // Removed first, because an existing file would keep its mode.
    fs
      .remove(path, { force: true })
      .pipe(Effect.andThen(fs.writeFileString(path, cookie, { mode: 0o600, flag: "wx" }))),
    () =>
      Effect.catch(fs.remove(path), ({ message }) =>
        Effect.logWarning(`Cannot remove the cookie file ${path}: ${message}`)
      )
  ).pipe(
    Effect.mapError(
      (error) => new JsonRpcServerError({ message: `cannot write the cookie file ${path}: ${error.message}` })
    )
  )
  return cookie
})

const isAuthorized = (authorization: string, secrets: ReadonlyArray<Uint8Array>): boolean => {
  const [scheme, credentials] = authorization.split(" ")
  // Accepted in this spelling only, as in Core.
  if (scheme !== "Basic" || credentials === undefined) return false
  const given = digest(Buffer.from(credentials, "base64").toString("utf8"))
  return secrets.some((secret) => timingSafeEqual(secret, given))
}

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

const advice = (cause: unknown): string => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  if (code === "EADDRINUSE") return "the port is in use; stop the program that has it or choose another port"
  if (code === "EADDRNOTAVAIL") return "no network interface of this machine has that address"
  if (code === "EACCES") return "not allowed; ports below 1024 need privileges, choose a higher one"
  return cause instanceof Error ? cause.message : String(cause)
}

/** The most requests in one batch. Core has no limit; mining software stays far below this one. */
const MAX_BATCH = 1_000
const MAX_CONNECTIONS = 256
/** A block has at most 4,000,000 bytes, twice that in hex. */
const MAX_REQUEST_BYTES = 9 * 1024 * 1024
