/**
 * Sends the answers to RequestTransactionData, which are ten thousand times as large as the requests: one at a time, after
 * whatever is announced, and to each address no more than a rate, whichever of its connections ask.
 */
import { TemplateDistribution } from "@sluice/protocol"
import { addressGroup, Allowance, type Notices } from "@sluice/transport"
import { Clock, Effect, Fiber, Semaphore } from "effect"
import type { TransactionAnswer } from "../templates/transaction-data.ts"

export interface TransactionLists {
  /**
   * Sends what `answer` gives, which is called when its turn comes. A connection that ends before has cost nothing. `host` is
   * the client's.
   */
  readonly send: <E>(
    host: string,
    answer: () => TransactionAnswer,
    write: (answer: TransactionAnswer) => Effect.Effect<void, E>
  ) => Effect.Effect<void, E>
}

const { encodedSize } = TemplateDistribution.protocol.toClient

/** `quiet` waits until nothing is announced. */
export const makeTransactionLists = Effect.fnUntraced(function* (quiet: Effect.Effect<void>, notices: Notices) {
  const clock = yield* Clock.Clock
  const turn = Semaphore.makeUnsafe(1)
  /** The address that was served last is the last one. */
  const lanes = new Map<string, Lane>()

  const laneOf = (address: string): Lane => {
    const now = clock.currentTimeMillisUnsafe()
    for (const [oldest, { usedAt, users }] of lanes) {
      if (now - usedAt < FORGET_AFTER_MS) break
      if (users === 0) lanes.delete(oldest)
    }
    const lane = lanes.get(address) ?? {
      allowance: new Allowance(BYTES_PER_SECOND, now),
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
        const waitMs = lane.allowance.take(0, clock.currentTimeMillisUnsafe())
        if (waitMs > 0) {
          const line = `${address} asks for the transactions of templates too often, and waits for them`
          yield* notices.note("too_many_lists", line, "Warn")
          yield* Effect.sleep(waitMs)
        }
        const begin = Effect.gen(function* () {
          yield* quiet
          const message = answer()
          lane.allowance.take(encodedSize(message), clock.currentTimeMillisUnsafe())
          const writing = yield* Effect.forkChild(write(message), { startImmediately: true })
          // The sockets have their turn before the next list is made and encrypted.
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
        // A client that reads slowly holds up nobody else.
        Effect.flatMap(Fiber.join)
      )
    })
  const lists: TransactionLists = { send }
  return lists
})

/** One address, or all of an IPv6 network. */
interface Lane {
  readonly allowance: Allowance
  readonly turn: Semaphore.Semaphore
  /** Requests that are in it. */
  users: number
  /** Milliseconds. */
  usedAt: number
}

/** A list of a full block has about two million. Ten seconds' worth may go at once. */
const BYTES_PER_SECOND = 4_000_000
/** Longer than an allowance takes to be whole again. */
const FORGET_AFTER_MS = 60_000
