/** The keys about the ledger that the pool and `sluice ledger` share, and what they mean. */
import type { NodeCredentials } from "@sluice/node"
import type { BlockPolicy } from "@sluice/ledger"
import { NodeRpc, NodeRpcHttp } from "@sluice/node"
import { type Layer, Result, Schema } from "effect"
import { optional } from "./key.ts"
import { fileOfAnother } from "./path.ts"
import { httpUrl, password, string, text } from "./value.ts"

/** The place of a ledger. */
export const ledgerUrl = text(
  { metavar: "sqlite:FILE", expected: "sqlite: and the path of a file, such as sqlite:pool.ledger" },
  (input) => {
    const [, path = ""] = /^sqlite:(.+)$/.exec(input) ?? []
    return path === "" ? Result.fail("") : Result.succeed(path)
  }
)

/** Keys for the node on whose chain blocks are followed. */
export const nodeRpcKeys = {
  nodeRpcUrl: optional(httpUrl, {
    description: "The URL of a Bitcoin node's JSON-RPC, to see which blocks of the ledger stay in the chain.",
    example: "http://127.0.0.1:8332"
  }),
  nodeRpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
    description: "That node's rpcuser; or give node-rpc-cookie.",
    example: "sluice"
  }),
  nodeRpcPassword: optional(password, { description: "That node's rpcpassword." }),
  nodeRpcCookie: optional(fileOfAnother("the path of the node's .cookie file", { holdsSecret: true }), {
    description: "The file to which that node writes a new user and password at each start.",
    example: "/home/bitcoin/.bitcoin/.cookie"
  })
}

export type NodeRpcConfig = Schema.Struct.Type<typeof nodeRpcKeys>

/** A check: a node that is given has credentials. */
export const hasNodeLogin = Schema.makeFilter((config: NodeRpcConfig) =>
  config.nodeRpcUrl === undefined || credentialsOf(config) !== undefined
    ? undefined
    : "node-rpc-url needs --node-rpc-user with --node-rpc-password (or --node-rpc-password-file), or --node-rpc-cookie"
)

/** The node's RPC; undefined if no node is given. */
export const nodeRpcOf = (config: NodeRpcConfig): Layer.Layer<NodeRpc> | undefined => {
  const credentials = credentialsOf(config)
  return config.nodeRpcUrl === undefined || credentials === undefined
    ? undefined
    : NodeRpcHttp.layer({ url: config.nodeRpcUrl, credentials })
}

const credentialsOf = ({ nodeRpcCookie, nodeRpcPassword, nodeRpcUser }: NodeRpcConfig): NodeCredentials | undefined => {
  if (nodeRpcUser !== undefined && nodeRpcPassword !== undefined) {
    return { _tag: "Password", user: nodeRpcUser, password: nodeRpcPassword }
  }
  return nodeRpcCookie === undefined ? undefined : { _tag: "Cookie", path: nodeRpcCookie }
}

/** The schemes that pay in the coinbase. */
export const BLOCK_SCHEMES = ["solo", "prop", "pplns", "pplns-time", "tides"] as const

/** A policy of the numbers that operators give: percent, times the network's work, minutes. */
export const blockPolicy = (
  scheme: (typeof BLOCK_SCHEMES)[number],
  numbers: { readonly fee: number; readonly window: number; readonly minutes: number }
): BlockPolicy => {
  const common = { version: 1, fee: Math.round(numbers.fee * 10_000) } as const
  switch (scheme) {
    case "pplns":
      return { ...common, scheme, window: Math.round(numbers.window * 1_000) }
    case "pplns-time":
      return { ...common, scheme, minutes: numbers.minutes }
    default:
      return { ...common, scheme }
  }
}
