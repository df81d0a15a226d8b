/**
 * Judges whether the templates are still worth working on: by the age of the node's last answer, and by how long the node has
 * been behind the headers that it knows. First there is a warning; later the clients are disconnected, so that they go to
 * another provider.
 */
import { NodeRpcError, type NodeRpcCalls, NodeTimeout } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Clock, Effect, Latch } from "effect"
import type { TemplateProviderEvent } from "../provider-event.ts"

export interface NodeHealthOptions {
  readonly rpc: NodeRpcCalls
  /** Milliseconds, when the node last answered with a template. */
  readonly answeredAt: () => number | undefined
  /** After this time clients are disconnected; after a fifth of it there is a warning. */
  readonly maxAgeMs: number
  readonly emit: (event: TemplateProviderEvent) => void
  /** For failures that may come again and again. */
  readonly throttled: ThrottledLog
}

export type Health = "well" | "warning" | "ill"

/** Watches in the background of the Scope. `illness` completes when clients should be disconnected. */
export const watchHealth = Effect.fnUntraced(function* (options: NodeHealthOptions) {
  const { answeredAt, emit, maxAgeMs, throttled, rpc } = options
  const clock = yield* Clock.Clock
  const ill = yield* Latch.make(false)
  const startedAt = clock.currentTimeMillisUnsafe()
  let health: Health = "well"
  let behindSince: number | undefined
  let comparedAt = startedAt

  /** Compares the node's blocks with its headers. If that fails, nothing changes until the next comparison. */
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
        // node-watch.ts logs that the node cannot be reached.
        throttled.log(
          "compare",
          `Cannot tell whether the node is behind: ${message}`,
          reason._tag === "NodeUnreachable" ? "Debug" : "Warn"
        )
      )
    )
  }

  const review = Effect.gen(function* () {
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
        : `The node has known of blocks that it has not validated for ${minutes} minutes`
    emit({ _tag: "HealthChanged", health, message: health === "well" ? "The node gives templates" : message })
    if (health === "ill") {
      yield* Effect.logError(`${message}: clients are disconnected until it gives one`)
      return yield* ill.open
    }
    yield* ill.close
    yield* health === "warning"
      ? Effect.logWarning(`${message}: clients may work on old templates`)
      : Effect.logInfo("The node gives templates again")
  })
  yield* Effect.sleep(REVIEW_EVERY_MS).pipe(Effect.andThen(review), Effect.forever, Effect.forkScoped)
  return { health: () => health, illness: ill.await }
})

const WARN_AT = 0.2
const REVIEW_EVERY_MS = 5_000
const COMPARE_EVERY_MS = 60_000
const COMPARE_TIMEOUT_MS = 10_000
/** The header of a block reaches the node before the block. */
const MAX_HEADERS_AHEAD = 1
