/** The keys for a Bitcoin node that checks and gets blocks, and the services that they give. */
import { type NodeCredentials, NodeNotifications, NodeNotificationsZmq, type NodeRpc, NodeRpcHttp } from "@sluice/node"
import { Layer, type Redacted, Schema } from "effect"
import { optional } from "../config/key.ts"
import { fileOfAnother } from "../config/path.ts"
import { httpUrl, password, string, zmqEndpoints } from "../config/value.ts"

/** The key of the node's address, with what the node is for. */
export const nodeUrlKey = (description: string) => optional(httpUrl, { description, example: "http://127.0.0.1:8332" })

export const nodeKeys = {
  nodeRpcUrl: nodeUrlKey(
    "The URL of the JSON-RPC of the node that checks declared blocks. Without it clients do not declare transactions (coinbase-only mode)."
  ),
  nodeRpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
    description: "The node's rpcuser; or give node-rpc-cookie.",
    example: "sluice"
  }),
  nodeRpcPassword: optional(password, { description: "The node's rpcpassword." }),
  nodeRpcCookie: optional(fileOfAnother("the path of the node's .cookie file", { holdsSecret: true }), {
    description: "The file to which the node writes a new user and password at each start.",
    example: "/home/bitcoin/.bitcoin/.cookie"
  }),
  nodeZmq: optional(zmqEndpoints, {
    description:
      "The endpoints at which the node publishes hashblock and sequence (zmqpubhashblock, zmqpubsequence). Without them its mempool is read every five seconds.",
    example: "tcp://127.0.0.1:28332"
  })
}

export interface NodeConfig {
  readonly nodeRpcUrl?: string
  readonly nodeRpcUser?: string
  readonly nodeRpcPassword?: Redacted.Redacted
  readonly nodeRpcCookie?: string
  readonly nodeZmq?: readonly [string, ...ReadonlyArray<string>]
}

/** A check for a Schema with `nodeKeys`: the node has an address and credentials, or nothing is said of it. */
export const wholeNode = Schema.makeFilter<NodeConfig>((config) => {
  const { nodeRpcCookie, nodeRpcPassword, nodeRpcUrl, nodeRpcUser, nodeZmq } = config
  const hasPassword = nodeRpcUser !== undefined || nodeRpcPassword !== undefined
  if (nodeRpcUrl === undefined) {
    return hasPassword || nodeRpcCookie !== undefined || nodeZmq !== undefined
      ? "node-rpc-url is missing: other keys of the node are given"
      : undefined
  }
  if (nodeRpcCookie !== undefined) {
    return hasPassword ? "give node-rpc-cookie, or node-rpc-user and node-rpc-password, not both" : undefined
  }
  return nodeRpcUser !== undefined && nodeRpcPassword !== undefined
    ? undefined
    : "--node-rpc-user with --node-rpc-password (or --node-rpc-password-file), or --node-rpc-cookie is missing: the node requires credentials"
})

/** The node of the configuration; undefined if there is none. */
export const layerNode = (
  config: NodeConfig
): Layer.Layer<NodeRpc | NodeNotifications, NodeNotificationsZmq.ZmqEndpointError> | undefined => {
  const { nodeRpcUrl: url, nodeZmq } = config
  if (url === undefined) return undefined
  const zmq = nodeZmq === undefined ? NodeNotifications.layerNone : NodeNotificationsZmq.layer(nodeZmq)
  return Layer.merge(NodeRpcHttp.layer({ url, credentials: credentialsOf(config) }), zmq)
}

/** The credentials of a configuration with a node. */
export const credentialsOf = ({ nodeRpcCookie, nodeRpcPassword, nodeRpcUser }: NodeConfig): NodeCredentials =>
  nodeRpcUser !== undefined && nodeRpcPassword !== undefined
    ? { _tag: "Password", user: nodeRpcUser, password: nodeRpcPassword }
    : { _tag: "Cookie", path: nodeRpcCookie! }
