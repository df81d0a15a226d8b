/** Runs the handler of one accepted connection, so that its failure affects no other connection. */
import { Cause, Effect, Metric, Option, Predicate, type Scope } from "effect"
import { type Endpoint, formatEndpoint } from "../endpoint.ts"
import { HandshakeError } from "../noise/handshake-error.ts"
import { connectionsAccepted, connectionsFailed } from "../metrics.ts"
import type { ThrottledLog } from "../throttled-log.ts"
import { TransportError } from "./transport-error.ts"

/**
 * Runs the handler in a Scope of its own and logs its failure before the connection closes: at debug level if the peer went
 * away, at info level for other failures, and with the cause only for a defect. Failures of one kind are logged at most once
 * every few seconds.
 */
export const serve = <E, R>(
  peer: { readonly remote: Endpoint },
  handler: Effect.Effect<void, E, R>,
  throttled: ThrottledLog
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => {
  const log = (cause: Cause.Cause<unknown>) => {
    const name = formatEndpoint(peer.remote)
    if (Cause.hasDies(cause)) return Effect.logError(`The connection from ${name} ended in a defect`, cause)
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (failure === undefined) return Effect.void
    const line = `The connection from ${name} ended: ${messageOf(failure)}`
    const reason = reasonOf(failure)
    return Effect.andThen(
      Metric.update(Metric.withAttributes(connectionsFailed, { reason }), 1),
      isDeparture(failure) ? Effect.logDebug(line) : throttled.log(reason, line)
    )
  }
  return Effect.andThen(
    Metric.update(connectionsAccepted, 1),
    Effect.catchCause(Effect.scoped(Effect.catchCause(handler, log)), log)
  )
}

/** The `_tag` of the error or of its reason; connections fail with a few kinds only. */
const reasonOf = (failure: unknown): string => {
  const reason = Predicate.hasProperty(failure, "reason") ? failure.reason : failure
  return Predicate.hasProperty(reason, "_tag") && Predicate.isString(reason._tag) ? reason._tag : "other"
}

/** Whether the peer only went away, such as a device that is switched off or a load balancer that probes the port. */
const isDeparture = (failure: unknown): boolean => {
  if (failure instanceof TransportError)
    return failure.reason._tag === "Closed" || failure.reason._tag === "SocketFailed"
  if (!(failure instanceof HandshakeError)) return false
  return failure.reason._tag === "HandshakeTruncated" && failure.reason.received === 0
}

/** The message of an error, without its stack. */
export const messageOf = (failure: unknown): string =>
  Predicate.hasProperty(failure, "message") && Predicate.isString(failure.message) ? failure.message : String(failure)
