/**
 * The JSON-RPC methods of a development node: a part of Bitcoin Core's, with Core's parameters, error codes and messages, which
 * programs and people rely on.
 */
import { Clock, Effect, Predicate, Result } from "effect"
import {
  blockchainInfo,
  blockDetails,
  blockHeaderInfo,
  blockInfo,
  chainTips,
  difficulty,
  mempoolEntryInfo,
  miningInfo
} from "./chain-report.ts"
import type { DevNodeCalls } from "../dev-node-calls.ts"
import { JsonRpcCode, JsonRpcError } from "./json-rpc-error.ts"
import { blockOf, blockWithTransactions, parseBlockHex, parseHash } from "./rpc-parameters.ts"
import { transactionReport } from "./transaction-report.ts"

/** One parameter of a method. */
interface Parameter {
  readonly name: string
  /** The accepted JSON types. Empty if the method checks the value itself. */
  readonly type: ReadonlyArray<JsonType>
  readonly required: boolean
  /** An alternative name. */
  readonly alias?: string
  /** The text for the method's usage, if it is not the name. */
  readonly shown?: string
}

type JsonType = "string" | "number" | "bool" | "object" | "array" | "null"

interface Method {
  readonly parameters: ReadonlyArray<Parameter>
  readonly run: (node: DevNodeCalls, params: ReadonlyArray<unknown>) => Effect.Effect<unknown, JsonRpcError>
}

/** The version of Bitcoin Core whose interface this is, in its own numbering (29.0). */
export const INTERFACE_VERSION = 290_000

/** Runs a method. */
export const callMethod = (
  node: DevNodeCalls,
  method: string,
  params: ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
): Effect.Effect<unknown, JsonRpcError> => {
  const found = methodOf(method)
  if (found === undefined) return fail(JsonRpcCode.methodNotFound, "Method not found")
  return Effect.flatMap(placeParameters(method, found, params), (placed) => found.run(node, placed))
}

const methodOf = (name: string): Method | undefined => (Object.hasOwn(METHODS, name) ? METHODS[name] : undefined)

const required = (name: string, ...type: ReadonlyArray<JsonType>): Parameter => ({ name, type, required: true })
const optional = (name: string, ...type: ReadonlyArray<JsonType>): Parameter => ({ name, type, required: false })

/** A read-only method without parameters. */
const look = (run: (node: DevNodeCalls) => unknown): Method => ({
  parameters: [],
  run: (node) => Effect.sync(() => run(node))
})

/** The parameter of `getblocktemplate` in Core's usage text. */
const TEMPLATE_REQUEST =
  '{"mode":"str","capabilities":["str",...],"rules":["segwit","str",...],"longpollid":"str","data":"hex"}'

const METHODS: Readonly<Record<string, Method>> = {
  getbestblockhash: look(({ state }) => state.chain.tip.id),
  getblock: {
    parameters: [required("blockhash", "string"), { ...optional("verbosity"), alias: "verbose" }],
    run: Effect.fnUntraced(function* ({ state }, [hash, verbosity]) {
      yield* parseHash(String(hash), "blockhash")
      const level = typeof verbosity === "boolean" ? Number(verbosity) : yield* parseInt32(verbosity ?? 1)
      const { block, entry } = yield* blockWithTransactions(state, String(hash))
      if (level <= 0) return hex(block.bytes)
      return level === 1 ? blockInfo(state, entry, block) : blockDetails(state, entry, block)
    })
  },
  getblockchaininfo: look(({ state }) => blockchainInfo(state)),
  getblockcount: look(({ state }) => state.chain.tip.height),
  getblockhash: {
    parameters: [required("height", "number")],
    run: ({ state }, [height]) => {
      return Effect.flatMap(parseInt32(height), (at) => {
        const block = state.chain.at(at)
        return block === undefined ? fail(JsonRpcCode.parameter, "Block height out of range") : Effect.succeed(block.id)
      })
    }
  },
  getblockheader: {
    parameters: [required("blockhash", "string"), optional("verbose", "bool")],
    run: ({ state }, [hash, verbose]) =>
      Effect.map(blockOf(state, String(hash), "hash"), (block) =>
        verbose === false ? hex(block.headerBytes) : blockHeaderInfo(state, block)
      )
  },
  getblocktemplate: {
    parameters: [{ ...required("template_request", "object"), shown: TEMPLATE_REQUEST }],
    run: (node, [request]) => getBlockTemplate(node, Predicate.isObject(request) ? { ...request } : {})
  },
  getchaintips: look(({ state }) => chainTips(state)),
  getdifficulty: look(({ state }) => difficulty(state.chain.tip.header.bits)),
  getmempoolentry: {
    parameters: [required("txid", "string")],
    run: ({ state }, [txid]) =>
      Effect.flatMap(parseHash(String(txid), "txid"), (id) => {
        const entry = state.mempool.get(id)
        return entry === undefined
          ? fail(JsonRpcCode.addressOrKey, "Transaction not in mempool")
          : Effect.succeed(mempoolEntryInfo(state.mempool, entry))
      })
  },
  getmininginfo: look(({ state }) => miningInfo(state)),
  getnetworkinfo: look(() => NETWORK_INFO),
  getrawmempool: {
    parameters: [optional("verbose", "bool"), optional("mempool_sequence", "bool")],
    run: ({ state: { mempool } }, [verbose, sequence]) => {
      const entries = [...mempool.entries()]
      const txids = entries.map(({ txid }) => txid)
      if (verbose !== true) {
        return Effect.succeed(sequence === true ? { txids, mempool_sequence: Number(mempool.sequence) } : txids)
      }
      if (sequence === true) {
        return fail(JsonRpcCode.parameter, "Verbose results cannot contain mempool sequence values.")
      }
      return Effect.sync(() => Object.fromEntries(entries.map((each) => [each.txid, mempoolEntryInfo(mempool, each)])))
    }
  },
  getrawtransaction: {
    parameters: [required("txid", "string"), { ...optional("verbosity"), alias: "verbose" }],
    run: Effect.fnUntraced(function* ({ state: { mempool } }, [txid, verbosity]) {
      const entry = mempool.get(yield* parseHash(String(txid), "parameter 1"))
      if (entry === undefined) {
        const message =
          "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries. " +
          "Use gettransaction for wallet transactions."
        return yield* fail(JsonRpcCode.addressOrKey, message)
      }
      const level = typeof verbosity === "boolean" ? Number(verbosity) : yield* parseInt32(verbosity ?? 0)
      return level <= 0 ? hex(entry.transaction.bytes) : transactionReport(entry.transaction, undefined)
    })
  },
  getzmqnotifications: { parameters: [], run: (node) => node.advertised },
  help: {
    parameters: [optional("command", "string")],
    run: (_, [command]) => {
      if (command === undefined) return Effect.sync(() => Object.entries(METHODS).map(usage).toSorted().join("\n"))
      const found = methodOf(String(command))
      return Effect.succeed(
        found === undefined ? `help: unknown command: ${String(command)}` : usage([String(command), found])
      )
    }
  },
  submitblock: {
    parameters: [required("hexdata", "string"), optional("dummy", "string")],
    run: (node, [data]) => Effect.flatMap(parseBlockHex(String(data)), (bytes) => blockVerdict(node.submitBlock(bytes)))
  },
  uptime: {
    parameters: [],
    run: (node) => Effect.map(Clock.currentTimeMillis, (now) => Math.floor(Math.max(0, now - node.startedAt) / 1000))
  }
}

const getBlockTemplate = Effect.fnUntraced(function* (node: DevNodeCalls, request: Readonly<Record<string, unknown>>) {
  const { data, longpollid, mode, rules } = request
  if (mode === "proposal") {
    if (typeof data !== "string") return yield* fail(JsonRpcCode.type, "Missing data String key for proposal")
    return yield* blockVerdict(node.proposeBlock(yield* parseBlockHex(data)))
  }
  if (mode !== undefined && mode !== null && mode !== "template") {
    return yield* fail(JsonRpcCode.parameter, "Invalid mode")
  }
  const known: ReadonlyArray<unknown> = Array.isArray(rules) ? rules : []
  for (const rule of known) if (typeof rule !== "string") return yield* wrongType(rule, "string")
  yield* checkCondition(node.state)
  if (!known.includes("segwit")) {
    return yield* fail(
      JsonRpcCode.parameter,
      'getblocktemplate must be called with the segwit rule set (call with {"rules": ["segwit"]})'
    )
  }
  // An id that is not a string waits for changes from now on.
  const { chain, mempool } = node.state
  const now = (longpollid ?? undefined) === undefined ? undefined : `${chain.tip.id}${mempool.updates}`
  return yield* node.getBlockTemplate({ longPollId: typeof longpollid === "string" ? longpollid : now })
})

/** Fails without peers or during initial download, as Core does on networks that are not for tests. */
export const checkCondition = ({ condition }: DevNodeCalls["state"]): Effect.Effect<void, JsonRpcError> => {
  if (!condition.isConnected) return fail(JsonRpcCode.notConnected, "Bitcoin Core is not connected!")
  return condition.isDownloading
    ? fail(JsonRpcCode.initialDownload, "Bitcoin Core is in initial sync and waiting for blocks...")
    : Effect.void
}

const blockVerdict = <A>(verdict: Effect.Effect<A, unknown>): Effect.Effect<A, JsonRpcError> =>
  Effect.mapError(
    verdict,
    () => new JsonRpcError({ code: JsonRpcCode.deserialization, message: "Block decode failed" })
  )

/** `getnetworkinfo`: a development node has no network. */
export const NETWORK_INFO = {
  version: INTERFACE_VERSION,
  subversion: "/Sluice development node:0.1.0/",
  protocolversion: 70016,
  localservices: "0000000000000000",
  localservicesnames: [],
  localrelay: false,
  timeoffset: 0,
  networkactive: false,
  connections: 0,
  connections_in: 0,
  connections_out: 0,
  networks: [],
  relayfee: 0,
  incrementalfee: 0,
  localaddresses: [],
  warnings: []
}

/** Sorts parameters by position and checks them. Missing or null parameters become `undefined`. */
const placeParameters = (
  method: string,
  { parameters }: Method,
  params: ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
): Effect.Effect<ReadonlyArray<unknown>, JsonRpcError> => {
  const placed = Array.isArray(params)
    ? Result.succeed(params as ReadonlyArray<unknown>)
    : placeNamed(parameters, params as Readonly<Record<string, unknown>>)
  if (Result.isFailure(placed)) return fail(JsonRpcCode.parameter, placed.failure)
  const values = placed.success
  if (values.length < parameters.filter(({ required }) => required).length || values.length > parameters.length) {
    return fail(JsonRpcCode.miscellaneous, usage([method, { parameters }]))
  }
  const wrong: Record<string, string> = {}
  parameters.forEach(({ name, required, type }, index) => {
    const value = values[index] ?? null
    if (type.length === 0 || (value === null && !required) || type.includes(jsonType(value))) return
    wrong[`Position ${index + 1} (${name})`] =
      `JSON value of type ${jsonType(value)} is not of expected type ${type.join(" or ")}`
  })
  if (Object.keys(wrong).length > 0) {
    return fail(JsonRpcCode.type, `Wrong type passed:\n${JSON.stringify(wrong, undefined, 4)}`)
  }
  return Effect.succeed(parameters.map((_, index) => values[index] ?? undefined))
}

/** Sorts named parameters by position, after those in `args`. Fails with the error message. */
const placeNamed = (
  parameters: ReadonlyArray<Parameter>,
  params: Readonly<Record<string, unknown>>
): Result.Result<ReadonlyArray<unknown>, string> => {
  const named = new Map(Object.entries(params))
  const args = named.get("args")
  const values: Array<unknown> = Array.isArray(args) ? [...(args as ReadonlyArray<unknown>)] : []
  const byPosition = values.length
  named.delete("args")
  for (const [index, { alias, name }] of parameters.entries()) {
    const key = alias !== undefined && !named.has(name) ? alias : name
    if (!named.has(key)) continue
    if (index < byPosition) {
      return Result.fail(`Parameter ${name} specified twice both as positional and named argument`)
    }
    while (values.length < index) values.push(null)
    values.push(named.get(key))
    named.delete(key)
  }
  const [unknown] = named.keys()
  return unknown === undefined ? Result.succeed(values) : Result.fail(`Unknown named parameter ${unknown.slice(0, 80)}`)
}

const parseInt32 = (value: unknown): Effect.Effect<number, JsonRpcError> => {
  if (typeof value !== "number") return wrongType(value, "number")
  return value === (value | 0) ? Effect.succeed(value) : fail(JsonRpcCode.miscellaneous, "JSON integer out of range")
}

const wrongType = (value: unknown, expected: JsonType): Effect.Effect<never, JsonRpcError> =>
  fail(JsonRpcCode.type, `JSON value of type ${jsonType(value)} is not of expected type ${expected}`)

const jsonType = (value: unknown): JsonType => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "array"
  return typeof value === "boolean"
    ? "bool"
    : typeof value === "number"
      ? "number"
      : typeof value === "string"
        ? "string"
        : "object"
}

/** A method's usage, such as `getblock "blockhash" ( verbosity )`. The required parameters come first. */
const usage = ([method, { parameters }]: readonly [string, Pick<Method, "parameters">]): string => {
  const show = ({ name, shown, type }: Parameter): string => shown ?? (type[0] === "string" ? `"${name}"` : name)
  const optionals = parameters.filter(({ required }) => !required).map(show)
  const group = optionals.length === 0 ? [] : ["(", ...optionals, ")"]
  return [method, ...parameters.filter(({ required }) => required).map(show), ...group].join(" ")
}

const fail = (code: number, message: string): Effect.Effect<never, JsonRpcError> =>
  Effect.fail(new JsonRpcError({ code, message }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
