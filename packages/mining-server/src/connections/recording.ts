/** Records the accepted shares of a step before its replies acknowledge them. */
import type { ShareAccepted } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Duration, Effect, Exit } from "effect"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import type { MiningServerEvent } from "../event.ts"
import type { Recorder } from "../shares/recorder.ts"
import {
  recordInAll,
  recordLaterInAll,
  type Recording,
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
  /** Whether no reply may wait for company. */
  readonly isUrgent: boolean
  /** Queues replies: all at once, or the acknowledgements after the others. */
  reply(some: ReadonlyArray<Mining.ToClient>): void
  /** Called when all are queued, or wait for nothing but company. */
  replied(): void
}

/** A step whose replies wait. */
class HeldStep implements Held {
  readonly isAnnouncement = false
  isReady = false
  readonly #step: Step
  readonly #record: ((events: ReadonlyArray<MiningServerEvent>) => void) | undefined
  #replies: ReadonlyArray<Mining.ToClient>

  /** `record` is called with its events before the replies are queued; without it they are recorded elsewhere. */
  constructor(step: Step, record?: (events: ReadonlyArray<MiningServerEvent>) => void) {
    this.#step = step
    this.#record = record
    this.#replies = step.replies
  }

  get since(): number {
    return this.#step.at
  }

  run(): void {
    this.#record?.(this.#step.events)
    this.#step.reply(this.#replies)
    if (this.#record !== undefined) this.#step.replied()
  }

  runEarly(): void {
    this.#step.reply(this.#replies.filter((message) => !isAcknowledgement(message)))
    this.#replies = this.#replies.filter(isAcknowledgement)
  }

  drop(): void {
    this.#record?.(this.#step.events)
  }
}

/** Something that share sinks are recording. */
interface Open {
  /** When it began. */
  readonly since: number
}

/** The reads whose shares are recorded together. Their connections need not be looked at when that is done. */
class OpenRecording implements Open {
  readonly recording: Recording
  readonly since: number
  readonly downstreams: Array<Downstream> = []
  readonly steps: Array<Step> = []

  constructor(recording: Recording, since: number) {
    this.recording = recording
    this.since = since
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
  const recordLater = recordLaterInAll(sinks)
  /** The oldest first. */
  const open = new Set<Open>()
  /** The newest one that `recordLater` has begun. */
  let newest: OpenRecording | undefined
  let isLooking = false

  /**
   * Records accepted shares in all sinks, and only then queues the replies, which acknowledge them. If a sink fails, no reply is
   * sent and the connection ends. Blocks are submitted first, because they count even if recording fails. Returns `Effect.void`
   * itself if the reader need not wait: then the replies may come later, but in their order.
   */
  const recordThenReply = (downstream: Downstream, step: Step): Effect.Effect<unknown, ShareSinkError> => {
    const { events, replies } = step
    recorder.submitBlocks(events)
    const shares = sharesOf(events)
    if (sinks.length === 0 || !isReadonlyArrayNonEmpty(shares)) {
      if (!downstream.mustHold()) return replyNow(step)
      holdReady(downstream, step)
      return Effect.void
    }
    if (recordLater === undefined) {
      const held = new HeldStep(step)
      downstream.hold(held)
      return Effect.suspend(() => {
        const opened = begin({ since: step.at })
        return Effect.onExit(recordInAll(sinks, shares), (exit) => {
          open.delete(opened)
          return record(Exit.isSuccess(exit) ? events : withoutShares(events))
        })
      }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            downstream.release(held)
            step.replied()
          })
        )
      )
    }
    const recording = recordLater(shares)
    if (recording.isRecorded) {
      if (!downstream.mustHold() && !downstream.hasHeld) return replyNow(step)
      holdReady(downstream, step)
      return Effect.void
    }
    if (recording.failure !== undefined) {
      recordBeside(withoutShares(events))
      downstream.evict({ reason: "share_log", message: recording.failure.message })
      return Effect.void
    }
    if (newest?.recording !== recording) newest = openRecording(recording, step.at)
    newest.downstreams.push(downstream)
    newest.steps.push(step)
    if (downstream.acknowledgeLater(replies, step.at, step.isUrgent, recording)) return Effect.void
    const held = new HeldStep(step)
    downstream.hold(held)
    downstream.releaseAfter(recording, held)
    return Effect.void
  }

  const replyNow = (step: Step): Effect.Effect<unknown> => {
    const recorded = record(step.events)
    step.reply(step.replies)
    step.replied()
    return recorded
  }

  /** Holds a step for the sake of those before it. */
  const holdReady = (downstream: Downstream, step: Step): void => {
    const held = new HeldStep(step, recordBeside)
    downstream.hold(held)
    downstream.release(held)
  }

  const openRecording = (recording: Recording, since: number): OpenRecording => {
    const opened = begin(new OpenRecording(recording, since))
    recording.onEnd((failure) => {
      open.delete(opened)
      if (newest === opened) newest = undefined
      tell(opened, failure)
    })
    return opened
  }

  /** Records the events of all reads whose shares were recorded together, or ends their connections. */
  const tell = ({ downstreams, steps }: OpenRecording, failure: ShareSinkError | undefined): void => {
    let message = failure?.message
    try {
      const events = steps.flatMap(({ events }) => events)
      recordBeside(failure === undefined ? events : withoutShares(events))
      if (failure === undefined) for (const step of steps) step.replied()
    } catch (defect) {
      // The sink goes on with other shares.
      message = `a defect behind a share: ${String(defect)}`
    }
    if (message === undefined) return
    for (const downstream of downstreams) downstream.evict({ reason: "share_log", message })
  }

  const begin = <One extends Open>(one: One): One => {
    open.add(one)
    if (!isLooking) {
      isLooking = true
      start(look)
    }
    return one
  }

  /** Lets connections go on whose shares take long to record. Looks for them while shares are being recorded. */
  const look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(LOOK), () => {
      const since = now() - LATE_MS
      const [oldest] = open
      if (oldest !== undefined && oldest.since <= since) {
        for (const downstream of downstreams.values()) downstream.goOn(since)
      }
      isLooking = oldest !== undefined
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
      sinks.length > 0 && (events.some(isAccepted) || downstream.mustHold()),
    /** Whether readers wait until their shares are recorded. */
    isAwaited: recordLater === undefined,
    /** Whether a share sink is recording now. */
    get isRecording() {
      return open.size > 0
    }
  }
}

const isAccepted = (event: MiningServerEvent): event is ShareAccepted => event._tag === "ShareAccepted"

/** Most reads have nothing else. */
const sharesOf = (events: ReadonlyArray<MiningServerEvent>): ReadonlyArray<ShareAccepted> =>
  events.every(isAccepted) ? events : events.filter(isAccepted)
