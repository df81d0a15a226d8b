/** How a listener runs a connection's handler: to its end, whichever that is, without harm to the others. */
import { Cause, Effect, Option, Predicate, type Scope } from "effect"
import { type Endpoint, formatEndpoint } from "./endpoint.ts"
import { TransportError } from "./transport-error.ts"

/**
 * Runs the handler in a Scope of its own and logs how it ended, once: quietly (debug) where the peer went away, as
 * information where it failed, in full only where a defect of ours shows.
 */
export const serve = <E, R>(
  remote: Endpoint,
  handler: Effect.Effect<void, E, R>
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> =>
  Effect.catchCause(Effect.scoped(handler), (cause) => {
    const peer = formatEndpoint(remote)
    if (Cause.hasDies(cause)) return Effect.logError(`The connection from ${peer} ended in a defect`, cause)
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (failure === undefined) return Effect.void
    const line = `The connection from ${peer} ended: ${messageOf(failure)}`
    return isDeparture(failure) ? Effect.logDebug(line) : Effect.logInfo(line)
  })

/** A failure that says no more than that the peer is gone. */
export const isDeparture = (failure: unknown): boolean =>
  failure instanceof TransportError && (failure.reason._tag === "Closed" || failure.reason._tag === "SocketFailed")

/** What an error has to say, without its stack. */
export const messageOf = (failure: unknown): string =>
  Predicate.hasProperty(failure, "message") && Predicate.isString(failure.message) ? failure.message : String(failure)
