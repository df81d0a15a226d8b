/**
 * A share sink records accepted shares before the server acknowledges them: a log, a ledger, a program's own accounting. A server
 * takes any number of sinks. If one of them fails, the shares are not acknowledged and their connection ends.
 */
import type { ShareAccepted } from "@sluice/channels"
import { Effect, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"

/** Shares could not be recorded. The message goes to the operator's log. */
export class ShareSinkError extends Schema.TaggedError<ShareSinkError>("sluice/mining-server/ShareSinkError")(
  "ShareSinkError",
  { message: Schema.String }
) {}

export interface ShareSink {
  /**
   * Runs once for the accepted shares of each read of a socket; a read of more than 128 messages is answered in parts, each with a run
   * of its own. The server acknowledges them when all sinks have succeeded. Only their connection waits; if that takes more than a second,
   * it gets new work meanwhile. When the server ends the connection, the run is interrupted: whatever it has recorded by then was not acknowledged.
   */
  readonly record: (shares: NonEmptyReadonlyArray<ShareAccepted>) => Effect.Effect<void, ShareSinkError>
  /**
   * As `record`, without a fiber for each read: begins to record and calls `then` once, now or later, in the order in which it was given
   * shares. The server reads on meanwhile, so no block waits for shares. It cannot be interrupted. Sinks that have nothing like it leave it out.
   */
  readonly recordThen?: (shares: NonEmptyReadonlyArray<ShareAccepted>, then: Recorded) => void
}

/** Hears that shares are recorded, or that they could not be. */
export type Recorded = (failure: ShareSinkError | undefined) => void

/** Makes a sink that calls a function for each share. The function must not block. */
export const shareSink = (record: (share: ShareAccepted) => void): ShareSink => ({
  record: (shares) => Effect.sync(() => shares.forEach((share) => record(share))),
  recordThen: (shares, then) => {
    shares.forEach((share) => record(share))
    then(undefined)
  }
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

/** As `recordInAll`, if all sinks have `recordThen`. */
export const recordThenInAll = (sinks: ReadonlyArray<ShareSink>): ShareSink["recordThen"] =>
  sinks.reduceRight<ShareSink["recordThen"]>(
    (rest, { recordThen }) =>
      recordThen === undefined || rest === undefined
        ? undefined
        : (shares, then) =>
            recordThen(shares, (failure) => (failure === undefined ? rest(shares, then) : then(failure))),
    (_, then) => then(undefined)
  )
