/**
 * A share sink records accepted shares before they are acknowledged: a log, a ledger, a program's own accounting. A server
 * takes any number of sinks. Shares that one of them refuses are not acknowledged, and their connection ends.
 */
import type { ShareAccepted } from "@sluice/channels"
import { Effect, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"

/** Why shares cannot be recorded. The message goes to the operator's log. */
export class ShareSinkError extends Schema.TaggedError<ShareSinkError>("sluice/mining-server/ShareSinkError")(
  "ShareSinkError",
  { message: Schema.String }
) {}

export interface ShareSink {
  /**
   * Runs once for the accepted shares of each read of a socket; a read of more than 128 messages is answered in parts, and each
   * part has its own run. They are acknowledged when all sinks have succeeded. The connection waits for it; other connections
   * do not. It is interrupted when the server ends the connection: what a sink has recorded then was not acknowledged.
   */
  readonly record: (shares: NonEmptyReadonlyArray<ShareAccepted>) => Effect.Effect<void, ShareSinkError>
}

/** A sink that calls a function for each share, which must not block. */
export const shareSink = (record: (share: ShareAccepted) => void): ShareSink => ({
  record: (shares) => Effect.sync(() => shares.forEach((share) => record(share)))
})

/** Records shares in all sinks, in their order. */
export const recordInAll = (
  sinks: ReadonlyArray<ShareSink>,
  shares: NonEmptyReadonlyArray<ShareAccepted>
): Effect.Effect<void, ShareSinkError> => {
  const [only] = sinks
  return sinks.length === 1
    ? only!.record(shares)
    : Effect.forEach(sinks, (sink) => sink.record(shares), { discard: true })
}
