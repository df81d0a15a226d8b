/** Checks the node before the first template is asked for, and logs what an operator should change, one sentence each. */
import {
  type NodeNotificationsStream,
  type NodeRpcCalls,
  NodeRpcError,
  type NodeStatus,
  NodeWrongChain
} from "@sluice/node"
import { Effect, Result } from "effect"

export interface NodeCheckOptions {
  readonly rpc: NodeRpcCalls
  readonly notifications: NodeNotificationsStream
  /** The chain that the node has to be on, as `getblockchaininfo` names it; any if undefined. */
  readonly chain: string | undefined
  /** Called with the name of the node's chain. */
  readonly onChain: (chain: string) => void
}

/** The oldest Bitcoin Core that this was tested with, in its own numbering. */
const OLDEST_VERSION = 250_000

/** Succeeds if the node answers and is on the right chain. Logs the node's version and topics, once. */
export const makeNodeCheck = ({ chain: expected, notifications, onChain, rpc }: NodeCheckOptions) => {
  let isLogged = false
  return Effect.gen(function* () {
    const { blockchain, network, zmq } = yield* rpc.getNodeStatus
    const { chain } = blockchain
    if (expected !== undefined && chain !== expected) {
      const reason = new NodeWrongChain({ actual: chain, expected })
      return yield* new NodeRpcError({ node: "", method: "getblockchaininfo", reason })
    }
    onChain(chain)
    if (isLogged) return
    isLogged = true
    yield* logVersion(network)
    yield* logAnnouncements(zmq, notifications)
  })
}

const logVersion = (network: NodeStatus["network"]) =>
  Result.match(network, {
    onFailure: ({ message }) => Effect.logInfo(`The node's version is not known (${message})`),
    onSuccess: ({ subversion, version }) =>
      version < OLDEST_VERSION && /Satoshi/.test(subversion)
        ? Effect.logWarning(`The node is ${subversion}; Bitcoin Core 25 is the oldest version known to work`)
        : Effect.logInfo(`The node is ${subversion}`)
  })

/** Logs if the node does not publish new blocks. */
const logAnnouncements = (zmq: NodeStatus["zmq"], { endpoints = [] }: NodeNotificationsStream) => {
  if (endpoints.length === 0) {
    return Effect.logInfo("Without ZMQ new blocks are noticed by long polling, which is slower")
  }
  const lines = `zmqpubhashblock=${endpoints[0]} and zmqpubsequence=${endpoints[0]}`
  return Result.match(zmq, {
    onFailure: ({ message, reason }) =>
      reason._tag === "NodeMethodUnknown"
        ? Effect.logWarning(
            `The node has no ZMQ, or does not show it: ${message}. New blocks are noticed by long polling`
          )
        : Effect.logDebug(message),
    onSuccess: (topics) => {
      const published = new Set(topics.map(({ type }) => type))
      if (published.has("pubhashblock") || published.has("pubsequence") || published.has("pubrawblock")) {
        return Effect.void
      }
      return Effect.logWarning(
        `The node publishes neither hashblock nor sequence over ZMQ: add ${lines} to bitcoin.conf and start it again. ` +
          `Until then new blocks are noticed by long polling`
      )
    }
  })
}

/** Warns of ZMQ endpoints that are still not connected, once, some seconds after the start. */
export const warnUnconnected = ({ endpoints = [], isConnected }: NodeNotificationsStream) =>
  Effect.suspend(() => {
    const silent = endpoints.filter((endpoint) => isConnected?.(endpoint) === false)
    return silent.length === 0
      ? Effect.void
      : Effect.logWarning(
          `Nothing publishes at ${silent.join(", ")}: compare with getzmqnotifications, and check that the port can be ` +
            `reached. Until then new blocks are noticed by long polling`
        )
  }).pipe(Effect.delay(CONNECT_MS))

/** The sentence to log for a failed call; for a node that still downloads the chain, with its progress. */
export const explainFailure = (rpc: NodeRpcCalls, error: NodeRpcError): Effect.Effect<string> => {
  if (error.reason._tag !== "NodeRefused") return Effect.succeed(error.message)
  if (error.reason.code === NOT_CONNECTED) {
    return Effect.succeed(`The node has no connection to other nodes yet and gives no templates (${error.message})`)
  }
  if (error.reason.code !== INITIAL_DOWNLOAD) return Effect.succeed(error.message)
  return rpc.getBlockchainInfo.pipe(
    Effect.map(({ blocks, headers, verificationprogress = blocks / Math.max(1, headers) }) => {
      const percent = (verificationprogress * 100).toFixed(2)
      return `The node is still downloading the chain: block ${blocks} of ${headers}, ${percent} %; waiting for it`
    }),
    Effect.catch(() => Effect.succeed(error.message))
  )
}

/** RPC_CLIENT_NOT_CONNECTED and RPC_CLIENT_IN_INITIAL_DOWNLOAD of Bitcoin Core. */
const NOT_CONNECTED = -9
const INITIAL_DOWNLOAD = -10
/** A ZMQ connection takes a moment, and five seconds more if it has to be tried again. */
const CONNECT_MS = 15_000
