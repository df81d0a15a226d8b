/**
 * The order in which a server computes its handshakes: so many a second at most, so many at a time, and the addresses that
 * wait for one take turns, so that a thousand connections of one peer delay that peer and nobody else. Who is connected
 * already does not wait for them either: between two handshakes the event loop gets a turn.
 */
import { Clock, Duration, Effect, FiberSet, type Scope } from "effect"
import { addressGroup } from "./connection-limits.ts"

export interface HandshakeQueueOptions {
  /** Handshakes begun a second. */
  readonly maxPerSecond: number
  /** Handshakes at a time. */
  readonly slots: number
}

export interface HandshakeQueue {
  /**
   * Waits for its turn, then runs `handshake`, which is told whether others wait too; its time on the event loop is then
   * theirs. Fails with the number that wait if those are too many.
   */
  readonly run: <A, E>(
    host: string,
    handshake: (isBusy: boolean) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | QueueFull>
}

/** So many wait already, in all or from one address: it would take too long. */
export interface QueueFull {
  readonly _tag: "QueueFull"
  readonly waiting: number
}

/** Node accepts one connection a turn: with a handshake in each, a crowd would wait in the system's queue. */
const turns = Effect.replicateEffect(Effect.yieldNow, 8, { discard: true })

/** Nobody waits longer than this many seconds at the full rate; one address has half of the places. */
const MAX_WAIT_SECONDS = 5

export const makeHandshakeQueue = ({
  maxPerSecond,
  slots
}: HandshakeQueueOptions): Effect.Effect<HandshakeQueue, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const start = yield* FiberSet.makeRuntime<never>()
    const maxWaiting = Math.max(2, maxPerSecond * MAX_WAIT_SECONDS)
    /** By address, in the order in which the addresses get their turns. */
    const lines = new Map<string, Array<() => void>>()
    let waiting = 0
    let running = 0
    /** Handshakes that may begin now; a second's worth at most. */
    let allowed = maxPerSecond
    let countedAt = clock.currentTimeMillisUnsafe()
    let isTimerSet = false

    const begin = (): void => {
      const now = clock.currentTimeMillisUnsafe()
      allowed = Math.min(maxPerSecond, allowed + (Math.max(0, now - countedAt) * maxPerSecond) / 1000)
      countedAt = now
      while (waiting > 0 && running < slots && allowed >= 1) {
        const [address, line] = lines.entries().next().value!
        const turn = line.shift()!
        lines.delete(address)
        if (line.length > 0) lines.set(address, line)
        waiting--
        running++
        allowed--
        turn()
      }
      if (waiting === 0 || running >= slots || isTimerSet) return
      isTimerSet = true
      start(Effect.andThen(clock.sleep(Duration.millis(Math.ceil(((1 - allowed) * 1000) / maxPerSecond))), timerEnded))
    }
    const timerEnded = Effect.sync(() => {
      isTimerSet = false
      begin()
    })

    const turn = (host: string, onTurn: () => void): Effect.Effect<void, QueueFull> =>
      Effect.callback<void, QueueFull>((resume) => {
        const address = addressGroup(host)
        const line = lines.get(address) ?? []
        if (waiting >= maxWaiting || line.length >= maxWaiting / 2) {
          return resume(Effect.fail({ _tag: "QueueFull", waiting }))
        }
        const begun = () => {
          onTurn()
          resume(Effect.void)
        }
        line.push(begun)
        lines.set(address, line)
        waiting++
        begin()
        return Effect.sync(() => {
          const at = line.indexOf(begun)
          if (at < 0) return
          line.splice(at, 1)
          if (line.length === 0) lines.delete(address)
          waiting--
        })
      })

    const done = Effect.sync(() => {
      running--
      begin()
    })
    /** After some turns of the event loop, for those whose messages are to be read and those who are to be accepted. */
    const passOn = Effect.sync(() => void start(Effect.andThen(turns, done)))

    return {
      run: (host, handshake) =>
        Effect.suspend(() => {
          let hasTurn = false
          return turn(host, () => (hasTurn = true)).pipe(
            Effect.flatMap(() => handshake(running > 1 || waiting > 0)),
            Effect.ensuring(Effect.suspend(() => (hasTurn ? passOn : Effect.void)))
          )
        })
    }
  })
