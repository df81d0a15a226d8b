/**
 * The order in which a server computes its handshakes. The rate is limited, and waiting addresses take turns, so that a thousand
 * connections of one peer delay only that peer. When too many handshakes wait, the newest one of the address with the most
 * waiting is refused, so that no flood can keep out an address without waiting handshakes. Handshakes do not delay connected
 * peers either: the event loop computes one at a time and gives other work turns in between, and threads take handshakes when
 * many wait.
 */
import { Clock, Duration, Effect, FiberSet, type Scope } from "effect"
import { addressGroup } from "./connection-limits.ts"
import { Holdings } from "./holdings.ts"

export interface HandshakeQueueOptions {
  /** The most handshakes that begin per second. */
  readonly maxPerSecond: number
  /** If there are threads: the most handshakes that they have at once. They get some if more than `above` wait. */
  readonly threads?: { readonly slots: number; readonly above: number }
}

/** Where a handshake is computed. */
export type HandshakeLane = "event loop" | "thread"

export interface HandshakeQueue {
  /** Waits for a turn of the host's address, then runs `handshake`. Fails if too many handshakes wait. */
  readonly run: <A, E>(
    host: string,
    handshake: (lane: HandshakeLane) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | QueueFull>
}

/** Too many handshakes wait, and no other address has more of them. */
export interface QueueFull {
  readonly _tag: "QueueFull"
  readonly waiting: number
}

/** Node accepts one connection per turn. With a handshake in each turn, many clients would wait in the system's queue. */
const turns = Effect.replicateEffect(Effect.yieldNow, 8, { discard: true })

/** The longest wait at the full rate, in seconds. It limits how many handshakes may wait. */
const MAX_WAIT_SECONDS = 5

export const makeHandshakeQueue = ({
  maxPerSecond,
  threads = { slots: 0, above: 0 }
}: HandshakeQueueOptions): Effect.Effect<HandshakeQueue, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const start = yield* FiberSet.makeRuntime<never>()
    const maxWaiting = Math.max(2, maxPerSecond * MAX_WAIT_SECONDS)
    /** The waiting handshakes of each address, the oldest first. */
    const lines = new Holdings<Turn>()
    /** The addresses with waiting handshakes, in the order of their turns. */
    const order = new Set<string>()
    let inThreads = 0
    let isLoopTaken = false
    /** Handshakes that may begin now; at most those of one second. */
    let allowed = maxPerSecond
    let countedAt = clock.currentTimeMillisUnsafe()
    let isTimerSet = false

    /** Where the next handshake is computed; undefined if none waits or nothing is free. */
    const freeLane = (): HandshakeLane | undefined => {
      if (lines.total > threads.above && inThreads < threads.slots) return "thread"
      // With `above` 0, threads compute all handshakes, because the event loop would be too slow.
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
        // The next turns are for the other addresses.
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
    /** The event loop continues after some turns in which it reads messages and accepts connections. */
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
