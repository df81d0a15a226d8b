import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Redacted } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type NodeCredentials, NodeRpc, NodeRpcError, NodeRpcHttp } from "../src/index.ts"
import template from "@sluice/testing/getblocktemplate.json" with { type: "json" }

interface Call {
  readonly id: number
  readonly method: string
  readonly params: ReadonlyArray<unknown>
}

type Answer = (call: Call, response: ServerResponse, request: IncomingMessage) => void

const result =
  (value: unknown): Answer =>
  ({ id }, response) =>
    response.end(JSON.stringify({ result: value, error: null, id }))

const failure =
  (status: number, code: number, message: string): Answer =>
  ({ id }, response) =>
    response.writeHead(status).end(JSON.stringify({ result: null, error: { code, message }, id }))

/** A server on a free port that gives every call the same answer. It keeps the calls and the sockets that it saw. */
const serve = Effect.fnUntraced(function* (answer: Answer) {
  const sockets = new Set<unknown>()
  const calls: Array<Call> = []
  const server = createServer((request, response) => {
    sockets.add(request.socket)
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      const call = JSON.parse(body) as Call
      calls.push(call)
      answer(call, response, request)
    })
  })
  yield* Effect.callback<void>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.void))
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, calls }
})

const password: NodeCredentials = { _tag: "Password", user: "alice", password: Redacted.make("se:cret") }

const connect = (url: string, credentials: NodeCredentials = password, timeout = 10_000) =>
  Effect.map(Layer.build(NodeRpcHttp.layer({ url, credentials, timeout })), (context) => Context.get(context, NodeRpc))

const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString("base64")}`

describe("NodeRpc over HTTP", () => {
  it.live("asks for a template with the segwit and signet rules, and gives it as the node wrote it", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* serve(result(template))
      const rpc = yield* connect(url)
      const { capabilities, ...expected } = template
      assert.deepStrictEqual(capabilities, ["proposal"])
      assert.deepEqual(yield* rpc.getBlockTemplate(), expected as never)
      yield* rpc.getBlockTemplate({ longPollId: "abc" })
      assert.deepStrictEqual(
        calls.map(({ method, params }) => [method, params]),
        [
          ["getblocktemplate", [{ rules: ["segwit", "signet"] }]],
          ["getblocktemplate", [{ rules: ["segwit", "signet"], longpollid: "abc" }]]
        ]
      )
      assert.notStrictEqual(calls[0]!.id, calls[1]!.id)
    })
  )

  it.live("sends user and password, and keeps its connections", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const { sockets, url } = yield* serve((call, response, request) => {
        seen.push(request.headers.authorization)
        result("00".repeat(32))(call, response, request)
      })
      const rpc = yield* connect(url)
      for (let call = 0; call < 10; call++) yield* rpc.getBestBlockHash
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 10 }, () => basic("alice:se:cret"))
      )
      assert.isBelow(sockets.size, 4)
    })
  )

  it.live("returns the verdict on a block in the words of the node", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* serve((call, response, request) =>
        result(call.params[0] === "0102" ? null : "high-hash")(call, response, request)
      )
      const rpc = yield* connect(url)
      assert.isNull(yield* rpc.submitBlock(new Uint8Array([1, 2])))
      assert.strictEqual(yield* rpc.submitBlock("ff"), "high-hash")
      assert.strictEqual(calls.length, 2)
    })
  )

  it.live("reads the cookie file again when the node refuses what it read before", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/.cookie`
      let cookie = "__cookie__:first"
      const { calls, url } = yield* serve((call, response, request) =>
        request.headers.authorization === basic(cookie)
          ? result(call.id)(call, response, request)
          : response.writeHead(401).end()
      )
      const rpc = yield* connect(url, { _tag: "Cookie", path })
      const missing = yield* Effect.flip(rpc.getBestBlockHash)
      assert.match(missing.message, /cookie file .* cannot be read: NotFound; see that the node runs/)

      yield* fs.writeFileString(path, `${cookie}\n`)
      yield* Effect.ignore(rpc.getBestBlockHash)
      assert.strictEqual(calls.length, 1)
      cookie = "__cookie__:second"
      const refused = yield* Effect.flip(rpc.getBestBlockHash)
      assert.strictEqual(refused.reason._tag, "NodeBadCredentials")
      assert.strictEqual(calls.length, 2, "the same cookie is not tried twice")
      yield* fs.writeFileString(path, cookie)
      assert.strictEqual((yield* Effect.flip(rpc.getBestBlockHash)).reason._tag, "NodeBadAnswer")
      assert.strictEqual(calls.length, 4)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  const failures: ReadonlyArray<readonly [name: string, Answer, NodeRpcError["reason"]["_tag"], RegExp]> = [
    ["HTTP 401", (_, response) => response.writeHead(401).end(), "NodeBadCredentials", /check rpcuser/],
    ["HTTP 403", (_, response) => response.writeHead(403).end(), "NodeBadCredentials", /rpcallowip/],
    [
      "a full work queue",
      (_, response) => response.writeHead(503).end("Work queue depth exceeded"),
      "NodeBusy",
      /depth/
    ],
    ["warming up", failure(500, -28, "Loading block index…"), "NodeWarmingUp", /still starting: Loading block index/],
    ["an unknown method", failure(404, -32601, "Method not found"), "NodeMethodUnknown", /version 25 or later/],
    ["an error in an answer with status 200", failure(200, -9, "not connected!"), "NodeRefused", /-9: not connected!/],
    ["another error", failure(500, -10, "initial sync"), "NodeRefused", /answered error -10: initial sync/],
    ["a web page", (_, response) => response.end("<html>\nhello</html>"), "NodeBadAnswer", /<html> hello/],
    ["nothing", (_, response) => response.end(), "NodeBadAnswer", /an empty body/],
    ["a result of another type", result(7), "NodeBadAnswer", /getbestblockhash: the node at http:\/\/127/],
    [
      "another call's answer",
      (call, response, request) => result("x")({ ...call, id: call.id + 1 }, response, request),
      "NodeBadAnswer",
      /the answer to call/
    ],
    ["silence", () => {}, "NodeTimeout", /no answer within 0.25 s/],
    ["a broken connection", (_, response) => response.destroy(), "NodeUnreachable", /cannot be reached/]
  ]
  for (const [name, answer, reason, message] of failures) {
    it.live(`fails with ${reason} for ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve(answer)
        const rpc = yield* connect(url, password, name === "silence" ? 250 : undefined)
        const error = yield* Effect.flip(rpc.getBestBlockHash)
        assert.instanceOf(error, NodeRpcError)
        assert.strictEqual(error.reason._tag, reason)
        assert.match(error.message, message)
        assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "cret")
      })
    )
  }

  it.live("fails with the cause if nothing listens at the port", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(serve(result(null)))
      const rpc = yield* connect(url)
      const error = yield* Effect.flip(rpc.getBlockchainInfo)
      assert.match(error.message, /getblockchaininfo: the node at .* cannot be reached \(ECONNREFUSED/)
    })
  )

  it.live("gives a long poll more time than other calls", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((call, response, request) => {
        setTimeout(() => result(template)(call, response, request), 400)
      })
      const rpc = yield* connect(url, password, 250)
      const { height } = yield* rpc.getBlockTemplate({ longPollId: "tip" })
      assert.strictEqual(height, template.height)
      assert.strictEqual((yield* Effect.flip(rpc.getBlockTemplate())).reason._tag, "NodeTimeout")
    })
  )
})

describe("calls in a batch", () => {
  /** A node that answers each call of a batch by its method, in the other order; and how many requests came. */
  const batching = (answers: Readonly<Record<string, (params: ReadonlyArray<unknown>) => unknown>>) =>
    serve((body, response) => {
      const of = ({ id, method, params }: Call) => {
        const result = answers[method]?.(params)
        return result === undefined
          ? { result: null, error: { code: -32601, message: "Method not found" }, id }
          : { result, error: null, id }
      }
      const calls = body as unknown as Call | ReadonlyArray<Call>
      response.end(JSON.stringify(Array.isArray(calls) ? calls.map(of).toReversed() : of(calls as Call)))
    })

  const hashAt = (height: number): string => (0xb10c00 + height).toString(16).padStart(64, "0")
  const headerOf = (hash: string) => {
    const height = Number.parseInt(hash, 16) - 0xb10c00
    return {
      hash,
      confirmations: 1,
      height,
      version: 4,
      merkleroot: hash,
      time: height,
      mediantime: height,
      nonce: 0,
      bits: "207fffff",
      difficulty: 1,
      chainwork: hash,
      nTx: 1,
      ...(height === 0 ? {} : { previousblockhash: hashAt(height - 1) })
    }
  }

  it.live("read the headers up to a block in three requests, and fewer at the start of the chain", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* batching({
        getblockheader: ([hash]) => headerOf(String(hash)),
        getblockhash: ([height]) => hashAt(Number(height))
      })
      const rpc = yield* connect(url)
      const heights = Effect.map(rpc.getBlockHeaders(hashAt(100), 11), (headers) => headers.map(({ height }) => height))
      assert.deepStrictEqual(yield* heights, [90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100])
      assert.strictEqual(calls.length, 3)
      assert.strictEqual((yield* rpc.getBlockHeaders(hashAt(2), 11)).length, 3)
      assert.deepStrictEqual(yield* rpc.getBlockHeaders(hashAt(0), 11), [headerOf(hashAt(0))])
    })
  )

  it.live("fail if the chain changes between them", () =>
    Effect.gen(function* () {
      const { url } = yield* batching({
        getblockheader: ([hash]) => headerOf(String(hash)),
        getblockhash: ([height]) => hashAt(Number(height) + 500)
      })
      const { message } = yield* Effect.flip((yield* connect(url)).getBlockHeaders(hashAt(100), 3))
      assert.match(message, /are not on one branch; the chain may just have changed/)
    })
  )

  it.live("have an error of each call, or of a batch that is refused as a whole", () =>
    Effect.gen(function* () {
      const chain = {
        chain: "main",
        blocks: 9,
        headers: 9,
        bestblockhash: hashAt(9),
        difficulty: 1,
        mediantime: 1,
        verificationprogress: 1,
        initialblockdownload: false,
        chainwork: "00"
      }
      const { calls, url } = yield* batching({
        getblockchaininfo: () => chain,
        getnetworkinfo: () => ({ version: "x" })
      })
      const { blockchain, network, zmq } = yield* (yield* connect(url)).getNodeStatus
      assert.strictEqual(blockchain.chain, "main")
      assert.strictEqual(network._tag === "Failure" && network.failure.reason._tag, "NodeBadAnswer")
      assert.strictEqual(zmq._tag === "Failure" && zmq.failure.message.startsWith("getzmqnotifications: "), true)
      assert.strictEqual(zmq._tag === "Failure" && zmq.failure.reason._tag, "NodeMethodUnknown")
      assert.strictEqual(calls.length, 1)

      const refusing = yield* serve((_, response) =>
        response
          .writeHead(500)
          .end(JSON.stringify({ result: null, error: { code: -28, message: "Loading" }, id: null }))
      )
      const refused = yield* Effect.flip((yield* connect(refusing.url)).getNodeStatus)
      assert.strictEqual(refused.reason._tag, "NodeWarmingUp")
      const silent = yield* batching({})
      assert.strictEqual(
        (yield* Effect.flip((yield* connect(silent.url)).getNodeStatus)).reason._tag,
        "NodeMethodUnknown"
      )
      const partial = yield* serve((_, response) => response.end("[]"))
      assert.match((yield* Effect.flip((yield* connect(partial.url)).getNodeStatus)).message, /no answer to a call/)
    })
  )
})
