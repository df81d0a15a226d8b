/**
 * What a template provider wants to know of its node before it asks for templates, and what it tells an operator when
 * something is not as it should be: each in a sentence that says what to do.
 */
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
  /** Told which chain it is. */
  readonly onChain: (chain: string) => void
}

/** The oldest Bitcoin Core that this is tried with, in its own numbering. */
const OLDEST_VERSION = 250_000

/** The node answers, and is on the right chain. Says once what else is worth knowing. */
export const makeNodeCheck = ({ chain: expected, notifications, onChain, rpc }: NodeCheckOptions) => {
  let isTold = false
  return Effect.gen(function* () {
    const { blockchain, network, zmq } = yield* rpc.getNodeStatus
    const { chain } = blockchain
    if (expected !== undefined && chain !== expected) {
      const reason = new NodeWrongChain({ actual: chain, expected })
      return yield* new NodeRpcError({ node: "", method: "getblockchaininfo", reason })
    }
    onChain(chain)
    if (isTold) return
    isTold = true
    yield* tellVersion(network)
    yield* tellAnnouncements(zmq, notifications)
  })
}

const tellVersion = (network: NodeStatus["network"]) =>
  Result.match(network, {
    onFailure: ({ message }) => Effect.logInfo(`The node does not say what it is (${message})`),
    onSuccess: ({ subversion, version }) =>
      version < OLDEST_VERSION && /Satoshi/.test(subversion)
        ? Effect.logWarning(`The node is ${subversion}; Bitcoin Core 25 is the oldest that is known to work`)
        : Effect.logInfo(`The node is ${subversion}`)
  })

/** Whether the node publishes what tells of new blocks. */
const tellAnnouncements = (zmq: NodeStatus["zmq"], { endpoints = [] }: NodeNotificationsStream) => {
  if (endpoints.length === 0) {
    return Effect.logInfo("Without ZMQ new blocks are noticed by long polling, which is slower")
  }
  const lines = `zmqpubhashblock=${endpoints[0]} and zmqpubsequence=${endpoints[0]}`
  return Result.match(zmq, {
    onFailure: ({ message, reason }) =>
      reason._tag === "NodeMethodUnknown"
        ? Effect.logWarning(`The node has no ZMQ, or hides it: ${message}. New blocks are noticed by long polling`)
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

/** Says which ZMQ endpoints are still not connected, once, a while after the start. */
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

/** What to tell of a failed call: where the node is not ready, how far it is. */
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
/** A ZMQ connection on the same network takes a moment, and five seconds more where it has to be tried again. */
const CONNECT_MS = 15_000
