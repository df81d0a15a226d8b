/** How a listener runs a connection's handler: to its end, whichever that is, without harm to the others. */
import { Cause, Effect, Metric, Option, Predicate, type Scope } from "effect"
import { type Endpoint, formatEndpoint } from "../endpoint.ts"
import { HandshakeError } from "../noise/handshake-error.ts"
import { connectionsAccepted, connectionsFailed } from "../metrics.ts"
import type { Notices } from "../notices.ts"
import { TransportError } from "./transport-error.ts"

/**
 * Runs the handler in a Scope of its own and logs how it ended, before the connection closes: quietly (debug) where the
 * peer went away, as information where it failed, in full only where a defect of ours shows. Of many failures of one kind
 * the first is logged at once and the others in one line every few seconds.
 */
export const serve = <E, R>(
  remote: Endpoint,
  handler: Effect.Effect<void, E, R>,
  notices: Notices
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => {
  const log = (cause: Cause.Cause<unknown>) => {
    const peer = formatEndpoint(remote)
    if (Cause.hasDies(cause)) return Effect.logError(`The connection from ${peer} ended in a defect`, cause)
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (failure === undefined) return Effect.void
    const line = `The connection from ${peer} ended: ${messageOf(failure)}`
    const reason = reasonOf(failure)
    return Effect.andThen(
      Metric.update(Metric.withAttributes(connectionsFailed, { reason }), 1),
      isDeparture(failure) ? Effect.logDebug(line) : notices.note(reason, line)
    )
  }
  return Effect.andThen(
    Metric.update(connectionsAccepted, 1),
    Effect.catchCause(Effect.scoped(Effect.catchCause(handler, log)), log)
  )
}

/** The name of the error, or of the reason that it carries: one of a few for what a connection can fail with. */
const reasonOf = (failure: unknown): string => {
  const reason = Predicate.hasProperty(failure, "reason") ? failure.reason : failure
  return Predicate.hasProperty(reason, "_tag") && Predicate.isString(reason._tag) ? reason._tag : "other"
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
