/**
 * Shares that wait for the share sinks. Their connection waits with them, but not for long: if a sink takes more than a second, as a
 * ledger on a full disk does, the connection gets new work all the same, and the server reads on, because a block may come. Only the
 * acknowledgements wait then, in their order.
 */
import { Cause, Effect, Exit, Fiber, FiberSet } from "effect"
import { ShareSinkError } from "../shares/share-sink.ts"

/** How long a connection waits for the sinks. */
const PATIENCE_MS = 1_000
/** How often the server looks for connections that have waited. */
const LOOK_MS = 250
/** Shares of all connections that may wait while their connections go on. Beyond that, connections wait as long as the sinks take. */
const MAX_LATE_SHARES = 100_000

/** What to do about the shares of one read. */
export interface Recording {
  readonly shares: number
  readonly record: Effect.Effect<void, ShareSinkError>
  /** Replies to the read; called if the shares are recorded in time. */
  readonly reply: () => void
  /** Replies without the acknowledgements. */
  readonly replyEarly: () => void
  readonly acknowledge: () => void
  /** The sinks failed, and the connection does not wait for them any more. */
  readonly fail: (error: ShareSinkError) => void
}

interface Late {
  readonly fiber: Fiber.Fiber<void, ShareSinkError>
  /** Undefined until the shares are recorded. */
  acknowledge: (() => void) | undefined
}

/** The recordings that one connection does not wait for any more, the oldest first. */
export class LateRecordings {
  readonly #late: Array<Late> = []

  get isEmpty(): boolean {
    return this.#late.length === 0
  }

  /** Returns a function to call when the shares are recorded, with what acknowledges them. */
  add(fiber: Late["fiber"]): (acknowledge: () => void) => void {
    const late: Late = { fiber, acknowledge: undefined }
    this.#late.push(late)
    return (acknowledge) => {
      late.acknowledge = acknowledge
      // An acknowledgement counts for the shares before it too (5.3.13).
      while (this.#late[0]?.acknowledge !== undefined) this.#late.shift()!.acknowledge!()
    }
  }

  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.#late], ({ fiber }) => Fiber.await(fiber), { discard: true })
  )

  readonly interrupt: Effect.Effect<void> = Effect.suspend(() =>
    Fiber.interruptAll(this.#late.splice(0).map(({ fiber }) => fiber))
  )
}

interface Waiting {
  readonly since: number
  readonly shares: number
  /** Lets the connection go on. */
  readonly goOn: () => void
}

export interface Recordings {
  /** Records the shares of a read and replies. Completes when the connection may go on. */
  readonly run: (late: LateRecordings, recording: Recording) => Effect.Effect<void, ShareSinkError>
}

export const makeRecordings = Effect.fnUntraced(function* (now: () => number) {
  const fork = yield* FiberSet.makeRuntime<never, void, ShareSinkError>()
  const start = yield* FiberSet.makeRuntime<never, void>()
  /** The one that waits for the longest time first. */
  const waiting = new Set<Waiting>()
  let isLooking = false
  let lateShares = 0

  /** Runs while some connection waits. */
  const look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(LOOK_MS), () => {
      const due = now() - PATIENCE_MS
      for (const one of waiting) {
        if (one.since > due || lateShares + one.shares > MAX_LATE_SHARES) break
        waiting.delete(one)
        one.goOn()
      }
      isLooking = waiting.size > 0
      return isLooking ? look : Effect.void
    })
  )
  const wait = (one: Waiting): void => {
    waiting.add(one)
    if (isLooking) return
    isLooking = true
    start(look)
  }

  const run: Recordings["run"] = (late, { acknowledge, fail, record, reply, replyEarly, shares }) =>
    Effect.callback<void, ShareSinkError>((resume) => {
      const fiber = fork(record)
      let recorded: ((acknowledge: () => void) => void) | undefined
      const leave = () => {
        lateShares += shares
        recorded = late.add(fiber)
        replyEarly()
      }
      const one: Waiting = {
        since: now(),
        shares,
        goOn: () => {
          leave()
          resume(Effect.void)
        }
      }
      if (!late.isEmpty) {
        const isRoom = lateShares + shares <= MAX_LATE_SHARES
        leave()
        if (isRoom) resume(Effect.void)
      } else if (fiber.pollUnsafe() === undefined) {
        wait(one)
      }
      fiber.addObserver((exit) => {
        waiting.delete(one)
        if (recorded === undefined) {
          if (Exit.isSuccess(exit)) reply()
          return resume(exit)
        }
        lateShares -= shares
        if (Exit.isSuccess(exit)) recorded(acknowledge)
        else if (!Cause.hasInterruptsOnly(exit.cause)) fail(sinkError(Cause.squash(exit.cause)))
        resume(Effect.void)
      })
      return Effect.suspend(() => {
        waiting.delete(one)
        return recorded === undefined ? Fiber.interrupt(fiber) : Effect.void
      })
    })
  return { run } satisfies Recordings
})

const sinkError = (error: unknown): ShareSinkError =>
  error instanceof ShareSinkError ? error : new ShareSinkError({ message: String(error) })
