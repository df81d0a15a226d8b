/**
 * `NodeRpc` over HTTP, as Bitcoin Core's server speaks it: JSON-RPC in a POST with basic authentication, errors as a
 * JSON body under HTTP status 500 or 404 (or 200, with newer nodes), plain text under 401, 403 and 503.
 */
import { Duration, Effect, FileSystem, Option, Redacted, Schema } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { decodeBlockTemplate } from "./block-template.ts"
import {
  BlockchainInfo,
  BlockHeaderInfo,
  BlockInfo,
  MiningInfo,
  NetworkInfo,
  ZmqNotifications
} from "./node-answers.ts"
import {
  NodeBadAnswer,
  NodeBadCredentials,
  NodeBusy,
  NodeMethodUnknown,
  NodeRefused,
  NodeRpcError,
  NodeTimeout,
  NodeUnreachable,
  NodeWarmingUp
} from "./node-rpc-error.ts"
import type { NodeRpcCalls } from "./node-rpc.ts"

/** How a node knows us: `rpcuser` and `rpcpassword`, or the cookie file that it writes anew at each start. */
export type NodeCredentials =
  | { readonly _tag: "Password"; readonly user: string; readonly password: Redacted.Redacted }
  | { readonly _tag: "Cookie"; readonly path: string }

export interface NodeRpcHttpOptions {
  /** `http://127.0.0.1:8332`; no user or password in it. */
  readonly url: string
  readonly credentials: NodeCredentials
  /** For one call; 30 seconds unless told. */
  readonly timeout?: Duration.Input | undefined
  /** For a long poll, which normally lasts until the next block; an hour unless told. */
  readonly longPollTimeout?: Duration.Input | undefined
}

/** The calls of `NodeRpc` over an `HttpClient`. */
export const makeHttp = Effect.fnUntraced(function* (options: NodeRpcHttpOptions) {
  const client = yield* HttpClient.HttpClient
  const authorize = yield* makeAuthorize(options.credentials)
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
  const longPollTimeout = Duration.fromInputUnsafe(options.longPollTimeout ?? "1 hour")
  let lastId = 0

  const post = (body: string, authorization: Authorization): Effect.Effect<HttpAnswer, NodeUnreachable> =>
    HttpClientRequest.post(options.url).pipe(
      HttpClientRequest.basicAuth(authorization.user, authorization.password),
      HttpClientRequest.bodyText(body, "application/json"),
      client.execute,
      Effect.flatMap(readAnswer),
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError((error) => new NodeUnreachable({ cause: describe(error) }))
    )

  /** One call; a refused cookie is read again, because a node that restarts writes a new one. */
  const exchange = Effect.fnUntraced(function* (body: string) {
    const authorization = yield* authorize.current
    const answer = yield* post(body, authorization)
    if (answer.status !== 401) return answer
    const fresh = yield* authorize.refreshed(authorization)
    return Option.isNone(fresh) ? answer : yield* post(body, fresh.value)
  })

  const call = <A>(
    method: string,
    params: ReadonlyArray<unknown>,
    schema: Schema.ConstraintDecoder<A>,
    limit = timeout
  ): Effect.Effect<A, NodeRpcError> => callAndDecode(method, params, Schema.decodeUnknownSync(schema), limit)

  /** `decode` throws for an answer in another form. */
  const callAndDecode = <A>(
    method: string,
    params: ReadonlyArray<unknown>,
    decode: (result: unknown) => A,
    limit = timeout
  ): Effect.Effect<A, NodeRpcError> => {
    return Effect.suspend(() => {
      const id = ++lastId
      return exchange(JSON.stringify({ jsonrpc: "1.0", id, method, params })).pipe(
        Effect.flatMap((answer) => readResult(answer, id)),
        Effect.flatMap((result) =>
          Effect.try({
            try: () => decode(result),
            catch: (error) =>
              new NodeBadAnswer({ detail: shorten(error instanceof Error ? error.message : String(error)) })
          })
        ),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.fail(new NodeTimeout({ timeoutMs: Duration.toMillis(limit) }))
        }),
        Effect.mapError((reason) => new NodeRpcError({ node: options.url, method, reason }))
      )
    }).pipe(Effect.withSpan(`NodeRpc.${method}`))
  }

  const calls: NodeRpcCalls = {
    getBlockTemplate: (request) =>
      request?.longPollId === undefined
        ? callAndDecode("getblocktemplate", [{ rules: RULES }], decodeBlockTemplate)
        : callAndDecode(
            "getblocktemplate",
            [{ rules: RULES, longpollid: request.longPollId }],
            decodeBlockTemplate,
            longPollTimeout
          ),
    submitBlock: (block) =>
      call("submitblock", [typeof block === "string" ? block : Buffer.from(block).toString("hex")], Verdict),
    getBlockchainInfo: call("getblockchaininfo", [], BlockchainInfo),
    getBestBlockHash: call("getbestblockhash", [], Schema.String),
    getBlockHeader: (hash) => call("getblockheader", [hash], BlockHeaderInfo),
    getBlock: (hash) => call("getblock", [hash, 1], BlockInfo),
    getRawMempool: call("getrawmempool", [], Schema.Array(Schema.String)),
    getMiningInfo: call("getmininginfo", [], MiningInfo),
    getNetworkInfo: call("getnetworkinfo", [], NetworkInfo),
    getZmqNotifications: call("getzmqnotifications", [], ZmqNotifications)
  }
  return calls
})

/** A signet node insists on its rule, and the others do not mind it. */
const RULES = ["segwit", "signet"]

const Verdict = Schema.NullOr(Schema.String)

interface Authorization {
  readonly user: string
  readonly password: Redacted.Redacted
}

/** The credentials to use now, and other ones than those a node has just refused, if there are. */
const makeAuthorize = Effect.fnUntraced(function* (credentials: NodeCredentials) {
  const fs = yield* FileSystem.FileSystem
  if (credentials._tag === "Password") {
    return { current: Effect.succeed(credentials), refreshed: () => Effect.succeedNone }
  }
  const { path } = credentials
  let known: Authorization | undefined

  const read = fs.readFileString(path).pipe(
    Effect.mapError(
      (error) =>
        new NodeBadCredentials({
          detail: `cookie file ${path} cannot be read: ${error.reason._tag}; see that the node runs`
        })
    ),
    Effect.flatMap((content) => {
      const [user, ...password] = content.trim().split(":")
      if (!user || password.length === 0) {
        return Effect.fail(new NodeBadCredentials({ detail: `cookie file ${path} does not hold USER:PASSWORD` }))
      }
      known = { user, password: Redacted.make(password.join(":")) }
      return Effect.succeed(known)
    })
  )
  return {
    current: Effect.suspend((): Effect.Effect<Authorization, NodeBadCredentials> =>
      known === undefined ? read : Effect.succeed(known)
    ),
    refreshed: (refused: Authorization) =>
      Effect.map(read, (fresh) =>
        Redacted.value(fresh.password) === Redacted.value(refused.password) ? Option.none() : Option.some(fresh)
      )
  }
})

interface HttpAnswer {
  readonly status: number
  readonly body: string
}

const readAnswer = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpAnswer, HttpClientError.HttpClientError> =>
  Effect.map(response.text, (body) => ({ status: response.status, body }))

const RpcAnswer = Schema.Struct({
  id: Schema.Unknown,
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.NullOr(Schema.Struct({ code: Schema.Int, message: Schema.String })))
})

const decodeRpcAnswer = Schema.decodeUnknownOption(RpcAnswer)

/** The result of call `id`, undecoded. */
const readResult = (answer: HttpAnswer, id: number): Effect.Effect<unknown, NodeRpcError["reason"]> => {
  if (answer.status === 401 || answer.status === 403) {
    return Effect.fail(new NodeBadCredentials({ detail: `HTTP status ${answer.status}` }))
  }
  if (answer.status === 503) return Effect.fail(new NodeBusy({ detail: shorten(answer.body) }))
  const rpc = Option.flatMap(parseJson(answer.body), decodeRpcAnswer)
  if (Option.isNone(rpc)) {
    return Effect.fail(new NodeBadAnswer({ detail: `HTTP status ${answer.status}, ${shorten(answer.body)}` }))
  }
  const { error, id: answered, result } = rpc.value
  if (error !== undefined && error !== null) return Effect.fail(readError(error.code, error.message))
  if (answered !== id) return Effect.fail(new NodeBadAnswer({ detail: `the answer to call ${answered}, not to ${id}` }))
  return Effect.succeed(result)
}

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** Codes of Bitcoin Core's src/rpc/protocol.h. */
const readError = (code: number, detail: string): NodeRpcError["reason"] => {
  switch (code) {
    case -28:
      return new NodeWarmingUp({ detail })
    case -32601:
      return new NodeMethodUnknown()
    default:
      return new NodeRefused({ code, detail })
  }
}

const describe = (error: HttpClientError.HttpClientError): string => {
  const { reason } = error
  const cause: unknown = reason.cause
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") {
    return cause.message === "" ? cause.code : `${cause.code}: ${cause.message}`
  }
  return cause instanceof Error ? cause.message : reason._tag
}

const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim()
  return line === "" ? "an empty body" : line.length > 300 ? `${line.slice(0, 300)}…` : line
}
