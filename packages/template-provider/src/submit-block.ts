/**
 * Gives a block to every node. A block that was found is worth keeping: as long as a node cannot be reached it is tried
 * again, the block lies in a file until one has taken or refused it, and what each node says of it is logged by name.
 */
import { type BlockFiles, makeBlockFiles } from "@sluice/dev-node"
import { type NodeRpcCalls, type NodeRpcError } from "@sluice/node"
import { Duration, Effect, Scope } from "effect"
import { ACCEPTED, type TemplateProviderEvent } from "./provider-event.ts"

export interface FoundBlock {
  /** Display order. */
  readonly hash: string
  readonly height: number
  /** The whole block in hex. */
  readonly block: string
}

export interface SubmitOptions {
  readonly rpc: NodeRpcCalls
  /** Where blocks are kept that no node was there for; nowhere if undefined. */
  readonly directory: string | undefined
  readonly onVerdict: (event: TemplateProviderEvent & { readonly _tag: "BlockSubmitted" }) => void
}

/** A function that submits in the background of the Scope, and tells the verdicts. What lies in files is submitted first. */
export const makeSubmit = Effect.fnUntraced(function* ({ directory, onVerdict, rpc }: SubmitOptions) {
  const scope = yield* Scope.Scope
  const files = directory === undefined ? undefined : yield* makeBlockFiles(directory)
  const nodes = rpc.nodes ?? [{ name: undefined, rpc }]

  const submitTo = Effect.fn("TemplateProvider.submitBlock")(function* (
    { name, rpc }: (typeof nodes)[number],
    { block, hash, height }: FoundBlock,
    keep: Keep
  ) {
    const node = name === undefined ? "The node" : `The node at ${name}`
    const tell = (verdict: string) =>
      onVerdict({ _tag: "BlockSubmitted", hash, height, verdict, ...(name === undefined ? {} : { node: name }) })
    let delay = FIRST_DELAY_MS
    for (let waited = 0; ; waited += delay, delay = Math.min(delay * 2, MAX_DELAY_MS)) {
      const outcome = yield* rpc.submitBlock(block).pipe(
        Effect.map((reason) => ({ verdict: reason ?? ACCEPTED })),
        Effect.catch((error) => Effect.succeed({ error }))
      )
      if ("verdict" in outcome) {
        const { verdict } = outcome
        yield* verdict === ACCEPTED
          ? Effect.logInfo(`${node} accepted block ${height}, ${hash}`)
          : KNOWN.has(verdict)
            ? Effect.logInfo(`${node} has block ${height}, ${hash}, already: ${verdict}`)
            : Effect.logWarning(`${node} refused block ${height}, ${hash}: ${verdict}`)
        yield* keep.remove
        return tell(verdict)
      }
      const { error } = outcome
      if (!isPassing(error) || (files === undefined && waited >= GIVE_UP_MS)) {
        const kept = yield* keep.path
        yield* kept === undefined
          ? Effect.logError(`Block ${height}, ${hash}, is lost: ${error.message}`, { block })
          : Effect.logError(`Block ${height}, ${hash}, stays in ${kept}: ${error.message}`)
        return tell(error.reason._tag)
      }
      yield* keep.save
      yield* Effect.logError(`Block ${height}, ${hash}, waits: ${error.message}. Trying again in ${delay / 1000} s`)
      yield* Effect.sleep(Duration.millis(delay))
    }
  })

  const submit = (found: FoundBlock, isKept: boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      const keep = makeKeep(files, found, isKept)
      return Effect.forEach(nodes, (node) => submitTo(node, found, keep), { concurrency: "unbounded", discard: true })
    })

  if (files !== undefined) {
    const kept = yield* files.list.pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logError(`Cannot read ${directory}, where blocks are kept: ${error.message}`), [])
      )
    )
    for (const found of kept) {
      yield* Effect.logInfo(`Block ${found.height}, ${found.hash}, was kept and is submitted`)
      yield* Effect.forkIn(submit(found, true), scope)
    }
  }
  return (found: FoundBlock): Effect.Effect<void> => Effect.asVoid(Effect.forkIn(submit(found, false), scope))
})

interface Keep {
  /** Writes the file, once, unless a node has taken or refused the block already. */
  readonly save: Effect.Effect<void>
  readonly remove: Effect.Effect<void>
  /** Where the block lies, if it does. */
  readonly path: Effect.Effect<string | undefined>
}

const makeKeep = (files: BlockFiles | undefined, found: FoundBlock, isKept: boolean): Keep => {
  let path: string | undefined = isKept ? "the directory of kept blocks" : undefined
  let isDone = false
  const logged = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
    Effect.catch(effect, ({ message }) =>
      Effect.logError(`Block ${found.height}, ${found.hash}, cannot be kept in a file: ${message}`, {
        block: found.block
      })
    )
  if (files === undefined) return { save: Effect.void, remove: Effect.void, path: Effect.succeed(undefined) }
  return {
    save: Effect.suspend(() => {
      if (isDone || path !== undefined) return Effect.void
      path = "a file"
      return logged(
        Effect.flatMap(files.save(found), (saved) => {
          path = saved
          return Effect.logWarning(`Block ${found.height}, ${found.hash}, is kept in ${saved}`)
        })
      )
    }),
    remove: Effect.suspend(() => {
      isDone = true
      if (path === undefined) return Effect.void
      path = undefined
      return logged(files.remove(found))
    }),
    path: Effect.sync(() => path)
  }
}

const isPassing = ({ reason }: NodeRpcError): boolean =>
  reason._tag !== "NodeRefused" && reason._tag !== "NodeMethodUnknown"

/** Verdicts of a node that got the block from another one before. */
const KNOWN = new Set(["duplicate", "duplicate-inconclusive"])
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000
const GIVE_UP_MS = 60 * 60 * 1_000
