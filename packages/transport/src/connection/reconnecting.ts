/** Keeps a connection for ever: dials, uses the connection until it is lost, waits, and dials again. */
import { Cause, Clock, Duration, Effect, Option, Random, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { formatServerAddress, type ServerAddress } from "../endpoint.ts"
import { messageOf } from "../bytes/serve.ts"

/** While the failure stays the same, it is logged once in this time. */
const REPEATED_MS = 60_000

export interface ReconnectingOptions {
  /** The first delay after a loss; each further one is twice as long. Default 1 second. */
  readonly firstDelay?: Duration.Input
  /** The longest delay. Default 30 seconds. */
  readonly maxDelay?: Duration.Input
}

/**
 * Connects to the first server that accepts, and runs the handler in the connection's Scope. When the connection ends for any
 * reason, it logs the reason and dials the next server of the list after a delay. The delay doubles with each failure and is
 * shortened at random by up to a half; a connection that lasts longer than the longest delay resets it. At the longest delay,
 * an unchanged failure is logged once a minute. A defect of the handler is not a lost connection: this fails with the defect.
 */
export const reconnecting = <A, DialFailure, E, R>(
  dialer: { readonly dial: (server: ServerAddress) => Effect.Effect<A, DialFailure, Scope.Scope> },
  servers: NonEmptyReadonlyArray<ServerAddress>,
  handler: (connection: A, server: ServerAddress) => Effect.Effect<void, E, R>,
  options: ReconnectingOptions = {}
): Effect.Effect<never, never, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const firstDelay = Duration.toMillis(options.firstDelay ?? "1 second")
    const maxDelay = Duration.toMillis(options.maxDelay ?? "30 seconds")
    let delay = firstDelay
    const told = new Map<ServerAddress, { readonly what: string; readonly at: number }>()
    for (let attempt = 0; ; attempt++) {
      const server = servers[attempt % servers.length]!
      let connected = false
      const [lasted, cause] = yield* dialer.dial(server).pipe(
        Effect.tap(() => Effect.sync(() => (connected = true))),
        Effect.flatMap((connection) => handler(connection, server)),
        Effect.scoped,
        Effect.matchCauseEffect({
          onSuccess: () => Effect.succeed(undefined),
          onFailure: (cause) =>
            Cause.hasFails(cause) && !Cause.hasDies(cause)
              ? Effect.succeed(cause)
              : Effect.failCause(cause as Cause.Cause<never>)
        }),
        Effect.timed
      )
      if (connected && Duration.toMillis(lasted) >= maxDelay) delay = firstDelay
      const wait = Math.round(delay * (0.5 + 0.5 * (yield* Random.next)))
      const isLongest = delay === maxDelay
      delay = Math.min(maxDelay, delay * 2)
      const name = formatServerAddress(server)
      const why = cause === undefined ? "" : `: ${messageOf(Option.getOrUndefined(Cause.findErrorOption(cause)))}`
      const what = connected ? `The connection to ${name} ended${why}` : `No connection to ${name}${why}`
      const now = yield* Clock.currentTimeMillis
      const last = told.get(server)
      if (!isLongest || last?.what !== what || now - last.at >= REPEATED_MS) {
        told.set(server, { what, at: now })
        yield* Effect.logWarning(`${what}. Trying again in ${(wait / 1000).toFixed(1)} s`)
      }
      yield* Effect.sleep(wait)
    }
  })
