/**
 * Submits found blocks to every node. While a node cannot be reached, blocks wait for it in a bounded queue, and one fiber for
 * each node tries again. While no node is reachable, a file keeps the block until a node has accepted or refused it. Each
 * node's verdict is logged with the node's name.
 */
import { type NodeRpcCalls, type NodeRpcError } from "@sluice/node"
import { makeThrottledLog } from "@sluice/transport"
import { Clock, Duration, Effect, Latch } from "effect"
import { makeBlockFiles } from "./block-files.ts"
import { BlockQueue } from "./block-queue.ts"
import { type FoundBlock, KeptBlock } from "./kept-block.ts"
import { ACCEPTED, type TemplateProviderEvent } from "../provider-event.ts"

export interface SubmitOptions {
  readonly rpc: NodeRpcCalls
  /** Where blocks are kept while no node is reachable; only in memory if undefined. */
  readonly directory: string | undefined
  readonly onVerdict: (event: TemplateProviderEvent & { readonly _tag: "BlockSubmitted" }) => Effect.Effect<void>
}

/** Queues a block that the client at address `from` found, for every node. */
export type Submit = (found: FoundBlock, from: string) => Effect.Effect<void>

/** Gives a function that submits in the background of the Scope. Blocks in files of earlier runs are submitted first. */
export const makeSubmit = Effect.fnUntraced(function* ({ directory, onVerdict, rpc }: SubmitOptions) {
  const clock = yield* Clock.Clock
  const throttled = yield* makeThrottledLog()
  const files = directory === undefined ? undefined : yield* makeBlockFiles(directory)
  const nodes = (rpc.nodes ?? [{ name: undefined, rpc }]).map(({ name, rpc }) => ({
    id: name === undefined ? {} : { node: name },
    name: name === undefined ? "The node" : `The node at ${name}`,
    rpc,
    queue: new BlockQueue<KeptBlock>(),
    filled: Latch.makeUnsafe(false),
    isAway: false
  }))
  type Node = (typeof nodes)[number]

  const keep = (found: FoundBlock, from: string, path?: string): KeptBlock =>
    new KeptBlock({ found, from, path, files, throttled, since: clock.currentTimeMillisUnsafe() })

  /** Whether no node's verdict on this block is awaited any more. */
  const isOver = (kept: KeptBlock): boolean => !nodes.some(({ queue }) => queue.all.includes(kept))

  const report = ({ id }: Node, { hash, height }: FoundBlock, verdict: string) =>
    onVerdict({ _tag: "BlockSubmitted", hash, height, verdict, ...id })

  const onAnswer = Effect.fnUntraced(function* (node: Node, kept: KeptBlock, verdict: string) {
    const { found, name } = kept
    node.queue.remove(kept)
    yield* verdict === ACCEPTED
      ? Effect.logInfo(`${node.name} accepted ${name}`)
      : KNOWN.has(verdict)
        ? Effect.logInfo(`${node.name} has ${name} already: ${verdict}`)
        : Effect.logWarning(`${node.name} refused ${name}: ${verdict}`)
    yield* kept.conclude
    yield* report(node, found, verdict)
  })

  /** The node will not be asked about this block again. */
  const giveUp = Effect.fnUntraced(function* (node: Node, kept: KeptBlock, { message, reason }: NodeRpcError) {
    const { found, name, path } = kept
    node.queue.remove(kept)
    if (kept.isConcluded) yield* Effect.logWarning(`${node.name} did not get ${name}: ${message}`)
    else if (path !== undefined) yield* Effect.logError(`Gave up ${name}, which stays in ${path}: ${message}`)
    else if (isOver(kept)) yield* Effect.logError(`Lost ${name}: ${message}`, { block: found.block })
    else yield* Effect.logError(`${node.name} did not get ${name}: ${message}`)
    yield* report(node, found, reason._tag)
  })

  /** Tries the blocks that wait for this node, one at a time, again and again while it is away. */
  const serve = Effect.fnUntraced(function* (node: Node) {
    const { filled, queue, rpc } = node
    let delay = FIRST_DELAY_MS
    let logged = { message: "", at: 0 }
    while (true) {
      const kept = queue.first
      if (kept === undefined) {
        filled.closeUnsafe()
        yield* filled.await
        continue
      }
      const outcome = yield* rpc
        .submitBlock(kept.found.block)
        .pipe(Effect.withSpan("TemplateProvider.submitBlock"), Effect.result)
      if (outcome._tag === "Success") {
        yield* onAnswer(node, kept, outcome.success ?? ACCEPTED)
      } else if (!isPassing(outcome.failure)) {
        yield* giveUp(node, kept, outcome.failure)
      } else {
        const { message, reason } = outcome.failure
        const now = clock.currentTimeMillisUnsafe()
        node.isAway = true
        yield* Effect.forEach(queue.all.slice(), (each) => each.save, { discard: true })
        if (files === undefined) {
          const expired = queue.all.filter(({ since }) => now - since >= GIVE_UP_MS)
          yield* Effect.forEach(expired, (each) => giveUp(node, each, outcome.failure), { discard: true })
        }
        if (queue.first !== undefined && (message !== logged.message || now - logged.at >= LOG_AGAIN_MS)) {
          logged = { message, at: now }
          const count = queue.all.length === 1 ? kept.name : `${queue.all.length} blocks`
          yield* Effect.logError(`Cannot submit ${count} yet: ${message}. Trying again in ${delay / 1000} s`)
        }
        yield* Effect.sleep(Duration.millis(delay))
        if (reason._tag !== "NodeUnreachable") queue.putLast(kept)
        delay = Math.min(delay * 2, MAX_DELAY_MS)
        continue
      }
      node.isAway = false
      delay = FIRST_DELAY_MS
      logged = { message: "", at: 0 }
    }
  })

  const enqueue = Effect.fnUntraced(function* (kept: KeptBlock) {
    const gone = new Set(nodes.flatMap(({ queue }) => queue.push(kept)))
    for (const { filled } of nodes) filled.openUnsafe()
    for (const each of gone) {
      if (each.isConcluded || !isOver(each)) continue
      yield* each.drop
      const line = `Dropped ${each.name}, from ${each.from}: more blocks wait for the node than are kept`
      yield* throttled.log("dropped", line, "Error")
    }
    if (nodes.every(({ isAway }) => isAway) && !gone.has(kept)) {
      yield* kept.save
      if (kept.path === undefined)
        yield* throttled.log("waiting", `No node is reachable to take ${kept.name}: it waits`, "Warn")
    }
  })

  // Runs after the fibers that submit have ended.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      const waiting = [...new Set(nodes.flatMap(({ queue }) => queue.all))].filter(({ isConcluded }) => !isConcluded)
      yield* Effect.forEach(waiting, (kept) => kept.save, { discard: true })
      const lost = waiting.filter(({ path }) => path === undefined)
      if (waiting.length > lost.length) {
        yield* Effect.logWarning(`${waiting.length - lost.length} blocks stay in ${directory} until the next start`)
      }
      const [first] = lost
      if (first === undefined) return
      const more = lost.length > 1 ? ` and ${lost.length - 1} more` : ""
      yield* Effect.logError(`Stopping without a node's verdict on ${first.name}${more}: nothing keeps it`, {
        block: first.found.block
      })
    })
  )
  if (files !== undefined) {
    const found = yield* files.list.pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logError(`Cannot read ${directory}, where blocks are kept: ${error.message}`), [])
      )
    )
    for (const each of found) {
      const kept = keep(each, `${directory}`, directory)
      yield* Effect.logInfo(`Submitting ${kept.name}, which an earlier run kept`)
      yield* enqueue(kept)
    }
  }
  yield* Effect.forEach(nodes, (node) => Effect.forkScoped(serve(node)), { discard: true })
  const submit: Submit = (found, from) => Effect.suspend(() => enqueue(keep(found, from)))
  return submit
})

const isPassing = ({ reason }: NodeRpcError): boolean =>
  reason._tag !== "NodeRefused" && reason._tag !== "NodeMethodUnknown"

/** Verdicts of a node that had the block already. */
const KNOWN = new Set(["duplicate", "duplicate-inconclusive"])
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000
/** A failure that stays the same is logged this often. */
const LOG_AGAIN_MS = 60_000
const GIVE_UP_MS = 60 * 60 * 1_000
