/**
 * Whether what clients work on is still worth working on: how old the node's last answer is, and how far the node is
 * behind the headers that it knows. Too old is a warning; much too old ends the clients' connections in order, so that they
 * go to another provider.
 */
import { NodeRpcError, type NodeRpcCalls, NodeTimeout } from "@sluice/node"
import type { Notices } from "@sluice/transport"
import { Clock, Effect, Latch } from "effect"
import type { TemplateProviderEvent } from "../provider-event.ts"

export interface NodeHealthOptions {
  readonly rpc: NodeRpcCalls
  /** Milliseconds, when the node last answered with a template. */
  readonly answeredAt: () => number | undefined
  /** After this time clients are sent away; after a fifth of it there is a warning. */
  readonly maxAgeMs: number
  readonly emit: (event: TemplateProviderEvent) => void
  /** For failures that may come again and again. */
  readonly notices: Notices
}

export type Health = "well" | "warning" | "ill"

/** Watches in the background of the Scope. The effect is for a client: it ends when clients are to go. */
export const watchHealth = Effect.fnUntraced(function* (options: NodeHealthOptions) {
  const { answeredAt, emit, maxAgeMs, notices, rpc } = options
  const clock = yield* Clock.Clock
  const ill = yield* Latch.make(false)
  const startedAt = clock.currentTimeMillisUnsafe()
  let health: Health = "well"
  let behindSince: number | undefined
  let comparedAt = startedAt

  /** What cannot be compared now leaves things as they are, and is compared again after the same time. */
  const compare = (now: number) => {
    comparedAt = now
    return rpc.getBlockchainInfo.pipe(
      Effect.timeoutOrElse({
        duration: COMPARE_TIMEOUT_MS,
        orElse: () => {
          const reason = new NodeTimeout({ timeoutMs: COMPARE_TIMEOUT_MS })
          return Effect.fail(new NodeRpcError({ node: "", method: "getblockchaininfo", reason }))
        }
      }),
      Effect.map(({ blocks, headers }) => {
        behindSince = headers - blocks > MAX_HEADERS_AHEAD ? (behindSince ?? now) : undefined
      }),
      Effect.catch(({ message, reason }) =>
        // That it cannot be reached is told where it is asked for templates.
        notices.note(
          "compare",
          `Cannot tell whether the node is behind: ${message}`,
          reason._tag === "NodeUnreachable" ? "Debug" : "Warn"
        )
      )
    )
  }

  const look = Effect.gen(function* () {
    const now = clock.currentTimeMillisUnsafe()
    if (now - comparedAt >= COMPARE_EVERY_MS) yield* compare(now)
    const age = now - (answeredAt() ?? startedAt)
    const lag = behindSince === undefined ? 0 : now - behindSince
    const worst = Math.max(age, lag)
    const next: Health = worst >= maxAgeMs ? "ill" : worst >= maxAgeMs * WARN_AT ? "warning" : "well"
    if (next === health) return
    health = next
    const minutes = (worst / 60_000).toFixed(1)
    const message =
      age >= lag
        ? `The node has given no template for ${minutes} minutes`
        : `The node knows of blocks that it has not taken in for ${minutes} minutes`
    emit({ _tag: "HealthChanged", health, message: health === "well" ? "The node gives templates" : message })
    if (health === "ill") {
      yield* Effect.logError(`${message}: clients are sent away until it does again`)
      return yield* ill.open
    }
    yield* ill.close
    yield* health === "warning"
      ? Effect.logWarning(`${message}: clients work on what may be old`)
      : Effect.logInfo("The node gives templates again")
  })
  yield* Effect.sleep(LOOK_EVERY_MS).pipe(Effect.andThen(look), Effect.forever, Effect.forkScoped)
  return { health: () => health, illness: ill.await }
})

const WARN_AT = 0.2
const LOOK_EVERY_MS = 5_000
const COMPARE_EVERY_MS = 60_000
const COMPARE_TIMEOUT_MS = 10_000
/** The header of a block comes before the block. */
const MAX_HEADERS_AHEAD = 1
