/**
 * Gives a block to the node. A block that was found is worth keeping: as long as the node cannot be reached it is tried
 * again, and what the node says of it is logged by name.
 */
import type { NodeRpcCalls, NodeRpcError } from "@sluice/bitcoin"
import { Duration, Effect, Scope } from "effect"
import { ACCEPTED, type TemplateProviderEvent } from "./provider-event.ts"

export interface FoundBlock {
  /** Display order. */
  readonly hash: string
  readonly height: number
  /** The whole block in hex. */
  readonly block: string
}

/** A function that submits in the background of the Scope, and tells the verdict. */
export const makeSubmit = Effect.fnUntraced(function* (
  rpc: NodeRpcCalls,
  onVerdict: (event: TemplateProviderEvent & { readonly _tag: "BlockSubmitted" }) => void
) {
  const scope = yield* Scope.Scope

  const submit = Effect.fn("TemplateProvider.submitBlock")(function* ({ block, hash, height }: FoundBlock) {
    let delay = FIRST_DELAY_MS
    for (let waited = 0; ; waited += delay, delay = Math.min(delay * 2, MAX_DELAY_MS)) {
      const outcome = yield* rpc.submitBlock(block).pipe(
        Effect.map((reason) => ({ verdict: reason ?? ACCEPTED })),
        Effect.catch((error) => Effect.succeed({ error }))
      )
      if ("verdict" in outcome) {
        const { verdict } = outcome
        yield* verdict === ACCEPTED
          ? Effect.logInfo(`The node accepted block ${height}, ${hash}`)
          : Effect.logWarning(`The node refused block ${height}, ${hash}: ${verdict}`)
        return onVerdict({ _tag: "BlockSubmitted", hash, height, verdict })
      }
      const { error } = outcome
      if (!isPassing(error) || waited >= GIVE_UP_MS) {
        yield* Effect.logError(`Block ${height}, ${hash}, is lost: ${error.message}`, { block })
        return onVerdict({ _tag: "BlockSubmitted", hash, height, verdict: error.reason._tag })
      }
      yield* Effect.logError(`Block ${height}, ${hash}, waits: ${error.message}. Trying again in ${delay / 1000} s`)
      yield* Effect.sleep(Duration.millis(delay))
    }
  })

  return (found: FoundBlock): Effect.Effect<void> => Effect.asVoid(Effect.forkIn(submit(found), scope))
})

const isPassing = ({ reason }: NodeRpcError): boolean =>
  reason._tag !== "NodeRefused" && reason._tag !== "NodeMethodUnknown"

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000
const GIVE_UP_MS = 60 * 60 * 1_000
