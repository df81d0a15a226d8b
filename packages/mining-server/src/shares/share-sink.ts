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
   * As `record`, without a fiber for each read: begins to record, and gives what knows when that is done. Shares that are written together share
   * one `Recording`. The server reads on meanwhile, so no block waits for shares. It cannot be interrupted. Sinks that have nothing
   * like it leave it out.
   */
  readonly recordLater?: (shares: NonEmptyReadonlyArray<ShareAccepted>) => Recording
}

/** Hears that shares are recorded, or that they could not be. It must not throw. */
export type Recorded = (failure: ShareSinkError | undefined) => void

/** Shares that are recorded together. The sink makes it, and ends it. */
export class Recording {
  /** Of shares that are recorded already. */
  static readonly done: Recording = Recording.failed(undefined)

  static failed(failure: ShareSinkError | undefined): Recording {
    const recording = new Recording()
    recording.end(failure)
    return recording
  }

  /** Ends when both have ended, with a failure if one of them has. */
  static both(first: Recording, second: Recording): Recording {
    if (first.isRecorded || first === second) return second
    if (second.isRecorded) return first
    const both = new Recording(() => {
      first.hurry()
      second.hurry()
    })
    first.onEnd((failure) => second.onEnd((other) => both.end(failure ?? other)))
    return both
  }

  isEnded = false
  failure: ShareSinkError | undefined
  #listeners: Array<Recorded> = []
  readonly #onHurry: (() => void) | undefined

  /** `onHurry` is called when something waits for it, perhaps several times. Before, it may wait for more shares. */
  constructor(onHurry?: () => void) {
    this.#onHurry = onHurry
  }

  get isRecorded(): boolean {
    return this.isEnded && this.failure === undefined
  }

  /** Calls the listener when it has ended, after those that came before. */
  onEnd(listener: Recorded): void {
    if (this.isEnded) listener(this.failure)
    else this.#listeners.push(listener)
  }

  /** Says that something waits for it. A defect of the sink is its failure. */
  hurry(): void {
    if (this.isEnded) return
    try {
      this.#onHurry?.()
    } catch (defect) {
      this.end(defectOf(defect))
    }
  }

  /** Only the first call counts. Throws the first defect of a listener, when all have heard. */
  end(failure?: ShareSinkError): void {
    if (this.isEnded) return
    this.isEnded = true
    this.failure = failure
    const listeners = this.#listeners
    this.#listeners = []
    const defects: Array<unknown> = []
    for (const listener of listeners) {
      try {
        listener(failure)
      } catch (defect) {
        defects.push(defect)
      }
    }
    if (defects.length > 0) throw defects[0]
  }
}

/** Makes a sink that calls a function for each share. The function must not block. */
export const shareSink = (record: (share: ShareAccepted) => void): ShareSink => ({
  record: (shares) => Effect.sync(() => shares.forEach((share) => record(share))),
  recordLater: (shares) => {
    shares.forEach((share) => record(share))
    return Recording.done
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

/** As `recordInAll`, if all sinks have `recordLater`. */
export const recordLaterInAll = ([sink, ...others]: ReadonlyArray<ShareSink>): ShareSink["recordLater"] => {
  const recordLater = sink?.recordLater
  if (recordLater === undefined || others.length === 0) return recordLater
  const rest = recordLaterInAll(others)
  if (rest === undefined) return undefined
  return (shares) => {
    const first = recordLater(shares)
    return first.isRecorded ? rest(shares) : first.isEnded ? first : behind(first, () => rest(shares))
  }
}

/** What begins when another one is done, and ends with its own end or with that one's failure. */
const behind = (first: Recording, begin: () => Recording): Recording => {
  let isAwaited = false
  let present = first
  const both = new Recording(() => {
    isAwaited = true
    present.hurry()
  })
  first.onEnd((failure) => {
    if (failure !== undefined) return both.end(failure)
    try {
      present = begin()
      if (isAwaited) present.hurry()
      present.onEnd((failure) => both.end(failure))
    } catch (defect) {
      both.end(defectOf(defect))
    }
  })
  return both
}

const defectOf = (defect: unknown): ShareSinkError =>
  new ShareSinkError({ message: `a defect of a share sink: ${String(defect)}` })
