/**
 * The order in which a server computes its handshakes: so many a second at most, and the addresses that wait for one take
 * turns, so that a thousand connections of one peer delay that peer and nobody else. When too many wait, the last one of the
 * address with most of them is refused, so that no number of floods keeps out an address of which nobody waits. Connected
 * peers do not wait for handshakes either: on the event loop they are computed one at a time with turns for others between
 * them, and where many wait, threads take the rest.
 */
import { Clock, Duration, Effect, FiberSet, type Scope } from "effect"
import { addressGroup } from "../limits/connection-limits.ts"
import { Holdings } from "../limits/holdings.ts"

export interface HandshakeQueueOptions {
  /** Handshakes begun a second. */
  readonly maxPerSecond: number
  /** Where there are threads: how many handshakes they can have at a time, and above how many that wait they get some. */
  readonly threads?: { readonly slots: number; readonly above: number }
}

/** Where a handshake is to be computed. */
export type HandshakeLane = "event loop" | "thread"

export interface HandshakeQueue {
  /** Waits for its turn, then runs `handshake`. Fails with the number that wait if those are too many. */
  readonly run: <A, E>(
    host: string,
    handshake: (lane: HandshakeLane) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | QueueFull>
}

/** So many wait already that it would take too long, and no other address has more of them. */
export interface QueueFull {
  readonly _tag: "QueueFull"
  readonly waiting: number
}

/** Node accepts one connection a turn: with a handshake in each, a crowd would wait in the system's queue. */
const turns = Effect.replicateEffect(Effect.yieldNow, 8, { discard: true })

/** Nobody waits longer than this many seconds at the full rate. */
const MAX_WAIT_SECONDS = 5

export const makeHandshakeQueue = ({
  maxPerSecond,
  threads = { slots: 0, above: 0 }
}: HandshakeQueueOptions): Effect.Effect<HandshakeQueue, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const start = yield* FiberSet.makeRuntime<never>()
    const maxWaiting = Math.max(2, maxPerSecond * MAX_WAIT_SECONDS)
    /** By address, those who came first in front. */
    const lines = new Holdings<Turn>()
    /** The addresses with a line, in the order in which they get their turns. */
    const order = new Set<string>()
    let inThreads = 0
    let isLoopTaken = false
    /** Handshakes that may begin now; a second's worth at most. */
    let allowed = maxPerSecond
    let countedAt = clock.currentTimeMillisUnsafe()
    let isTimerSet = false

    /** Where the next one that waits is to be computed, if one waits and there is room. */
    const freeLane = (): HandshakeLane | undefined => {
      if (lines.total > threads.above && inThreads < threads.slots) return "thread"
      // Where threads are asked from the first one on, the event loop is too slow for any.
      const isForLoop = threads.slots === 0 || threads.above > 0
      return lines.total > 0 && isForLoop && !isLoopTaken ? "event loop" : undefined
    }

    const begin = (): void => {
      const now = clock.currentTimeMillisUnsafe()
      allowed = Math.min(maxPerSecond, allowed + (Math.max(0, now - countedAt) * maxPerSecond) / 1000)
      countedAt = now
      for (let lane = freeLane(); lane !== undefined && allowed >= 1; lane = freeLane()) {
        const address = order.values().next().value!
        const turn = lines.first(address)!
        leave(address, turn)
        // Behind the other addresses.
        if (order.delete(address)) order.add(address)
        allowed--
        if (lane === "thread") inThreads++
        else isLoopTaken = true
        turn.begin(lane)
      }
      if (freeLane() === undefined || isTimerSet) return
      isTimerSet = true
      start(Effect.andThen(clock.sleep(Duration.millis(Math.ceil(((1 - allowed) * 1000) / maxPerSecond))), timerEnded))
    }
    const leave = (address: string, turn: Turn): void => {
      lines.remove(address, turn)
      if (lines.of(address) === 0) order.delete(address)
    }
    const timerEnded = Effect.sync(() => {
      isTimerSet = false
      begin()
    })

    const turn = (host: string, onTurn: (lane: HandshakeLane) => void): Effect.Effect<HandshakeLane, QueueFull> =>
      Effect.callback<HandshakeLane, QueueFull>((resume) => {
        const address = addressGroup(host)
        const refuse = () => resume(Effect.fail({ _tag: "QueueFull", waiting: maxWaiting }))
        if (lines.total >= maxWaiting) {
          const longest = lines.payerFor(lines.of(address))
          if (longest === undefined) return refuse()
          const last = Array.from(lines.items(longest)).at(-1)!
          leave(longest, last)
          last.refuse()
        }
        const turn: Turn = {
          begin: (lane) => {
            onTurn(lane)
            resume(Effect.succeed(lane))
          },
          refuse
        }
        lines.set(address, turn)
        order.add(address)
        begin()
        return Effect.sync(() => leave(address, turn))
      })

    const threadDone = Effect.sync(() => {
      inThreads--
      begin()
    })
    const loopDone = Effect.sync(() => {
      isLoopTaken = false
      begin()
    })
    /** The event loop goes on after some turns for those whose messages are to be read or who are to be accepted. */
    const passOn = (lane: HandshakeLane): Effect.Effect<void> =>
      lane === "thread" ? threadDone : Effect.sync(() => void start(Effect.andThen(turns, loopDone)))

    return {
      run: (host, handshake) =>
        Effect.suspend(() => {
          let taken: HandshakeLane | undefined
          return turn(host, (lane) => (taken = lane)).pipe(
            Effect.flatMap(handshake),
            Effect.ensuring(Effect.suspend(() => (taken === undefined ? Effect.void : passOn(taken))))
          )
        })
    }
  })

interface Turn {
  readonly begin: (lane: HandshakeLane) => void
  readonly refuse: () => void
}
