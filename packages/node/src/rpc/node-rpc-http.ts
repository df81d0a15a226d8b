/**
 * `NodeRpc` over HTTP, as Bitcoin Core's server speaks it: JSON-RPC in a POST with basic authentication, errors as a
 * JSON body under HTTP status 500 or 404 (or 200, with newer nodes), plain text under 401, 403 and 503.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { type BlockTemplate, decodeBlockTemplate } from "../template/block-template.ts"
import {
  BlockchainInfo,
  BlockHeaderInfo,
  BlockInfo,
  MiningInfo,
  NetworkInfo,
  ZmqNotifications
} from "./node-answers.ts"
import { type Authorization, makeAuthorize, type NodeCredentials } from "./node-credentials.ts"
import { NodeBadAnswer, NodeRpcError, NodeTimeout, NodeUnreachable } from "./node-rpc-error.ts"
import { type HttpAnswer, readAnswered, readBatch, readResult, shorten } from "./node-rpc-answer.ts"
import { NodeRpc, type NodeRpcCalls } from "./node-rpc.ts"
import { readTemplateAnswer } from "../template/template-answer.ts"

export interface Options {
  /** For example `http://127.0.0.1:8332`; without user and password. */
  readonly url: string
  readonly credentials: NodeCredentials
  /** The time limit of one call. Default 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** The time limit of a long poll, which normally lasts until the next block. Default 1 hour. */
  readonly longPollTimeout?: Duration.Input | undefined
}

/** A node's JSON-RPC over HTTP or HTTPS. Building the layer does not contact the node; each call does. */
export const layer = (options: Options): Layer.Layer<NodeRpc> =>
  Layer.effect(NodeRpc, make(options)).pipe(Layer.provide(Layer.suspend(() => layerClient)))

/** Makes calls that `NodeRpc` does not have, such as those of a node's wallet. */
export type MakeCall = <A>(
  method: string,
  params: ReadonlyArray<unknown>,
  schema: Schema.ConstraintDecoder<A>
) => Effect.Effect<A, NodeRpcError>

export const makeCall = (options: Options) => Effect.map(connect(options), ({ call }): MakeCall => call)

/** The calls of `NodeRpc` over an `HttpClient`. */
export const make = (options: Options) => Effect.map(connect(options), callsOf)

const connect = Effect.fnUntraced(function* (options: Options) {
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

  /** Makes one call. Reads a refused cookie again, because a node that restarts writes a new one. */
  const exchange = Effect.fnUntraced(function* (body: string) {
    const authorization = yield* authorize.current
    const answer = yield* post(body, authorization)
    if (answer.status !== 401) return answer
    const fresh = yield* authorize.refreshed(authorization)
    return Option.isNone(fresh) ? answer : yield* post(body, fresh.value)
  })

  /** Sends a request to the node and reads its answer with `read`; the time limit covers both. */
  const ask = <A>(
    method: string,
    request: unknown,
    read: (answer: HttpAnswer) => Effect.Effect<A, NodeRpcError["reason"]>,
    limit = timeout
  ): Effect.Effect<A, NodeRpcError> =>
    exchange(JSON.stringify(request)).pipe(
      Effect.flatMap(read),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.fail(new NodeTimeout({ timeoutMs: Duration.toMillis(limit) }))
      }),
      Effect.mapError((reason) => new NodeRpcError({ node: options.url, method, reason })),
      Effect.withSpan(`NodeRpc.${method}`)
    )

  const requestOf = ({ method, params }: Pick<Call<unknown>, "method" | "params">) => ({
    jsonrpc: "1.0",
    id: ++lastId,
    method,
    params
  })

  const call: MakeCall = (method, params, schema) =>
    callOne({ method, params, decode: Schema.decodeUnknownSync(schema) })

  const callOne = <A>(
    { decode, method, params, readQuickly }: Call<A>,
    limit = timeout
  ): Effect.Effect<A, NodeRpcError> =>
    Effect.suspend(() => {
      const request = requestOf({ method, params })
      const read = (answer: HttpAnswer) => {
        const quick = answer.status === 200 ? readQuickly?.(answer.body, request.id) : undefined
        if (quick !== undefined) return Effect.succeed(quick)
        return Effect.flatMap(readResult(answer, request.id), decodeWith(decode))
      }
      return ask(method, request, read, limit)
    })

  /** Makes several calls in one request. Each has its own result or error. */
  const batch = <A>(calls: ReadonlyArray<Call<A>>): Effect.Effect<ReadonlyArray<BatchAnswer<A>>, NodeRpcError> =>
    Effect.suspend(() => {
      if (calls.length === 0) return Effect.succeed([])
      const requests = calls.map(requestOf)
      return ask(calls[0]!.method, requests, (answer) =>
        Effect.flatMap(readBatch(answer), (answers) =>
          Effect.forEach(calls, ({ decode, method }, index) =>
            readAnswered(answers.get(requests[index]!.id)).pipe(
              Effect.flatMap(decodeWith(decode)),
              Effect.mapError((reason) => new NodeRpcError({ node: options.url, method, reason })),
              Effect.result
            )
          )
        )
      )
    })

  return { url: options.url, longPollTimeout, call, callOne, batch }
})

type Connected = Effect.Success<ReturnType<typeof connect>>

const callsOf = ({ batch, call, callOne, longPollTimeout, url }: Connected): NodeRpcCalls => {
  const allOf = <A>(calls: ReadonlyArray<Call<A>>): Effect.Effect<ReadonlyArray<A>, NodeRpcError> =>
    Effect.flatMap(batch(calls), Effect.forEach(Effect.fromResult))

  const getBlockHeaders = Effect.fnUntraced(function* (hash: string, count: number) {
    const last = yield* callOne(blockHeader(hash))
    const heights = Array.from({ length: Math.min(count - 1, last.height) }, (_, back) => last.height - 1 - back)
    const hashes = yield* allOf(heights.toReversed().map(blockHash))
    const headers = [...(yield* allOf(hashes.map(blockHeader))), last]
    if (
      headers.every(({ previousblockhash }, index) => index === 0 || previousblockhash === headers[index - 1]!.hash)
    ) {
      return headers
    }
    const detail = `the blocks up to ${hash} are not on one branch; the chain may just have changed`
    return yield* new NodeRpcError({
      node: url,
      method: "getblockheader",
      reason: new NodeBadAnswer({ detail })
    })
  })

  const getNodeStatus = Effect.gen(function* () {
    const [blockchain, network, zmq] = yield* batch<NodeStatusPart>([
      { method: "getblockchaininfo", params: [], decode: Schema.decodeUnknownSync(BlockchainInfo) },
      { method: "getnetworkinfo", params: [], decode: Schema.decodeUnknownSync(NetworkInfo) },
      { method: "getzmqnotifications", params: [], decode: Schema.decodeUnknownSync(ZmqNotifications) }
    ])
    return {
      blockchain: (yield* Effect.fromResult(blockchain!)) as BlockchainInfo,
      network: network as Result.Result<NetworkInfo, NodeRpcError>,
      zmq: zmq as Result.Result<ZmqNotifications, NodeRpcError>
    }
  })

  const getRawTransactions = Effect.fnUntraced(function* (txids: ReadonlyArray<string>) {
    const answers = yield* batch(txids.map(rawTransaction))
    return yield* Effect.forEach(answers, (answer) => {
      if (Result.isSuccess(answer)) return Effect.succeed(answer.success)
      return answer.failure.reason._tag === "NodeRefused" ? Effect.undefined : Effect.fail(answer.failure)
    })
  })

  const calls: NodeRpcCalls = {
    getBlockTemplate: (request) =>
      request?.longPollId === undefined
        ? callOne(blockTemplate({ rules: RULES }))
        : callOne(blockTemplate({ rules: RULES, longpollid: request.longPollId }), longPollTimeout),
    submitBlock: (block) => call("submitblock", [typeof block === "string" ? block : hexOf(block)], Verdict),
    proposeBlock: (block) =>
      Effect.suspend(() => {
        const data = typeof block === "string" ? block : hexOf(block)
        return call("getblocktemplate", [{ mode: "proposal", data, rules: RULES }], Verdict)
      }),
    getBlockchainInfo: call("getblockchaininfo", [], BlockchainInfo),
    getBestBlockHash: call("getbestblockhash", [], Schema.String),
    getBlockHeader: (hash) => callOne(blockHeader(hash)),
    getBlockHeaders,
    getBlock: (hash) => call("getblock", [hash, 1], BlockInfo),
    getRawMempool: callOne({ method: "getrawmempool", params: [], decode: decodeTexts }),
    getRawTransactions,
    getMiningInfo: call("getmininginfo", [], MiningInfo),
    getNetworkInfo: call("getnetworkinfo", [], NetworkInfo),
    getZmqNotifications: call("getzmqnotifications", [], ZmqNotifications),
    getNodeStatus
  }
  return calls
}

/** A signet node requires its rule, and other nodes accept it. */
const RULES = ["segwit", "signet"]

const Verdict = Schema.NullOr(Schema.String)

/** A call to make. `decode` throws for an answer in another form. */
interface Call<A> {
  readonly method: string
  readonly params: ReadonlyArray<unknown>
  readonly decode: (result: unknown) => A
  /** A faster way to decode the text of an answer; returns undefined for text that it cannot read. */
  readonly readQuickly?: (text: Uint8Array, id: number) => A | undefined
}

type BatchAnswer<A> = Result.Result<A, NodeRpcError>

type NodeStatusPart = BlockchainInfo | NetworkInfo | ZmqNotifications

const blockTemplate = (request: unknown): Call<BlockTemplate> => ({
  method: "getblocktemplate",
  params: [request],
  decode: decodeBlockTemplate,
  readQuickly: readTemplateAnswer
})

const rawTransaction = (txid: string): Call<Uint8Array> => ({
  method: "getrawtransaction",
  params: [txid],
  decode: (result) => {
    const bytes = typeof result === "string" ? Buffer.from(result, "hex") : EMPTY
    if (bytes.length > 0 && bytes.length * 2 === (result as string).length) return bytes
    throw new TypeError("expected a transaction in hex")
  }
})

/** The ids of a mempool can be a hundred thousand, which a Schema takes long to check. */
const decodeTexts = (result: unknown): ReadonlyArray<string> => {
  if (Array.isArray(result) && result.every((text) => typeof text === "string")) return result
  throw new TypeError("expected an array of strings")
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")
const EMPTY = Buffer.alloc(0)

const blockHash = (height: number): Call<string> => ({
  method: "getblockhash",
  params: [height],
  decode: Schema.decodeUnknownSync(Schema.String)
})

const blockHeader = (hash: string): Call<BlockHeaderInfo> => ({
  method: "getblockheader",
  params: [hash],
  decode: Schema.decodeUnknownSync(BlockHeaderInfo)
})

const decodeWith =
  <A>(decode: (result: unknown) => A) =>
  (result: unknown): Effect.Effect<A, NodeBadAnswer> =>
    Effect.try({
      try: () => decode(result),
      catch: (error) => new NodeBadAnswer({ detail: shorten(error instanceof Error ? error.message : String(error)) })
    })

const readAnswer = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpAnswer, HttpClientError.HttpClientError> =>
  Effect.map(response.arrayBuffer, (body) => ({ status: response.status, body: new Uint8Array(body) }))

const describe = (error: HttpClientError.HttpClientError): string => {
  const { reason } = error
  const cause: unknown = reason.cause
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") {
    return cause.message === "" ? cause.code : `${cause.code}: ${cause.message}`
  }
  return cause instanceof Error ? cause.message : reason._tag
}

/** The longest answer that is read. A full block in hex is 8 MB; a template is longer by the ids of its transactions. */
const MAX_RESPONSE_SIZE = 64 * 1024 * 1024

/** The services that `make` needs: files for the cookie, and a client that keeps its connections. */
export const layerClient = Layer.mergeAll(
  NodeFileSystem.layer,
  NodeHttpClient.layerUndiciOptions({
    // Core closes idle connections after 30 s; a shorter limit here avoids requests on a connection that Core is closing.
    keepAliveTimeout: 20_000,
    connections: 8,
    maxResponseSize: MAX_RESPONSE_SIZE
  })
)
