/** Fills the store from a node's mempool: the shell around `MempoolFollower`. */
import type { NodeRpcCalls } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Duration, Effect, Latch } from "effect"
import type { MempoolFollower } from "../mempool/mempool-follower.ts"

export interface MempoolWatchOptions {
  readonly rpc: NodeRpcCalls
  readonly follower: MempoolFollower
  /** Whether the node announces transactions. */
  readonly isAnnounced: () => boolean
  readonly throttled: ThrottledLog
}

/** Follows until the Scope closes. Gives a function to call after the follower was told of something. */
export const watchMempool = Effect.fnUntraced(function* (options: MempoolWatchOptions) {
  const { follower, isAnnounced, rpc, throttled } = options
  const woken = Latch.makeUnsafe(true)
  let isFull = false
  /** Fewer after a failure: the node's answer may have been too long. */
  let fetchedAtOnce = MOST_AT_ONCE

  const follow = Effect.gen(function* () {
    if (follower.isListDue) follower.onList(yield* rpc.getRawMempool)
    while (follower.isBusy) {
      follower.step()
      yield* Effect.yieldNow
    }
    for (;;) {
      const txids = follower.next(fetchedAtOnce)
      if (txids.length === 0) break
      let read = 0
      const few = Effect.sync(() => void (fetchedAtOnce = Math.max(1, fetchedAtOnce >> 2)))
      const answers = yield* Effect.tapError(rpc.getRawTransactions(txids), () => few)
      fetchedAtOnce = Math.min(MOST_AT_ONCE, fetchedAtOnce * 2)
      for (const bytes of answers) {
        if (bytes === undefined) continue
        follower.onTransaction(bytes)
        read += bytes.length
        if (read < READ_AT_ONCE) continue
        read = 0
        yield* Effect.yieldNow
      }
    }
    if (follower.leftOut > 0 && !isFull) {
      const line =
        "The node's mempool has more transactions than are kept here (maxMempoolBytes): the rest is asked from clients"
      yield* throttled.log("mempool_full", line, "Warn")
    }
    isFull = follower.leftOut > 0
  })

  yield* Effect.gen(function* () {
    while (true) {
      woken.closeUnsafe()
      const isWell = yield* follow.pipe(
        Effect.as(true),
        Effect.catch(({ message }) =>
          Effect.as(throttled.log("mempool", `Cannot read the mempool, trying again: ${message}`, "Warn"), false)
        )
      )
      if (!isWell) {
        follower.refresh()
        yield* Effect.sleep(RETRY_AFTER)
        continue
      }
      const isDue = yield* Effect.timeoutOption(woken.await, isAnnounced() ? LIST_EVERY : LIST_EVERY_WITHOUT_ZMQ)
      if (isDue._tag === "None") follower.refresh()
      // Announcements come in groups, and one call reads them all.
      else yield* Effect.sleep(GATHER)
    }
  }).pipe(Effect.forkScoped)
  return () => woken.openUnsafe()
})

/** Transactions of one call. The answer has twice their bytes, in hex. */
const MOST_AT_ONCE = 200
/** Bytes of transactions that are parsed before others have their turn: about a millisecond's work. */
const READ_AT_ONCE = 1 << 16
const LIST_EVERY = Duration.minutes(1)
const LIST_EVERY_WITHOUT_ZMQ = Duration.seconds(5)
const GATHER = Duration.millis(20)
const RETRY_AFTER = Duration.seconds(1)
