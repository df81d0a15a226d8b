/**
 * Sends the answers to RequestTransactionData, which are ten thousand times as large as the requests: one at a time, after the
 * templates of an announced block, and to each address with a limited rate over all its connections.
 */
import { TemplateDistribution } from "@sluice/protocol"
import { addressGroup, TokenBucket, type ThrottledLog } from "@sluice/transport"
import { Clock, Effect, Fiber, Semaphore } from "effect"
import type { TransactionAnswer } from "../templates/transaction-data.ts"

export interface TransactionLists {
  /**
   * Calls `answer` when its turn comes and sends the frame. A connection that ends before costs nothing. `host` is the client's.
   */
  readonly send: <E>(
    host: string,
    answer: () => TransactionAnswer,
    write: (answer: TransactionAnswer) => Effect.Effect<void, E>
  ) => Effect.Effect<void, E>
}

const { encodedSize } = TemplateDistribution.protocol.toClient

/** `quiet` waits until no announced block waits for its templates. */
export const makeTransactionLists = Effect.fnUntraced(function* (quiet: Effect.Effect<void>, throttled: ThrottledLog) {
  const clock = yield* Clock.Clock
  const turn = Semaphore.makeUnsafe(1)
  /** By address; the address that was served last is at the end. */
  const lanes = new Map<string, Lane>()

  const laneOf = (address: string): Lane => {
    const now = clock.currentTimeMillisUnsafe()
    for (const [oldest, { usedAt, users }] of lanes) {
      if (now - usedAt < FORGET_AFTER_MS) break
      if (users === 0) lanes.delete(oldest)
    }
    const lane = lanes.get(address) ?? {
      bucket: new TokenBucket(BYTES_PER_SECOND, now),
      turn: Semaphore.makeUnsafe(1),
      users: 0,
      usedAt: now
    }
    lane.usedAt = now
    lanes.delete(address)
    lanes.set(address, lane)
    return lane
  }

  const send: TransactionLists["send"] = (host, answer, write) =>
    Effect.suspend(() => {
      const address = addressGroup(host)
      const lane = laneOf(address)
      lane.users++
      return Effect.gen(function* () {
        const waitMs = lane.bucket.take(0, clock.currentTimeMillisUnsafe())
        if (waitMs > 0) {
          const line = `${address} asks for the transactions of templates too often and has to wait for them`
          yield* throttled.log("too_many_lists", line, "Warn")
          yield* Effect.sleep(waitMs)
        }
        const begin = Effect.gen(function* () {
          yield* quiet
          const message = answer()
          lane.bucket.take(encodedSize(message), clock.currentTimeMillisUnsafe())
          const writing = yield* Effect.forkChild(write(message), { startImmediately: true })
          // Lets the sockets write before the next list is made and encrypted.
          yield* Effect.yieldNow
          return writing
        })
        return yield* turn.withPermit(begin)
      }).pipe(
        lane.turn.withPermit,
        Effect.ensuring(
          Effect.sync(() => {
            lane.users--
            lane.usedAt = clock.currentTimeMillisUnsafe()
          })
        ),
        // Outside of the turns, so that a client that reads slowly delays nobody else.
        Effect.flatMap(Fiber.join)
      )
    })
  const lists: TransactionLists = { send }
  return lists
})

/** The requests of one address, or of one IPv6 network. */
interface Lane {
  readonly bucket: TokenBucket
  readonly turn: Semaphore.Semaphore
  /** How many requests wait or are being answered. */
  users: number
  /** When it was used last, in milliseconds. */
  usedAt: number
}

/** A list of a full block has about two million. Ten seconds' worth may go at once. */
const BYTES_PER_SECOND = 4_000_000
/** Longer than a bucket takes to refill. */
const FORGET_AFTER_MS = 60_000
