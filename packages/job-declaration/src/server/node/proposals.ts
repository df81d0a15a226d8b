/**
 * Asks the node for verdicts on declared blocks, a few at a time, because each takes it long. Addresses have turns: those who declare
 * much wait for each other. Programs of this machine have turns of their own each.
 */
import type { NodeRpcCalls } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Duration, Effect } from "effect"

/** The node's answer. `verdict` is `null` for a valid block; undefined if the node gives none, because of `why`. */
export interface Verdict {
  readonly verdict: string | null | undefined
  readonly why: string
}

export interface Proposals {
  /** Whether the node judges blocks. */
  readonly isSupported: () => boolean
  /**
   * Gets the verdict on a block when it is the turn of `key`. `block` is called then, and once more for each further try while the
   * node is away; undefined ends it without a verdict.
   */
  readonly judge: (key: string, block: () => Uint8Array | undefined) => Effect.Effect<Verdict>
}

/** `onUnsupported` is called when the node turns out not to judge blocks. */
export const makeProposals = (
  rpc: Pick<NodeRpcCalls, "proposeBlock">,
  throttled: ThrottledLog,
  onUnsupported: () => void
): Proposals => {
  let isSupported = true
  const turns = new Turns()

  const ask = (block: () => Uint8Array | undefined): Effect.Effect<Verdict> =>
    Effect.suspend(() => {
      const bytes = block()
      if (bytes === undefined) return Effect.succeed({ verdict: undefined, why: "it is not needed any more" })
      return Effect.matchEffect(rpc.proposeBlock(bytes), {
        onSuccess: (verdict) => Effect.succeed<Verdict>({ verdict, why: "" }),
        onFailure: ({ message, reason }) => {
          if (reason._tag === "NodeRefused" && reason.code === DESERIALIZATION) {
            return Effect.succeed<Verdict>({ verdict: `undecodable (${reason.detail})`, why: "" })
          }
          if (reason._tag === "NodeMethodUnknown" || (reason._tag === "NodeRefused" && reason.code === PARAMETER)) {
            const isNews = isSupported
            isSupported = false
            if (isNews) onUnsupported()
            const line = `The node judges no proposed blocks (${message}): only our own rules are checked`
            return Effect.as(throttled.log("proposals", line, "Warn"), { verdict: null, why: "" })
          }
          const line = `The node gives no verdict on a declared block, asking again: ${message}`
          return throttled
            .log("verdict", line, "Warn")
            .pipe(Effect.andThen(Effect.sleep(RETRY_AFTER)), Effect.andThen(ask(block)))
        }
      })
    })

  return {
    isSupported: () => isSupported,
    judge: (key, block) => turns.inTurn(key, ask(block))
  }
}

/** Runs few effects at a time; those of one key one after the other, keys in turns. */
class Turns {
  #running = 0
  /** Those who wait, by key; the key that is next is first. */
  readonly #waiting = new Map<string, Array<() => void>>()

  inTurn<A>(key: string, effect: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.acquireUseRelease(
      this.#turn(key),
      () => effect,
      () =>
        Effect.sync(() => {
          this.#running--
          this.#next()
        })
    )
  }

  #turn(key: string): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const begin = (): void => {
        this.#running++
        resume(Effect.void)
      }
      const queue = this.#waiting.get(key)
      if (queue === undefined) this.#waiting.set(key, [begin])
      else queue.push(begin)
      this.#next()
    })
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const first = this.#waiting.entries().next().value
      if (first === undefined) return
      const [key, queue] = first
      this.#waiting.delete(key)
      const begin = queue.shift()
      if (queue.length > 0) this.#waiting.set(key, queue)
      begin?.()
    }
  }
}

/** Bitcoin Core checks one block at a time. The second one is on its way to it in the meantime. */
const AT_ONCE = 2
const RETRY_AFTER = Duration.millis(500)
/** RPC_DESERIALIZATION_ERROR and RPC_INVALID_PARAMETER of Bitcoin Core. */
const DESERIALIZATION = -22
const PARAMETER = -8
