/** Keeping a connection: dial, use it until it is lost, wait, dial again, for ever. */
import { Cause, Clock, Duration, Effect, Option, Random, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { formatServerAddress, type ServerAddress } from "../endpoint.ts"
import { messageOf } from "../bytes/serve.ts"

/** How often the same failure is logged while nothing changes. */
const REPEATED_MS = 60_000

export interface ReconnectingOptions {
  /** The first wait after a loss; 1 second. Each further one is twice as long. */
  readonly firstDelay?: Duration.Input
  /** The longest wait; 30 seconds. */
  readonly maxDelay?: Duration.Input
}

/**
 * Connects to the first server that takes us, runs the handler in the connection's Scope, and after its end, however it
 * came, logs why and begins again with the next server in the list. The waits grow from one failure to the next, with up to
 * a half cut off at random, and begin small again after a connection that lasted longer than the longest wait. When they grow
 * no more, what is the same as before is logged once a minute. A defect of the handler is not a lost connection: it is passed
 * on.
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
