/** Submits found blocks to the node, and tries again while it is away. The client's template provider submits them too (section 6.4.9). */
import type { NodeRpcCalls, NodeRpcError } from "@sluice/node"
import { Clock, Duration, Effect, FiberSet } from "effect"
import type { FoundBlock } from "../blocks/declared-jobs.ts"

/** `verdict` is `accepted`, BIP22's reason, or why the node was not asked. */
export type OnVerdict = (block: FoundBlock, verdict: string) => void

/** Gives a function that submits in the background of the Scope. */
export const makeSubmission = Effect.fnUntraced(function* (rpc: NodeRpcCalls, onVerdict: OnVerdict) {
  const clock = yield* Clock.Clock
  const start = yield* FiberSet.makeRuntime<never, void>()
  let waiting = 0

  const attempt = (block: FoundBlock, until: number, delay: number): Effect.Effect<void> =>
    Effect.matchEffect(rpc.submitBlock(block.block), {
      onSuccess: (verdict) => conclude(block, verdict ?? ACCEPTED),
      onFailure: (error) => {
        const { message } = error
        if (!isPassing(error) || clock.currentTimeMillisUnsafe() > until) {
          return Effect.andThen(
            Effect.logError(`Lost block ${block.height}, ${block.hash}: ${message}`),
            Effect.sync(() => onVerdict(block, error.reason._tag))
          )
        }
        return Effect.logError(`Cannot submit block ${block.height}, ${block.hash} yet: ${message}`).pipe(
          Effect.andThen(Effect.sleep(delay)),
          Effect.andThen(Effect.suspend(() => attempt(block, until, Math.min(2 * delay, MAX_DELAY_MS))))
        )
      }
    })

  const conclude = (block: FoundBlock, verdict: string): Effect.Effect<void> => {
    onVerdict(block, verdict)
    const name = `block ${block.height}, ${block.hash}`
    if (verdict === ACCEPTED) return Effect.logInfo(`The node accepted ${name}, of a declared job`)
    return KNOWN.has(verdict)
      ? Effect.logInfo(`The node has ${name} already: ${verdict}`)
      : Effect.logWarning(`The node refused ${name}: ${verdict}`)
  }

  return (block: FoundBlock): void => {
    if (waiting >= MAX_WAITING) {
      start(Effect.logError(`Dropped block ${block.height}, ${block.hash}: ${waiting} blocks wait for the node`))
      return
    }
    waiting++
    const submitting = attempt(block, clock.currentTimeMillisUnsafe() + GIVE_UP_MS, FIRST_DELAY_MS)
    start(
      Effect.ensuring(
        submitting,
        Effect.sync(() => void waiting--)
      )
    )
  }
})

const isPassing = ({ reason }: NodeRpcError): boolean =>
  reason._tag !== "NodeRefused" && reason._tag !== "NodeMethodUnknown"

/** The verdict of a node that accepts the block. */
export const ACCEPTED = "accepted"
const KNOWN = new Set(["duplicate", "duplicate-inconclusive"])
/** A block is up to 4 MB. Outside of test networks there is seldom more than one. */
const MAX_WAITING = 32
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = Duration.toMillis("10 seconds")
const GIVE_UP_MS = Duration.toMillis("1 hour")
