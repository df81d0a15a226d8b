/** Waits until the server has dealt with everything that has arrived at its sockets: for a server that stops. */
import { Effect } from "effect"

/** So many turns of the event loop in a row must bring nothing: each of them looks at all sockets. */
const QUIET_TURNS = 5
/** Peers that never stop sending, or a share sink that never answers, do not keep a server from stopping. */
const LIMIT_MS = 1000

/**
 * Waits until `count`, the number of batches that were read, no longer grows and nothing is busy. It measures real time, not
 * the Clock's.
 */
export const untilQuiet = (count: () => number, isBusy: () => boolean): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const deadline = performance.now() + LIMIT_MS
    let last = count()
    let quiet = 0
    let turn: NodeJS.Immediate
    const look = () => {
      const now = count()
      quiet = now === last && !isBusy() ? quiet + 1 : 0
      last = now
      if (quiet >= QUIET_TURNS || performance.now() > deadline) resume(Effect.void)
      else turn = setImmediate(look)
    }
    turn = setImmediate(look)
    return Effect.sync(() => clearImmediate(turn))
  })
