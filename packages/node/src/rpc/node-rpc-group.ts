/**
 * Makes one `NodeRpc` of several nodes: a call goes to the node in use, and to the others in order if that node cannot answer. Every
 * half minute it compares the nodes, and uses the first one that answers and is not behind the others.
 */
import { type Array as Arr, Clock, Effect, Layer, Option } from "effect"
import type { BlockchainInfo } from "./node-answers.ts"
import type { NodeRpcError } from "./node-rpc-error.ts"
import * as NodeRpcHttp from "./node-rpc-http.ts"
import { type NamedNode, NodeRpc, type NodeRpcCalls } from "./node-rpc.ts"

/**
 * Several nodes over HTTP as one, the preferred one first: calls go to the first that answers and is not behind the
 * others, blocks go to all. Building the layer does not contact them.
 */
export const layer = (nodes: Arr.NonEmptyReadonlyArray<NodeRpcHttp.Options>): Layer.Layer<NodeRpc> =>
  Layer.effect(
    NodeRpc,
    Effect.flatMap(
      Effect.forEach(nodes, (options) =>
        Effect.map(NodeRpcHttp.make(options), (rpc): NamedNode => ({ name: options.url, rpc }))
      ),
      make
    )
  ).pipe(Layer.provide(NodeRpcHttp.layerClient))

/** Makes the calls of a group of nodes, and compares the nodes in the background until the Scope closes. */
export const make = Effect.fnUntraced(function* (nodes: Arr.NonEmptyReadonlyArray<NamedNode>) {
  if (nodes.length === 1) return nodes[0].rpc
  const clock = yield* Clock.Clock
  let inUse: NamedNode = nodes[0]
  /** When a node fell behind, in milliseconds. */
  const behindSince = new Map<NamedNode, number>()
  /** Nodes that were found on another chain than the node in use. */
  const foreign = new Set<NamedNode>()
  /** Nodes that did not answer the last comparison. */
  const silent = new Set<NamedNode>()

  /** Logs when a node stops answering comparisons, and when it answers again. */
  const onSilent = (node: NamedNode, message: string | undefined): Effect.Effect<void> => {
    if (silent.has(node) === (message !== undefined)) return Effect.void
    if (message === undefined) {
      silent.delete(node)
      return Effect.logInfo(`The node at ${node.name} answers again`)
    }
    silent.add(node)
    return Effect.logWarning(`The node at ${node.name} does not say its height, so it is not used: ${message}`)
  }

  const use = (node: NamedNode, reason: string): Effect.Effect<void> => {
    if (node === inUse) return Effect.void
    const before = inUse.name
    inUse = node
    return Effect.logWarning(`Using the node at ${node.name} instead of ${before}: ${reason}`)
  }

  /** Returns the first answer, of the node in use or else of the others. If all fail, fails with the first failure. */
  const call =
    <A>(ask: (rpc: NodeRpcCalls) => Effect.Effect<A, NodeRpcError>, isFinal = isOfTheCall) =>
    (): Effect.Effect<A, NodeRpcError> =>
      Effect.gen(function* () {
        let first: NodeRpcError | undefined
        for (const node of [inUse, ...nodes.filter((node) => node !== inUse && !foreign.has(node))]) {
          const outcome = yield* ask(node.rpc).pipe(
            Effect.map((value) => ({ value })),
            Effect.catch((error) => Effect.succeed({ error }))
          )
          if ("value" in outcome) {
            if (first !== undefined) yield* use(node, first.message)
            return outcome.value
          }
          if (isFinal(outcome.error)) return yield* outcome.error
          first ??= outcome.error
        }
        return yield* first!
      })

  const compare = Effect.gen(function* () {
    const now = clock.currentTimeMillisUnsafe()
    const all = yield* Effect.forEach(
      nodes,
      (node) =>
        node.rpc.getBlockchainInfo.pipe(
          Effect.timeoutOption(COMPARE_TIMEOUT_MS),
          Effect.tap((info) =>
            onSilent(node, Option.isSome(info) ? undefined : `no answer within ${COMPARE_SECONDS} s`)
          ),
          Effect.catch(({ message }) => Effect.as(onSilent(node, message), Option.none<BlockchainInfo>())),
          Effect.map((info) => ({ node, info }))
        ),
      { concurrency: "unbounded" }
    )
    const chain = Option.getOrUndefined(all.find(({ node }) => node === inUse)!.info)?.chain
    const seen: Array<(typeof all)[number]> = []
    for (const each of all) {
      const other = Option.getOrUndefined(each.info)?.chain
      if (chain === undefined || other === undefined || other === chain) {
        if (other !== undefined) foreign.delete(each.node)
        seen.push(each)
      } else if (!foreign.has(each.node)) {
        foreign.add(each.node)
        yield* Effect.logWarning(
          `The node at ${each.node.name} is on chain "${other}", not on "${chain}": it is not used`
        )
      }
    }
    // If one of them does not say its work, compares the heights.
    const haveWork = seen.every(({ info }) => Option.isNone(info) || info.value.chainwork !== undefined)
    const progress = (info: Option.Option<BlockchainInfo>): string =>
      Option.match(info, {
        onNone: () => "",
        onSome: ({ blocks, chainwork = "" }) => (haveWork ? chainwork : String(blocks)).padStart(64, "0")
      })
    const most = seen
      .map(({ info }) => progress(info))
      .toSorted()
      .at(-1)!
    const usable: Array<NamedNode> = []
    for (const { info, node } of seen) {
      if (Option.isNone(info)) continue
      if (progress(info) === most) behindSince.delete(node)
      else if (!behindSince.has(node)) behindSince.set(node, now)
      if (now - (behindSince.get(node) ?? now) < MAX_BEHIND_MS) usable.push(node)
      else yield* Effect.logWarning(`The node at ${node.name} is behind the others, at block ${info.value.blocks}`)
    }
    const best = usable[0]
    if (best !== undefined)
      yield* use(best, usable.includes(inUse) ? "it is preferred" : "that node does not answer or is behind")
  })
  yield* compare.pipe(
    Effect.andThen(Effect.sleep(COMPARE_EVERY_MS)),
    Effect.forever,
    Effect.delay(FIRST_COMPARE_MS),
    Effect.forkScoped
  )

  const group: NodeRpcCalls = {
    getBlockTemplate: (request) => call((rpc) => rpc.getBlockTemplate(request))(),
    submitBlock: (block) => submitToAll(nodes, block),
    proposeBlock: (block) => call((rpc) => rpc.proposeBlock(block))(),
    getBlockchainInfo: Effect.suspend(call((rpc) => rpc.getBlockchainInfo)),
    getBestBlockHash: Effect.suspend(call((rpc) => rpc.getBestBlockHash)),
    // Another node may have announced a block that this one does not have yet.
    getBlockHeader: (hash) =>
      call(
        (rpc) => rpc.getBlockHeader(hash),
        () => false
      )(),
    getBlockHeaders: (hash, count) => call((rpc) => rpc.getBlockHeaders(hash, count))(),
    getBlock: (hash) => call((rpc) => rpc.getBlock(hash))(),
    getRawMempool: Effect.suspend(call((rpc) => rpc.getRawMempool)),
    getRawTransactions: (txids) => call((rpc) => rpc.getRawTransactions(txids))(),
    getMiningInfo: Effect.suspend(call((rpc) => rpc.getMiningInfo)),
    getNetworkInfo: Effect.suspend(call((rpc) => rpc.getNetworkInfo)),
    getZmqNotifications: Effect.suspend(call((rpc) => rpc.getZmqNotifications)),
    getNodeStatus: Effect.suspend(call((rpc) => rpc.getNodeStatus)),
    nodes
  }
  return group
})

/** Accepted if one node accepts it; otherwise the verdict of the first node. */
const submitToAll = (nodes: Arr.NonEmptyReadonlyArray<NamedNode>, block: Uint8Array | string) =>
  Effect.gen(function* () {
    const outcomes = yield* Effect.forEach(nodes, ({ rpc }) => Effect.result(rpc.submitBlock(block)), {
      concurrency: "unbounded"
    })
    const verdicts = outcomes.flatMap((outcome) => (outcome._tag === "Success" ? [outcome.success] : []))
    if (verdicts.includes(null)) return null
    return verdicts[0] ?? (yield* Effect.fromResult(outcomes[0]!))
  })

/** Whether an error is about the call and not about the node: another node would answer the same. */
const isOfTheCall = ({ reason }: NodeRpcError): boolean =>
  reason._tag === "NodeMethodUnknown" || (reason._tag === "NodeRefused" && reason.code !== -9 && reason.code !== -10)

const COMPARE_EVERY_MS = 30_000
const FIRST_COMPARE_MS = 1_000
const COMPARE_SECONDS = 10
const COMPARE_TIMEOUT_MS = COMPARE_SECONDS * 1_000
/** How long a node may be behind: a block takes a moment from one node to the other. */
const MAX_BEHIND_MS = 60_000
