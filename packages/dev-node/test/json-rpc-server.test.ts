import { createServer, request as httpRequest } from "node:http"
import { connect as connectSocket } from "node:net"
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { DevNode, JsonRpcServer, type JsonRpcServerOptions, solveTemplate } from "../src/index.ts"
import { hashToDisplay, parseBlock } from "@sluice/bitcoin"
import { NodeRpc, NodeRpcHttp } from "@sluice/node"
import { buildPayment, display, EASY_BITS } from "@sluice/testing/blocks"
import coreTemplate from "@sluice/testing/getblocktemplate.json" with { type: "json" }

const user = "alice"
const password = Redacted.make("pass:word")
const AUTHORIZATION = `Basic ${Buffer.from("alice:pass:word").toString("base64")}`

const node = DevNode.layer({
  bits: EASY_BITS,
  transactionsPerSecond: 0,
  longPollFirstCheck: "50 millis",
  longPollNextChecks: "50 millis"
})

const serving = (options: Partial<JsonRpcServerOptions> = {}) =>
  JsonRpcServer.layer({ port: 0, user, password, ...options }).pipe(Layer.provideMerge(node))

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A raw HTTP request. */
const send = Effect.fnUntraced(function* (init: RequestInit & { readonly path?: string }) {
  const { url } = yield* JsonRpcServer
  return yield* Effect.promise(async (signal): Promise<Reply> => {
    const response = await fetch(url + (init.path ?? ""), { signal, ...init })
    return { status: response.status, headers: response.headers, text: await response.text() }
  })
})

const post = (body: unknown, authorization: string | undefined = AUTHORIZATION) =>
  send({
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: authorization === undefined ? {} : { authorization }
  })

/** One call in Core's own mixture of versions: its HTTP status, result and error. */
const call = Effect.fnUntraced(function* (method: string, params: unknown = []) {
  const { status, text } = yield* post({ method, params, id: "x" })
  const answer = JSON.parse(text) as { result: unknown; error: { code: number; message: string } | null; id: unknown }
  assert.deepStrictEqual(Object.keys(answer).toSorted(), ["error", "id", "result"])
  assert.strictEqual(answer.id, "x")
  return { status, result: answer.result, error: answer.error }
})

const result = (method: string, params: unknown = []) => Effect.map(call(method, params), ({ result }) => result)

const template = (parts: Readonly<Record<string, unknown>> = {}) =>
  result("getblocktemplate", [{ rules: ["segwit"], ...parts }]) as Effect.Effect<
    Parameters<typeof solveTemplate>[0],
    never,
    JsonRpcServer
  >

const blockHex = Effect.map(template(), (each) => Buffer.from(solveTemplate(each)!).toString("hex"))

describe("HTTP", () => {
  it.live("refuses requests without credentials or with wrong ones", () =>
    Effect.gen(function* () {
      const body = { method: "getblockcount", id: 1 }
      const wrong = [
        "Basic YWxpY2U6eA==",
        AUTHORIZATION.replace("B", "b"),
        "Bearer abc",
        "Basic",
        "Basic \u00ff",
        "basic YWxpY2U="
      ]
      const replies = yield* Effect.forEach(
        [undefined, ...wrong],
        (authorization) =>
          send({
            method: "POST",
            body: JSON.stringify(body),
            headers: authorization === undefined ? {} : { authorization }
          }),
        { concurrency: "unbounded" }
      )
      for (const { headers, status, text } of replies) {
        assert.deepStrictEqual([status, text], [401, ""])
        assert.strictEqual(headers.get("www-authenticate"), 'Basic realm="jsonrpc"')
      }
      assert.strictEqual((yield* post(body)).status, 200)
    }).pipe(Effect.provide(serving()))
  )

  it.live("refuses requests of web pages, also with the password", () =>
    Effect.gen(function* () {
      for (const origin of ["http://evil.example", "http://127.0.0.1:18443", "null"]) {
        const headers = { authorization: AUTHORIZATION, origin }
        const { status, text } = yield* send({ method: "POST", body: '{"method":"getblockcount"}', headers })
        assert.strictEqual(status, 403)
        assert.include(text, `expected a request without Origin, got "${origin}"`)
      }
    }).pipe(Effect.provide(serving()))
  )

  it.live("answers while silent connections hold all places, and keeps a long poll that waits", () =>
    Effect.gen(function* () {
      const { longpollid } = yield* template()
      const waiting = yield* Effect.forkChild(template({ longpollid }), { startImmediately: true })
      const { port } = yield* JsonRpcServer
      const closed: Array<number> = []
      const silent = Effect.callback<void>((resume) => {
        const socket = connectSocket(port, "127.0.0.1", () => resume(Effect.void)).resume()
        socket.on("error", () => {}).on("close", () => closed.push(1))
      })
      // Answered after the long poll has come.
      yield* result("getblockcount")
      for (let count = 0; count < 300; count++) yield* silent
      yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => closed.length > 300 - 256 }))
      const status = yield* Effect.callback<number | undefined>((resume) => {
        const answered = (code: number | undefined) => resume(Effect.succeed(code))
        const headers = { authorization: AUTHORIZATION }
        httpRequest({ port, method: "POST", agent: false, headers }, (response) => answered(response.statusCode))
          .on("error", () => answered(undefined))
          .end('{"method":"getblockcount"}')
      })
      assert.strictEqual(status, 200)
      yield* result("submitblock", [yield* blockHex])
      assert.strictEqual((yield* Fiber.join(waiting)).height, 2)
    }).pipe(Effect.provide(serving()))
  )

  it.live("accepts only POST to its one path", () =>
    Effect.gen(function* () {
      const headers = { authorization: AUTHORIZATION }
      const got = yield* send({ method: "GET", headers })
      assert.deepStrictEqual([got.status, got.text], [405, "JSONRPC server handles only POST requests"])
      assert.strictEqual((yield* send({ method: "POST", path: "/wallet", body: "{}", headers })).status, 404)
    }).pipe(Effect.provide(serving()))
  )

  it.live("answers errors with the HTTP status that old clients rely on", () =>
    Effect.gen(function* () {
      const status = (body: unknown) => Effect.map(post(body), (reply) => reply.status)
      assert.strictEqual(yield* status({ method: "getblockcount" }), 200)
      assert.strictEqual(yield* status({ method: "getblockhash", params: [9] }), 500)
      assert.strictEqual(yield* status({ method: "nope" }), 404)
      assert.strictEqual(yield* status({ params: [] }), 400)
      assert.strictEqual(yield* status("{"), 500)
      assert.strictEqual(yield* status({ jsonrpc: "2.0", method: "nope", id: 1 }), 200)
      assert.strictEqual(yield* status({ jsonrpc: "2.0", id: 1 }), 400)
      assert.strictEqual(yield* status({ jsonrpc: "2.0", method: "getblockcount" }), 204)
      assert.strictEqual(yield* status([{ jsonrpc: "2.0", method: "getblockcount" }]), 204)
      assert.strictEqual(yield* status([{ method: "nope" }]), 200)
    }).pipe(Effect.provide(serving()))
  )

  it.live("rejects a request that is too long, and continues to serve", () =>
    Effect.gen(function* () {
      const { status } = yield* post(" ".repeat(20_000))
      assert.strictEqual(status, 413)
      assert.strictEqual(yield* result("getblockcount"), 0)
    }).pipe(Effect.provide(serving({ maxRequestBytes: 10_000 })))
  )

  it.live("survives clients that disconnect in the middle of a request", () =>
    Effect.gen(function* () {
      const { port } = yield* JsonRpcServer
      for (const bytes of [
        "",
        "garbage\r\n\r\n",
        `POST / HTTP/1.1\r\nauthorization: ${AUTHORIZATION}\r\ncontent-length: 50\r\n\r\n{`
      ]) {
        yield* Effect.callback<void>((resume) => {
          const socket = connectSocket(port, "127.0.0.1", () => socket.write(bytes, () => socket.destroy()))
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
        })
      }
      const { longpollid } = yield* template()
      yield* Effect.callback<void>((resume) => {
        const body = JSON.stringify({ method: "getblocktemplate", params: [{ rules: ["segwit"], longpollid }] })
        const headers = { authorization: AUTHORIZATION, "content-length": body.length }
        const request = httpRequest({ port, host: "127.0.0.1", method: "POST", headers })
        request.on("error", () => {})
        request.on("close", () => resume(Effect.void))
        request.end(body, () => request.destroy())
      })
      assert.strictEqual(yield* result("getblockcount"), 0)
    }).pipe(Effect.provide(serving()))
  )
})

describe("JSON-RPC", () => {
  it.live("is answered in Core's mixture of 1.0 and 1.1, and in version 2.0", () =>
    Effect.gen(function* () {
      const answer = (body: unknown) => Effect.map(post(body), ({ text }) => JSON.parse(text) as unknown)
      const notFound = { code: -32601, message: "Method not found" }
      assert.deepStrictEqual(yield* answer({ method: "getblockcount", id: 7 }), { result: 0, error: null, id: 7 })
      for (const id of [null, "a", 1.5, true, [1], { a: 1 }]) {
        assert.deepStrictEqual(yield* answer({ method: "getblockcount", id }), { result: 0, error: null, id })
      }
      assert.deepStrictEqual(yield* answer({ jsonrpc: "1.0", method: "nope" }), { result: null, error: notFound })
      assert.deepStrictEqual(yield* answer({ method: "getblockcount" }), { result: 0, error: null })
      assert.deepStrictEqual(yield* answer({ jsonrpc: "2.0", method: "getblockcount", id: "a" }), {
        jsonrpc: "2.0",
        result: 0,
        id: "a"
      })
      assert.deepStrictEqual(yield* answer({ jsonrpc: "2.0", method: "nope", id: null }), {
        jsonrpc: "2.0",
        error: notFound,
        id: null
      })
    }).pipe(Effect.provide(serving()))
  )

  it.live("answers the requests of a batch separately and in order", () =>
    Effect.gen(function* () {
      const { text } = yield* post([
        { method: "getblockcount", id: 1 },
        { jsonrpc: "2.0", method: "getblockcount" },
        { jsonrpc: "2.0", method: "toString", id: 2 },
        5
      ])
      assert.deepStrictEqual(JSON.parse(text), [
        { result: 0, error: null, id: 1 },
        { jsonrpc: "2.0", error: { code: -32601, message: "Method not found" }, id: 2 },
        { result: null, error: { code: -32600, message: "Invalid Request object" }, id: null }
      ])
      assert.strictEqual((yield* post([])).text, "[]\n")
      const long = JSON.parse((yield* post(Array.from({ length: 1_001 }, () => 1))).text) as { error: unknown }
      assert.deepStrictEqual(long.error, { code: -32600, message: "A batch has at most 1000 requests" })
    }).pipe(Effect.provide(serving()))
  )

  it.live.each([
    { body: "nonsense", code: -32700, message: "Parse error" },
    { body: "", code: -32700, message: "Parse error" },
    { body: "5", code: -32700, message: "Top-level object parse error" },
    { body: "null", code: -32700, message: "Top-level object parse error" },
    { body: "{}", code: -32600, message: "Missing method" },
    { body: '{"method":5}', code: -32600, message: "Method must be a string" },
    { body: '{"method":"help","params":"x"}', code: -32600, message: "Params must be an array or object" },
    { body: '{"method":"help","jsonrpc":"3.0"}', code: -32600, message: "JSON-RPC version not supported" },
    { body: '{"method":"help","jsonrpc":2}', code: -32600, message: "jsonrpc field must be a string" },
    { body: '{"method":"__proto__"}', code: -32601, message: "Method not found" },
    { body: `${"[".repeat(100_000)}`, code: -32700, message: "Parse error" }
  ])("refuses $body with $code", ({ body, code, message }) =>
    Effect.gen(function* () {
      const { error } = JSON.parse((yield* post(body)).text) as { error: unknown }
      assert.deepStrictEqual(error, { code, message })
    }).pipe(Effect.provide(serving()))
  )

  it.live.each([
    { method: "getblock", params: [], code: -1, words: 'getblock "blockhash" ( verbosity )' },
    { method: "getblockcount", params: [1], code: -1, words: "getblockcount" },
    {
      method: "getblock",
      params: [5],
      code: -3,
      words: '"Position 1 (blockhash)": "JSON value of type number is not of'
    },
    { method: "getblock", params: ["ab"], code: -8, words: "blockhash must be of length 64 (not 2, for 'ab')" },
    { method: "getblock", params: ["zz".repeat(32)], code: -8, words: "must be hexadecimal string" },
    { method: "getblock", params: ["00".repeat(32)], code: -5, words: "Block not found" },
    { method: "getblock", params: { hash: "ab" }, code: -8, words: "Unknown named parameter hash" },
    { method: "getblockhash", params: [-1], code: -8, words: "Block height out of range" },
    ...[0.5, 1e20, 2 ** 31].map((height) => ({
      method: "getblockhash",
      params: [height],
      code: -1,
      words: "JSON integer out of range"
    })),
    { method: "getblock", params: ["00".repeat(32), 1.5], code: -1, words: "JSON integer out of range" },
    {
      method: "getblock",
      params: ["00".repeat(32), "1"],
      code: -3,
      words: "JSON value of type string is not of expected type number"
    },
    {
      method: "getblock",
      params: [null],
      code: -3,
      words: '"Position 1 (blockhash)": "JSON value of type null is not of'
    },
    {
      method: "getblock",
      params: { verbosity: 1 },
      code: -3,
      words: '"Position 1 (blockhash)": "JSON value of type null is not of'
    },
    {
      method: "getblock",
      params: { args: ["ab"], blockhash: "ab" },
      code: -8,
      words: "Parameter blockhash specified twice both as positional and named argument"
    },
    { method: "getblock", params: { args: 1 }, code: -1, words: 'getblock "blockhash"' },
    { method: "getblockheader", params: ["ab"], code: -8, words: "hash must be of length 64 (not 2, for 'ab')" },
    { method: "getrawmempool", params: [1, 2, 3], code: -1, words: "getrawmempool ( verbose mempool_sequence )" },
    {
      method: "getblocktemplate",
      params: [{ rules: [1, "segwit"] }],
      code: -3,
      words: "JSON value of type number is not of expected type string"
    },
    { method: "getmempoolentry", params: ["00".repeat(32)], code: -5, words: "Transaction not in mempool" },
    { method: "getrawtransaction", params: ["00".repeat(32)], code: -5, words: "No such mempool transaction" },
    { method: "getrawtransaction", params: ["zz"], code: -8, words: "parameter 1 must be of length 64" },
    { method: "getrawmempool", params: [true, true], code: -8, words: "Verbose results cannot contain" },
    { method: "submitblock", params: ["00"], code: -22, words: "Block decode failed" },
    { method: "submitblock", params: ["xyz"], code: -22, words: "Block decode failed" },
    { method: "getblocktemplate", params: [], code: -1, words: 'getblocktemplate {"mode":"str","capabilities":' },
    {
      method: "getblocktemplate",
      params: [{}],
      code: -8,
      words: 'with the segwit rule set (call with {"rules": ["segwit"]})'
    },
    { method: "getblocktemplate", params: [{ rules: ["signet"] }], code: -8, words: "segwit rule set" },
    { method: "getblocktemplate", params: [{ rules: ["segwit"], mode: "x" }], code: -8, words: "Invalid mode" },
    { method: "getblocktemplate", params: [{ rules: ["segwit"], mode: 5 }], code: -8, words: "Invalid mode" },
    { method: "getblocktemplate", params: [{ mode: "proposal" }], code: -3, words: "Missing data String key" },
    { method: "getblocktemplate", params: [{ mode: "proposal", data: "00" }], code: -22, words: "Block decode failed" },
    {
      method: "getblocktemplate",
      params: [{ rules: ["segwit"], longpollid: "1" }],
      code: -8,
      words: "longpollid must be"
    }
  ])("refuses $method $params with $code", ({ code, method, params, words }) =>
    Effect.gen(function* () {
      const { error, result } = yield* call(method, params)
      assert.isNull(result)
      assert.strictEqual(error?.code, code)
      assert.include(error?.message, words)
    }).pipe(Effect.provide(serving()))
  )
})

describe("getblocktemplate", () => {
  it.live("has exactly the fields of Bitcoin Core", () =>
    Effect.gen(function* () {
      const { addMadeUpTransactions } = yield* DevNode
      yield* addMadeUpTransactions(1)
      const ours = yield* template()
      assert.deepStrictEqual(Object.keys(ours).toSorted(), Object.keys(coreTemplate).toSorted())
      assert.deepStrictEqual(Object.keys(ours.transactions[0]!), Object.keys(coreTemplate.transactions[0]!))
      for (const [name, value] of Object.entries(coreTemplate)) {
        assert.strictEqual(typeof ours[name as keyof typeof ours], typeof value, name)
      }
    }).pipe(Effect.provide(serving()))
  )

  it.live("with a longpollid waits for a block", () =>
    Effect.gen(function* () {
      const { longpollid } = yield* template()
      const waiting = yield* Effect.forkChild(template({ longpollid }), { startImmediately: true })
      yield* result("submitblock", [yield* blockHex])
      assert.strictEqual((yield* Fiber.join(waiting)).height, 2)
    }).pipe(Effect.provide(serving()))
  )

  it.live("with a longpollid that is not a string waits for the next change", () =>
    Effect.gen(function* () {
      const { addMadeUpTransactions } = yield* DevNode
      const waiting = yield* Effect.forkChild(template({ longpollid: 1 }), { startImmediately: true })
      // Answered after the long poll has come.
      assert.strictEqual((yield* template({ longpollid: null })).transactions.length, 0)
      yield* addMadeUpTransactions(1)
      assert.strictEqual((yield* Fiber.join(waiting)).transactions.length, 1)
    }).pipe(Effect.provide(serving()))
  )

  it.live("with a longpollid waits for a transaction", () =>
    Effect.gen(function* () {
      const { addMadeUpTransactions } = yield* DevNode
      const { longpollid } = yield* template()
      const waiting = yield* Effect.forkChild(template({ longpollid }), { startImmediately: true })
      yield* addMadeUpTransactions(2)
      assert.strictEqual((yield* Fiber.join(waiting)).transactions.length, 2)
    }).pipe(Effect.provide(serving()))
  )

  it.live("checks a proposal", () =>
    Effect.gen(function* () {
      const propose = (data: string) => result("getblocktemplate", [{ mode: "proposal", data }])
      const data = yield* blockHex
      const changed = Buffer.from(data, "hex")
      changed[4]! ^= 1
      assert.isNull(yield* propose(data))
      assert.isNull(yield* propose(`${data}00`))
      assert.strictEqual(yield* propose(changed.toString("hex")), "inconclusive-not-best-prevblk")
      assert.strictEqual(yield* result("getblockcount"), 0)
    }).pipe(Effect.provide(serving()))
  )
})

describe("a node that could be on the main network", () => {
  it.live("gives no templates without peers or during the initial download, with Core's errors", () =>
    Effect.gen(function* () {
      const { state } = yield* DevNode
      const ask = post({ id: 1, method: "getblocktemplate", params: [{ rules: ["segwit"] }] })
      const info = Effect.map(post({ id: 1, method: "getblockchaininfo" }), ({ text }) => {
        const { result } = JSON.parse(text) as { readonly result: Readonly<Record<string, unknown>> }
        return [result["initialblockdownload"], result["headers"], result["verificationprogress"]]
      })
      assert.strictEqual((yield* ask).status, 200)
      state.setCondition({ isConnected: false })
      const alone = yield* ask
      assert.strictEqual(alone.status, 500)
      assert.include(alone.text, '"error":{"code":-9,"message":"Bitcoin Core is not connected!"}')
      state.setCondition({ isDownloading: true, headersAhead: 3 })
      const downloading = yield* ask
      assert.include(
        downloading.text,
        '"code":-10,"message":"Bitcoin Core is in initial sync and waiting for blocks..."'
      )
      assert.deepStrictEqual(yield* info, [true, 3, 0.25])
      state.setCondition({})
      assert.strictEqual((yield* ask).status, 200)
      assert.deepStrictEqual(yield* info, [false, 0, 1])
    }).pipe(Effect.provide(serving()))
  )
})

describe("a block", () => {
  it.live("is submitted, announced and shown in all forms", () =>
    Effect.gen(function* () {
      const { addMadeUpTransactions } = yield* DevNode
      const [txid] = yield* addMadeUpTransactions(1)
      const before = yield* result("getbestblockhash")
      const data = yield* blockHex
      // Core does not mind what follows the block.
      assert.isNull(yield* result("submitblock", [`${data}00`, "ignored"]))
      assert.strictEqual(yield* result("submitblock", { hexdata: data }), "duplicate")
      const block = parseBlock(Buffer.from(data, "hex"))
      const hash = hashToDisplay(block.hash)
      const coinbase = hashToDisplay(block.transactions[0]!.txid)
      assert.strictEqual(yield* result("getbestblockhash"), hash)
      assert.strictEqual(yield* result("getblockhash", [1]), hash)
      assert.strictEqual(yield* result("getblockcount"), 1)
      assert.strictEqual(yield* result("getblock", [hash, 0]), data)
      assert.strictEqual(yield* result("getblock", [hash, false]), data)
      assert.strictEqual(yield* result("getblock", { blockhash: hash, verbose: 0 }), data)
      assert.strictEqual(yield* result("getblock", { args: [hash], verbosity: 0 }), data)
      assert.strictEqual(yield* result("getblockheader", [hash, false]), data.slice(0, 160))
      const header = (yield* result("getblockheader", [hash])) as Record<string, unknown>
      assert.deepInclude(header, {
        hash,
        height: 1,
        confirmations: 1,
        nTx: 2,
        previousblockhash: before,
        bits: "207fffff"
      })
      assert.notProperty(header, "nextblockhash")
      assert.deepInclude(yield* result("getblock", [hash]), { ...header, tx: [coinbase, txid], weight: block.weight })
      const { tx } = (yield* result("getblock", [hash, 2])) as { tx: ReadonlyArray<Record<string, unknown>> }
      assert.deepStrictEqual(
        tx.map(({ hex, txid }) => ({ hex, txid })),
        block.transactions.map(({ bytes, txid }) => ({
          hex: Buffer.from(bytes).toString("hex"),
          txid: hashToDisplay(txid)
        }))
      )
      assert.deepInclude(yield* result("getblockheader", [before]), { confirmations: 2, nextblockhash: hash })
      assert.notProperty(yield* result("getblockheader", [before]), "previousblockhash")
    }).pipe(Effect.provide(serving()))
  )

  it.live("on a side branch is shown as such", () =>
    Effect.gen(function* () {
      const start = yield* template()
      const [first, second] = [0n, 1n].map((extranonce) => Buffer.from(solveTemplate(start, { extranonce })!))
      assert.isNull(yield* result("submitblock", [first!.toString("hex")]))
      assert.strictEqual(yield* result("submitblock", [second!.toString("hex")]), "inconclusive")
      const hash = hashToDisplay(parseBlock(second!).hash)
      assert.deepInclude(yield* result("getblockheader", [hash]), { height: 1, confirmations: -1 })
      assert.deepInclude(((yield* result("getchaintips")) as ReadonlyArray<unknown>)[1], {
        hash,
        branchlen: 1,
        status: "valid-headers"
      })
    }).pipe(Effect.provide(serving()))
  )

  it.live("that is deep in the chain has lost its transactions", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) assert.isNull(yield* result("submitblock", [yield* blockHex]))
      const { error } = yield* call("getblock", [yield* result("getblockhash", [1])])
      assert.deepStrictEqual(error, { code: -1, message: "Block not available (pruned data)" })
      assert.deepInclude(yield* result("getblockchaininfo"), { pruned: true, pruneheight: 2 })
    }).pipe(
      Effect.provide(
        JsonRpcServer.layer({ port: 0, user, password }).pipe(
          Layer.provideMerge(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0, keepBlocks: 1 }))
        )
      )
    )
  )

  it.live("of four megabytes is accepted", () =>
    Effect.gen(function* () {
      // As long as a block may be; what it lacks is proof of work.
      assert.strictEqual(yield* result("submitblock", ["00".repeat(4_000_000)]), "high-hash")
    }).pipe(Effect.provide(serving()))
  )
})

describe("the node's own information", () => {
  it.live("names the chain regtest", () =>
    Effect.gen(function* () {
      for (const method of ["getblockchaininfo", "getmininginfo"]) {
        assert.deepInclude(yield* result(method), { chain: "regtest", blocks: 0, bits: "207fffff" })
      }
      const { version } = (yield* result("getnetworkinfo")) as { version: number }
      assert.isAtLeast(version, 250_000)
      assert.isNumber(yield* result("uptime"))
      assert.isNumber(yield* result("getdifficulty"))
      assert.include(yield* result("help"), 'submitblock "hexdata"')
      assert.strictEqual(yield* result("help", ["constructor"]), "help: unknown command: constructor")
    }).pipe(Effect.provide(serving()))
  )

  it.live("contains the last template once there is one", () =>
    Effect.gen(function* () {
      const { addMadeUpTransactions } = yield* DevNode
      yield* addMadeUpTransactions(2)
      assert.notProperty(yield* result("getmininginfo"), "currentblockweight")
      const { transactions } = yield* template()
      assert.deepInclude(yield* result("getmininginfo"), {
        currentblockweight: transactions.reduce((total, { weight }) => total + weight, 8_000),
        currentblocktx: 2
      })
    }).pipe(Effect.provide(serving()))
  )

  it.live("shows the mempool in all forms", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const parent = buildPayment({ seed: 1 })
      const child = buildPayment({ seed: 2, txid: parent.txid.toReversed() })
      yield* node.addTransaction(parent.bytes, 1_000n)
      yield* node.addTransaction(child.bytes, 500n)
      const [a, b] = [parent, child].map(({ txid }) => display(txid)) as [string, string]
      assert.deepStrictEqual(yield* result("getrawmempool"), [a, b])
      assert.deepStrictEqual(yield* result("getrawmempool", [false, true]), { txids: [a, b], mempool_sequence: 3 })
      const verbose = (yield* result("getrawmempool", [true])) as Record<string, Record<string, unknown>>
      assert.deepInclude(verbose[a], { depends: [], spentby: [b], descendantcount: 2, ancestorcount: 1 })
      assert.deepInclude(verbose[b], { depends: [a], spentby: [], descendantcount: 1, ancestorcount: 2 })
      assert.deepStrictEqual(verbose[b]!["fees"], {
        base: 0.000005,
        modified: 0.000005,
        ancestor: 0.000015,
        descendant: 0.000005
      })
      assert.deepStrictEqual(yield* result("getmempoolentry", [a]), verbose[a])
    }).pipe(Effect.provide(serving()))
  )
})

describe("NodeRpc over HTTP", () => {
  it.live("cannot distinguish the development node from Bitcoin Core", () =>
    Effect.gen(function* () {
      const { url } = yield* JsonRpcServer
      const node = yield* DevNode
      yield* node.addMadeUpTransactions(5)
      yield* Effect.gen(function* () {
        const rpc = yield* NodeRpc
        const template = yield* rpc.getBlockTemplate()
        assert.strictEqual(template.transactions.length, 5)
        const txids = [...template.transactions.map(({ txid }) => txid), "00".repeat(32)]
        assert.sameMembers([...(yield* rpc.getRawMempool), "00".repeat(32)], txids)
        assert.deepStrictEqual(
          (yield* rpc.getRawTransactions(txids)).map((bytes) => bytes && Buffer.from(bytes).toString("hex")),
          [...template.transactions.map(({ data }) => data), undefined]
        )
        const unsolved = solveTemplate(template)!.slice()
        unsolved[76]! ^= 0xff
        assert.isNull(yield* rpc.proposeBlock(unsolved))
        unsolved[40]! ^= 1
        assert.strictEqual(yield* rpc.proposeBlock(unsolved), "bad-txnmrklroot")
        assert.isNull(yield* rpc.submitBlock(solveTemplate(template)!))
        const hash = yield* rpc.getBestBlockHash
        assert.strictEqual((yield* rpc.getBlock(hash)).tx.length, 6)
        assert.strictEqual((yield* rpc.getBlockHeader(hash)).height, 1)
        assert.deepInclude(yield* rpc.getBlockchainInfo, { chain: "regtest", blocks: 1 })
        assert.strictEqual((yield* rpc.getMiningInfo).blocks, 1)
        assert.deepStrictEqual(yield* rpc.getRawMempool, [])
        const error = yield* Effect.flip(rpc.getBlockHeader("00".repeat(32)))
        assert.deepInclude(error.reason, { _tag: "NodeRefused", code: -5 })
        assert.isNull(yield* rpc.submitBlock(solveTemplate(yield* rpc.getBlockTemplate())!))
        const tip = yield* rpc.getBestBlockHash
        const inMemory = yield* NodeRpc.pipe(Effect.provide(DevNode.nodeRpc))
        const hashesOf = ({ getBlockHeaders }: typeof rpc) =>
          Effect.map(getBlockHeaders(tip, 11), (headers) => headers.map(({ hash }) => hash))
        assert.strictEqual((yield* hashesOf(rpc)).length, 3)
        assert.deepStrictEqual(yield* hashesOf(rpc), yield* hashesOf(inMemory))
        const { blockchain, network, zmq } = yield* rpc.getNodeStatus
        assert.strictEqual(blockchain.blocks, 2)
        assert.deepStrictEqual([network._tag, zmq._tag], ["Success", "Success"])
      }).pipe(Effect.provide(NodeRpcHttp.layer({ url, credentials: { _tag: "Password", user, password } })))
    }).pipe(Effect.provide(serving()))
  )
})

describe("a cookie file", () => {
  const cookieFile = join(mkdtempSync(join(tmpdir(), "dev-node-")), ".cookie")

  it.live("authenticates its reader, is readable only by its owner, and is removed with the server", () =>
    Effect.gen(function* () {
      writeFileSync(cookieFile, "old", { mode: 0o644 })
      yield* Effect.gen(function* () {
        const { url } = yield* JsonRpcServer
        assert.match(readFileSync(cookieFile, "utf8"), /^__cookie__:[0-9a-f]{64}$/)
        assert.strictEqual(statSync(cookieFile).mode & 0o777, 0o600)
        const info = yield* NodeRpc.use((rpc) => rpc.getBlockchainInfo).pipe(
          Effect.provide(NodeRpcHttp.layer({ url, credentials: { _tag: "Cookie", path: cookieFile } }))
        )
        assert.strictEqual(info.chain, "regtest")
        assert.strictEqual((yield* post({ method: "help" })).status, 401)
      }).pipe(Effect.provide(serving({ user: undefined, password: undefined, cookieFile })))
      assert.isFalse(existsSync(cookieFile))
    })
  )
})

describe("starting and stopping", () => {
  const failure = (options: Partial<JsonRpcServerOptions>) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(serving(options)))), ({ message }) => message)

  it.live("fails with the reason when it cannot listen", () =>
    Effect.gen(function* () {
      const blocker = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const { port } = blocker.address() as { port: number }
      assert.include(yield* failure({ port }), `cannot listen on 127.0.0.1:${port}: the port is in use`)
      assert.include(yield* failure({ host: "203.0.113.1" }), "no network interface")
      assert.include(
        yield* failure({ user: undefined, password: undefined }),
        "needs a user and a password, or a cookie"
      )
      assert.include(
        yield* failure({ cookieFile: "/nowhere/.cookie" }),
        "cannot write the cookie file /nowhere/.cookie"
      )
    })
  )

  it.live("answers waiting long polls when it stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        JsonRpcServer.layer({ port: 0, user, password }).pipe(
          Layer.provideMerge(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0 }))
        ),
        scope
      )
      const { longpollid } = yield* template().pipe(Effect.provideContext(context))
      const waiting = yield* call("getblocktemplate", [{ rules: ["segwit"], longpollid }]).pipe(
        Effect.provideContext(context),
        Effect.forkChild({ startImmediately: true })
      )
      // A further answer shows that the long poll, which was sent before it, is there.
      yield* result("getblockcount").pipe(Effect.provideContext(context))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* Fiber.join(waiting)).error, { code: -9, message: "Shutting down" })
    })
  )

  it.live("does not wait for silent connections", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.gen(function* () {
        const { port } = yield* JsonRpcServer
        const closed = yield* Deferred.make<void>()
        const socket = connectSocket(port, "127.0.0.1", () => socket.write("POST / HTTP/1.1\r\ncontent-"))
        socket.on("error", () => {})
        socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        yield* result("getblockcount")
        return closed
      }).pipe(Effect.provide(serving()))
      yield* Deferred.await(closed)
    })
  )
})
