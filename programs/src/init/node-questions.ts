/** The questions about the Bitcoin node: which one it is, and whether it announces its blocks. */
import { Effect, type FileSystem, Redacted } from "effect"
import { homedir } from "node:os"
import type { ProgramError } from "../command/report.ts"
import type { Source } from "./answers.ts"
import { Asker, refuse } from "./asker.ts"
import { dataFolders } from "./bitcoin-folder.ts"
import type { AnswerName } from "./config.ts"
import { findPlaces, type FoundNode, lookAt, type NodePlace, zmqLines } from "./find-node.ts"
import { type Ask, type Asking, type Beginning, isValid, listOf, raw } from "./ask.ts"

export type FoundSource =
  | { readonly _tag: "Node"; readonly node: FoundNode }
  | Extract<Source, { readonly _tag: "Provider" }>

/** Finds the node and asks what cannot be found. Looks again as often as the person wants. */
export const askForNode = Effect.fn("Init.askForNode")(function* (
  { config, given }: Beginning,
  ask: Ask
): Effect.fn.Return<FoundSource, ProgramError, Asker | FileSystem.FileSystem> {
  if (config.templateProvider !== undefined) return { _tag: "Provider", urls: listOf(raw(given, "template-provider")!) }
  const asker = yield* Asker
  let place = placeOf(config)
  for (;;) {
    const found = place === undefined ? yield* search(config) : [yield* look(place)]
    const nodes = found.flatMap((each) => ("node" in each ? [each.node] : []))
    const node = nodes.length > 1 ? yield* chooseNode(nodes) : nodes[0]
    if (node !== undefined) {
      yield* asker.say(describe(node))
      if (!(yield* isToLookAgain(node))) return { _tag: "Node", node }
      continue
    }
    const problem = problemOf(
      found.flatMap((each) => ("problem" in each ? [each.problem] : [])),
      config.bitcoinFolder
    )
    if (!asker.isPerson) return yield* refuse(problem)
    yield* asker.say(problem)
    const next = yield* asker.choose({
      name: undefined,
      message: "Where is the node?",
      choices: [
        { title: "Look again", value: "again", description: "after you have started it" },
        { title: "Type its address", value: "address" },
        { title: "Use a template provider that runs already", value: "provider" }
      ],
      hasDefault: false
    })
    if (next === "provider") {
      const url = yield* ask({
        name: "template-provider",
        message: "Address of the template provider (stratum2+tcp://HOST:PORT/KEY)"
      })
      return { _tag: "Provider", urls: listOf(url) }
    }
    if (next === "address") place = yield* askForPlace
  }
})

type Seen = { readonly node: FoundNode } | { readonly problem: string }

const look = (place: NodePlace): Effect.Effect<Seen> =>
  Effect.match(lookAt(place), {
    onSuccess: (node) => ({ node }),
    onFailure: ({ reason }) => ({ problem: `The node at ${place.url} ${reason.message}.` })
  })

const search = Effect.fnUntraced(function* ({ bitcoinFolder, chain }: Beginning["config"]) {
  const { forbidden, places } = yield* findPlaces(machine(), bitcoinFolder, chain)
  const seen = yield* Effect.forEach(places, look, { concurrency: 4 })
  return [...seen, ...forbidden.map((path): Seen => ({ problem: forbiddenProblem(path) }))]
})

const forbiddenProblem = (path: string): string =>
  `A Bitcoin node keeps its data in ${path}, where you may not read: set rpccookieperms=group in its bitcoin.conf and ` +
  "join its group, or give --node-rpc-url with a user and a password"

const machine = () => ({ platform: process.platform, home: homedir(), environment: process.env })

const problemOf = (problems: ReadonlyArray<string>, folder: string | undefined): string => {
  if (problems.length > 0) return problems.join("\n")
  const looked = (folder === undefined ? dataFolders(machine()) : [folder]).join(", ")
  return (
    `No Bitcoin Core runs on this machine (looked in ${looked}): start it, with the line server=1 in bitcoin.conf, ` +
    "or give --bitcoin-folder, or --node-rpc-url with --node-rpc-cookie"
  )
}

const chooseNode = (nodes: ReadonlyArray<FoundNode>) =>
  Effect.flatMap(Asker, (asker) =>
    asker.choose({
      name: undefined,
      message: "Several nodes run here (--chain chooses one). Which one?",
      choices: nodes.map((node) => ({ title: `${node.chain}, block ${node.blocks}, ${node.url}`, value: node })),
      hasDefault: false
    })
  )

/** The node that flags describe, if they do. */
const placeOf = (config: Beginning["config"]): NodePlace | undefined => {
  const { nodeRpcCookie, nodeRpcPassword, nodeRpcUrl: url, nodeRpcUser: user } = config
  if (url === undefined) return undefined
  if (nodeRpcCookie !== undefined) return { url, credentials: { _tag: "Cookie", path: nodeRpcCookie } }
  if (user === undefined || nodeRpcPassword === undefined) return undefined
  return { url, credentials: { _tag: "Password", user, password: nodeRpcPassword } }
}

const askForPlace: Asking<NodePlace> = Effect.gen(function* () {
  const asker = yield* Asker
  const ask = (name: AnswerName, message: string, initial?: string, isSecret = false) =>
    asker.text({ name, message, initial, isSecret, check: (text) => Effect.as(isValid(name, text), text) })
  const url = yield* ask("node-rpc-url", "Address of the node's RPC", "http://127.0.0.1:8332")
  const way = yield* asker.choose({
    name: undefined,
    message: "How does one log in there?",
    choices: [
      { title: "With its cookie file", value: "cookie", description: "the usual way on one machine" },
      { title: "With rpcuser and rpcpassword", value: "password" }
    ],
    hasDefault: true
  })
  if (way === "cookie") {
    const path = yield* ask("node-rpc-cookie", "Path of the cookie file", "")
    return { url, credentials: { _tag: "Cookie", path } }
  }
  const user = yield* ask("node-rpc-user", "rpcuser")
  const password = Redacted.make(yield* ask("node-rpc-password", "rpcpassword", undefined, true))
  return { url, credentials: { _tag: "Password", user, password } }
})

/** What was found, in sentences. */
const describe = (node: FoundNode): string => {
  const found = `Found Bitcoin Core ${node.version} at ${node.url}: chain ${node.chain}, block ${node.blocks}.`
  if (node.noTemplate === undefined) return found
  const why = node.isDownloading
    ? `It still downloads the chain${node.headers > node.blocks ? ` (of ${node.headers} blocks)` : ""}: miners get work when it is done.`
    : `It gives no work now: ${node.noTemplate}.`
  return `${found}\n${why}`
}

/** Says which lines are missing from bitcoin.conf. A person may add them, and let us look again. */
const isToLookAgain = Effect.fnUntraced(function* (node: FoundNode) {
  const asker = yield* Asker
  if (node.missingZmq.length === 0) return false
  if (!node.canZmq) {
    yield* asker.say(
      "It cannot announce new blocks (it was built without ZMQ), so miners hear of them some seconds late."
    )
    return false
  }
  const lines = zmqLines(node).map((line) => `    ${line}`)
  const conf = node.conf ?? "its bitcoin.conf"
  if (node.zmq.length > 0) {
    yield* asker.say(
      ["It announces new blocks. These lines in " + conf + " would help further:", "", ...lines, ""].join("\n")
    )
    return false
  }
  const why = "It does not announce new blocks, so miners hear of them some seconds late."
  yield* asker.say([why, `Add these lines to ${conf}, and start it again:`, "", ...lines, ""].join("\n"))
  return yield* asker.choose({
    name: undefined,
    message: "And now?",
    choices: [
      { title: "Go on without", value: false, description: "it works, and you can run this again later" },
      { title: "Look again", value: true, description: "after you have started it again" }
    ],
    hasDefault: true
  })
})
