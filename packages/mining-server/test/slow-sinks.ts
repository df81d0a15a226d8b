/** Share sinks that record when a test says so. */
import { Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Recording, type ShareSink, ShareSinkError } from "../src/index.ts"

/** Runs everything that can run now. */
const settle = TestClock.adjust(1)

/** A sink that takes its time: until the test says so, or fails it. */
export class SlowSink implements ShareSink {
  /** The sequence numbers of each call that was recorded. */
  readonly recorded: Array<ReadonlyArray<number>> = []
  calls = 0
  interrupted = 0
  #gate = Deferred.makeUnsafe<void, ShareSinkError>()

  readonly record: ShareSink["record"] = (shares) =>
    Effect.suspend(() => {
      this.calls++
      return Deferred.await(this.#gate)
    }).pipe(
      Effect.onInterrupt(() => Effect.sync(() => this.interrupted++)),
      Effect.andThen(Effect.sync(() => this.recorded.push(shares.map(({ sequenceNumber }) => sequenceNumber)))),
      Effect.asVoid
    )

  readonly succeed = Effect.suspend(() => Effect.andThen(Deferred.succeed(this.#gate, undefined), settle))

  readonly fail = Effect.suspend(() =>
    Effect.andThen(Deferred.fail(this.#gate, new ShareSinkError({ message: "the database is gone" })), settle)
  )
}

/** A sink that answers each call when the test says so, and lets the server read on meanwhile. */
export class GatedSink implements ShareSink {
  readonly #recordings: Array<Recording> = []
  readonly #onHurry: (() => void) | undefined

  constructor(onHurry?: () => void) {
    this.#onHurry = onHurry
  }

  get calls(): number {
    return this.#recordings.length
  }

  readonly record = () => Effect.die("the server prefers recordLater")
  readonly recordLater = () => {
    const recording = new Recording(this.#onHurry)
    this.#recordings.push(recording)
    return recording
  }

  readonly answer = (call: number, failure?: string) =>
    Effect.suspend(() => {
      this.#recordings[call - 1]!.end(failure === undefined ? undefined : new ShareSinkError({ message: failure }))
      return settle
    })
}
