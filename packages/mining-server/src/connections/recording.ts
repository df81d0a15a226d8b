/** Records the accepted shares of a step before its replies acknowledge them. */
import type { ShareAccepted } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Duration, Effect, Exit } from "effect"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import type { MiningServerEvent } from "../event.ts"
import type { Recorder } from "../shares/recorder.ts"
import {
  type Recorded,
  recordInAll,
  recordThenInAll,
  type ShareSink,
  type ShareSinkError
} from "../shares/share-sink.ts"
import { type Downstream, type Held, isAcknowledgement } from "./downstream.ts"

/** How long a connection waits for share sinks before it goes on without its acknowledgements. */
const LATE_MS = 1_000
/** How often the server looks for such connections. */
const LOOK = Duration.millis(500)

/** What a step of a connection's channel server brings. */
export interface Step {
  readonly events: ReadonlyArray<MiningServerEvent>
  readonly replies: ReadonlyArray<Mining.ToClient>
  readonly at: number
  /** Queues replies: all at once, or the acknowledgements after the others. */
  readonly reply: (some: ReadonlyArray<Mining.ToClient>) => void
  /** Called when all are queued. */
  readonly replied: () => void
}

/** A step whose replies wait. */
class HeldStep implements Held {
  readonly isAnnouncement = false
  isReady = false
  readonly #step: Step
  readonly #record: (events: ReadonlyArray<MiningServerEvent>) => void
  #replies: ReadonlyArray<Mining.ToClient>

  /** `record` is called with its events before the replies are queued. */
  constructor(step: Step, record: (events: ReadonlyArray<MiningServerEvent>) => void) {
    this.#step = step
    this.#record = record
    this.#replies = step.replies
  }

  get since(): number {
    return this.#step.at
  }

  run(): void {
    this.#record(this.#step.events)
    this.#step.reply(this.#replies)
    this.#step.replied()
  }

  runEarly(): void {
    this.#step.reply(this.#replies.filter((message) => !isAcknowledgement(message)))
    this.#replies = this.#replies.filter(isAcknowledgement)
  }
}

const withoutShares = (events: ReadonlyArray<MiningServerEvent>): ReadonlyArray<MiningServerEvent> =>
  events.filter(({ _tag }) => _tag !== "ShareAccepted")

export interface RecordingOptions {
  /** The open connections, by id. */
  readonly downstreams: ReadonlyMap<number, Downstream>
  readonly recorder: Recorder
  readonly sinks: ReadonlyArray<ShareSink>
  readonly now: () => number
  /** Runs what nobody waits for. */
  readonly start: (effect: Effect.Effect<void>) => void
}

export const makeRecording = ({ downstreams, now, recorder, sinks, start }: RecordingOptions) => {
  const { record } = recorder
  const recordThen = recordThenInAll(sinks)
  /** How many reads have shares that are being recorded. */
  let recording = 0
  let isLooking = false

  /**
   * Records accepted shares in all sinks, and only then queues the replies, which acknowledge them. If a sink fails, no reply is
   * sent and the connection ends. Blocks are submitted first, because they count even if recording fails. Returns `Effect.void`
   * itself if the reader need not wait: then the replies may come later, but in their order.
   */
  const recordThenReply = (downstream: Downstream, step: Step): Effect.Effect<unknown, ShareSinkError> => {
    const { events } = step
    recorder.submitBlocks(events)
    const shares = sinks.length === 0 ? NO_SHARES : events.filter((event) => event._tag === "ShareAccepted")
    if (shares.length === 0 && !downstream.isHolding) {
      const recorded = record(events)
      step.reply(step.replies)
      step.replied()
      return recorded
    }
    if (!isReadonlyArrayNonEmpty(shares)) {
      const held = new HeldStep(step, recordBeside)
      downstream.hold(held)
      downstream.release(held)
      return Effect.void
    }
    if (recordThen !== undefined) {
      const held = new HeldStep(step, recordBeside)
      downstream.hold(held)
      let isRecording = true
      recording++
      const recorded: Recorded = (failure) => {
        if (isRecording) recording--
        isRecording = false
        if (failure === undefined && downstreams.has(downstream.id)) {
          try {
            return downstream.release(held)
          } catch (defect) {
            // The sink goes on with the shares of others.
            return downstream.evict({ reason: "share_log", message: `a defect behind a share: ${String(defect)}` })
          }
        }
        recordBeside(withoutShares(events))
        if (failure !== undefined) downstream.evict({ reason: "share_log", message: failure.message })
      }
      try {
        recordThen(shares, recorded)
      } catch (defect) {
        if (isRecording) recording--
        downstream.dropReplies()
        throw defect
      }
      if (isRecording) lookForLate()
      return Effect.void
    }
    const held = new HeldStep(step, () => {})
    downstream.hold(held)
    return Effect.suspend(() => {
      recording++
      lookForLate()
      return recordInAll(sinks, shares)
    }).pipe(
      Effect.onExit((exit) => {
        recording--
        return record(Exit.isSuccess(exit) ? events : withoutShares(events))
      }),
      Effect.tap(() => Effect.sync(() => downstream.release(held)))
    )
  }

  /** Lets connections go on whose shares take long to record. Looks for them while shares are being recorded. */
  const lookForLate = (): void => {
    if (isLooking) return
    isLooking = true
    start(look)
  }
  const look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(LOOK), () => {
      const since = now() - LATE_MS
      for (const downstream of downstreams.values()) downstream.goOn(since)
      isLooking = recording > 0
      return isLooking ? look : Effect.void
    })
  )

  /** Records events, and lets nobody wait if a slow subscriber has to be waited for. */
  const recordBeside = (events: ReadonlyArray<MiningServerEvent>): void => {
    const recorded = record(events)
    if (recorded !== Effect.void) start(Effect.asVoid(recorded))
  }

  return {
    recordThenReply,
    /** Whether a step has shares to record, or has to wait behind one that has. */
    isDue: (downstream: Downstream, events: ReadonlyArray<MiningServerEvent>): boolean =>
      downstream.isHolding || (sinks.length > 0 && events.some(isAccepted)),
    /** Whether readers wait until their shares are recorded. */
    isAwaited: recordThen === undefined,
    /** Whether a share sink is recording now. */
    get isRecording() {
      return recording > 0
    }
  }
}

const isAccepted = ({ _tag }: MiningServerEvent): boolean => _tag === "ShareAccepted"

const NO_SHARES: ReadonlyArray<ShareAccepted> = []
