/** Finds Bitcoin Core on this machine, and asks a node what the programs need to know of it. */
import { type NodeCredentials, type NodeRpcError, NodeRpcHttp, NodeRpc } from "@sluice/node"
import { Effect, FileSystem, Redacted, Result } from "effect"
import { join } from "node:path"
import { chainPlaces, dataFolders, type Machine, parseBitcoinConf, settingOf } from "./bitcoin-folder.ts"

/** A node that may run: its address and login. */
export interface NodePlace {
  readonly url: string
  readonly credentials: NodeCredentials
  /** Its bitcoin.conf, if it is known where that is. */
  readonly conf?: string
}

/** A node that answers. */
export interface FoundNode extends NodePlace {
  readonly chain: string
  /** As 29.0, or as the node names itself. */
  readonly version: string
  readonly blocks: number
  readonly headers: number
  readonly isDownloading: boolean
  /** Endpoints to subscribe to; empty if the node does not announce blocks. */
  readonly zmq: ReadonlyArray<string>
  /** The announcements that are missing, as settings: zmqpubhashblock. */
  readonly missingZmq: ReadonlyArray<string>
  /** Whether the node was built with ZMQ. */
  readonly canZmq: boolean
  /** Why the node gives no template now, if it does not. */
  readonly noTemplate: string | undefined
}

/**
 * The nodes that may run on this machine: those with a cookie file, or with a user and a password in bitcoin.conf. And the data folders
 * that this user may not read.
 */
export const findPlaces = Effect.fn("Init.findPlaces")(function* (
  machine: Machine,
  folder: string | undefined,
  chain: string | undefined
) {
  const fs = yield* FileSystem.FileSystem
  const places: Array<NodePlace> = []
  const forbidden = new Set<string>()
  for (const data of folder === undefined ? dataFolders(machine) : [folder]) {
    const exists = (path: string) =>
      Effect.catch(fs.exists(path), ({ reason }) => {
        if (reason._tag === "PermissionDenied") forbidden.add(data)
        return Effect.succeed(false)
      })
    if (!(yield* exists(data))) continue
    const file = join(data, "bitcoin.conf")
    const conf = parseBitcoinConf(yield* Effect.orElseSucceed(fs.readFileString(file), () => ""))
    for (const place of chainPlaces) {
      if (chain !== undefined && place.chain !== chain) continue
      const setting = (key: string) => settingOf(conf, place.chain, key)
      const chainFolder = join(setting("datadir") ?? data, place.folder)
      const url = `http://127.0.0.1:${setting("rpcport") ?? place.rpcPort}`
      const cookie = join(chainFolder, setting("rpccookiefile") ?? ".cookie")
      const user = setting("rpcuser")
      const password = setting("rpcpassword")
      if (user !== undefined && password !== undefined) {
        if (!(yield* exists(join(chainFolder, "blocks")))) continue
        places.push({ url, conf: file, credentials: { _tag: "Password", user, password: Redacted.make(password) } })
      } else if (yield* exists(cookie)) {
        places.push({ url, conf: file, credentials: { _tag: "Cookie", path: cookie } })
      }
    }
  }
  return { places, forbidden: [...forbidden] }
})

/** Asks a node for its chain, its state, its announcements and a template. */
export const lookAt = (place: NodePlace): Effect.Effect<FoundNode, NodeRpcError> =>
  Effect.gen(function* () {
    const rpc = yield* NodeRpc
    const { blockchain, network, zmq } = yield* rpc.getNodeStatus
    const template = yield* Effect.result(rpc.getBlockTemplate())
    const published = Result.getOrElse(zmq, () => [])
    const wanted = ZMQ_TOPICS.map((topic) => ({ topic, from: published.find(({ type }) => type === `pub${topic}`) }))
    const announces = published.some(({ type }) => type === "pubhashblock" || type === "pubsequence")
    const endpoints = wanted.flatMap(({ from }) => (from === undefined ? [] : [reachable(from.address, place.url)]))
    return {
      ...place,
      chain: blockchain.chain,
      version: Result.match(network, { onFailure: () => "of an unknown version", onSuccess: versionOf }),
      blocks: blockchain.blocks,
      headers: blockchain.headers,
      isDownloading: blockchain.initialblockdownload === true,
      zmq: announces ? [...new Set(endpoints)] : [],
      missingZmq: wanted.flatMap(({ topic, from }) => (from === undefined ? [`zmqpub${topic}`] : [])),
      canZmq: Result.isSuccess(zmq),
      noTemplate: Result.match(template, { onSuccess: () => undefined, onFailure: ({ message }) => message })
    }
  }).pipe(Effect.provide(NodeRpcHttp.layer({ url: place.url, credentials: place.credentials, timeout: "10 seconds" })))

/** What the template provider subscribes to. */
const ZMQ_TOPICS = ["hashblock", "rawblock", "sequence"]

const versionOf = ({ subversion }: { readonly subversion: string }): string =>
  /^\/Satoshi:([0-9.]+)/.exec(subversion)?.[1] ?? subversion

/** An endpoint to connect to: a node that publishes at every address of its machine is reached at the host of its RPC. */
const reachable = (endpoint: string, url: string): string =>
  endpoint.replace(/^tcp:\/\/(\*|0\.0\.0\.0|\[::\]):/, `tcp://${new URL(url).hostname}:`)

/** The lines for bitcoin.conf that make a node announce its blocks: at the endpoint that it has already, if it has one. */
export const zmqLines = ({ missingZmq, zmq }: Pick<FoundNode, "missingZmq" | "zmq">): ReadonlyArray<string> =>
  missingZmq.map((setting) => `${setting}=${zmq[0] ?? "tcp://127.0.0.1:28332"}`)
