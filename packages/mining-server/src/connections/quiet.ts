/** The moment when what has arrived at the sockets has been dealt with: for a server that stops. */
import { Effect } from "effect"

/** Turns of the event loop in a row in which nothing came: each of them looked at all sockets. */
const QUIET_TURNS = 5
/** Peers that never stop sending do not keep a server from stopping. */
const LIMIT_MS = 1000

/** Waits until `count`, of batches that were read, does not grow any more. Its time is the machine's, not the Clock's. */
export const untilQuiet = (count: () => number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const deadline = performance.now() + LIMIT_MS
    let last = count()
    let quiet = 0
    let turn: NodeJS.Immediate
    const look = () => {
      const now = count()
      quiet = now === last ? quiet + 1 : 0
      last = now
      if (quiet >= QUIET_TURNS || performance.now() > deadline) resume(Effect.void)
      else turn = setImmediate(look)
    }
    turn = setImmediate(look)
    return Effect.sync(() => clearImmediate(turn))
  })
