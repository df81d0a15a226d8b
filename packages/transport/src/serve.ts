/** How a listener runs a connection's handler: to its end, whichever that is, without harm to the others. */
import { Cause, Effect, Option, Predicate, type Scope } from "effect"
import { type Endpoint, formatEndpoint } from "./endpoint.ts"
import { HandshakeError } from "./handshake-error.ts"
import { TransportError } from "./transport-error.ts"

/**
 * Runs the handler in a Scope of its own and logs how it ended, once, before the connection closes: quietly (debug) where
 * the peer went away, as information where it failed, in full only where a defect of ours shows.
 */
export const serve = <E, R>(
  remote: Endpoint,
  handler: Effect.Effect<void, E, R>
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => {
  const log = (cause: Cause.Cause<unknown>) => {
    const peer = formatEndpoint(remote)
    if (Cause.hasDies(cause)) return Effect.logError(`The connection from ${peer} ended in a defect`, cause)
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (failure === undefined) return Effect.void
    const line = `The connection from ${peer} ended: ${messageOf(failure)}`
    return isDeparture(failure) ? Effect.logDebug(line) : Effect.logInfo(line)
  }
  return Effect.catchCause(Effect.scoped(Effect.catchCause(handler, log)), log)
}

/** A failure that says no more than that the peer is gone: a device switched off, a load balancer that looks in. */
const isDeparture = (failure: unknown): boolean => {
  if (failure instanceof TransportError)
    return failure.reason._tag === "Closed" || failure.reason._tag === "SocketFailed"
  if (!(failure instanceof HandshakeError)) return false
  return failure.reason._tag === "HandshakeTruncated" && failure.reason.received === 0
}

/** What an error has to say, without its stack. */
export const messageOf = (failure: unknown): string =>
  Predicate.hasProperty(failure, "message") && Predicate.isString(failure.message) ? failure.message : String(failure)
