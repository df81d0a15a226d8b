/** Records accepted shares in the sinks, and looks for connections that have waited long for it. */
import type { ShareAccepted } from "@sluice/channels"
import { Effect, Exit } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { MiningServerEvent } from "../event.ts"
import { recordInAll, recordLaterInAll, Recording, type ShareSink, ShareSinkError } from "../shares/share-sink.ts"
import type { Downstream } from "./downstream.ts"

/** How long a connection waits for share sinks before it goes on without its acknowledgements. */
const LATE_MS = 1_000
/** How often the server looks for such connections. */
const LOOK_MS = 500

/** The shares that are recorded together, and their connections, which are not looked at when that is done. */
class Open {
  readonly recording: Recording
  /** When it began. */
  readonly since: number
  /** Once for each read that had such shares. */
  readonly downstreams: Array<Downstream> = []
  readonly shares: Array<ShareAccepted> = []

  constructor(recording: Recording, since: number) {
    this.recording = recording
    this.since = since
  }
}

export interface RecordingOptions {
  /** The open connections, by id. */
  readonly downstreams: ReadonlyMap<number, Downstream>
  readonly sinks: ReadonlyArray<ShareSink>
  readonly now: () => number
  /** Runs what nobody waits for. */
  readonly start: (effect: Effect.Effect<void>) => void
}

export const makeRecording = ({ downstreams, now, sinks, start }: RecordingOptions) => {
  const recordLater = recordLaterInAll(sinks)
  /** The oldest first. */
  const open = new Map<Recording, Open>()
  /** Accepted shares that could not be recorded. */
  const lost = new WeakSet<ShareAccepted>()
  /** The one that shares were added to last: most shares have company. */
  let last: Open | undefined
  let isLooking = false

  /**
   * Begins to record shares of a read in all sinks. Nothing of the connection acknowledges them before that is done; if a sink fails,
   * nothing ever does, and the connection ends. Returns what the reader has to wait for.
   */
  const begin = (
    downstream: Downstream,
    shares: NonEmptyReadonlyArray<ShareAccepted>
  ): Effect.Effect<void, ShareSinkError> | undefined => {
    if (recordLater === undefined) {
      const recording = new Recording()
      downstream.waitFor(recording, firstOf(shares))
      return Effect.suspend(() => {
        follow(recording)
        return Effect.onExit(recordInAll(sinks, shares), (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) for (const share of shares) lost.add(share)
            recording.end(Exit.isSuccess(exit) ? undefined : NOT_RECORDED)
          })
        )
      })
    }
    try {
      const recording = recordLater(shares)
      if (recording.isRecorded) return undefined
      const opened = last?.recording === recording ? last : (open.get(recording) ?? follow(recording))
      last = opened
      opened.downstreams.push(downstream)
      for (const share of shares) opened.shares.push(share)
      downstream.waitFor(recording, firstOf(shares))
      // It may have failed at once.
      if (recording.isEnded) end(opened)
      return undefined
    } catch (defect) {
      lose(downstream, shares)
      throw defect
    }
  }

  /** Nothing acknowledges these shares: for a defect on the way to the sinks. */
  const lose = (downstream: Downstream, shares: ReadonlyArray<ShareAccepted>): void => {
    for (const share of shares) {
      lost.add(share)
      downstream.waitFor(Recording.failed(NOT_RECORDED), share.at)
    }
  }

  const follow = (recording: Recording): Open => {
    const opened = new Open(recording, now())
    if (recording.isEnded) return opened
    open.set(recording, opened)
    recording.onEnd(() => end(opened))
    if (!isLooking) {
      isLooking = true
      start(look)
    }
    return opened
  }

  const end = (opened: Open): void => {
    open.delete(opened.recording)
    if (last === opened) last = undefined
    const { failure } = opened.recording
    if (failure === undefined) return
    for (const share of opened.shares) lost.add(share)
    for (const downstream of opened.downstreams) downstream.evict({ reason: "share_log", message: failure.message })
  }

  /** Lets connections go on whose shares take long to record. Looks for them while shares are being recorded. */
  const look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(LOOK_MS), () => {
      const at = now()
      const since = at - LATE_MS
      const [oldest] = open.values()
      // Its shares may be patient, but a sink may wait for ever while nothing hurries it.
      for (const { recording, since } of open.values()) if (since <= at - LOOK_MS || since > at) recording.hurry()
      // The clock may have been set back meanwhile.
      if (oldest !== undefined && (oldest.since <= since || oldest.since > at)) {
        for (const downstream of downstreams.values()) downstream.goOn(since)
      }
      isLooking = oldest !== undefined
      return isLooking ? look : Effect.void
    })
  )

  return {
    begin,
    lose,
    /** Leaves out shares that could not be recorded. */
    withoutLost: (events: ReadonlyArray<MiningServerEvent>): ReadonlyArray<MiningServerEvent> =>
      events.filter((event) => event._tag !== "ShareAccepted" || !lost.has(event)),
    /** Whether readers wait until their shares are recorded. */
    isAwaited: recordLater === undefined,
    /** Hurries what share sinks record now. Returns whether they do. */
    hurry: (): boolean => {
      for (const recording of open.keys()) recording.hurry()
      return open.size > 0
    }
  }
}

/** When the first of these shares came. The verdicts of a source may come in another order. */
const firstOf = (shares: NonEmptyReadonlyArray<ShareAccepted>): number => {
  let first = shares[0].at
  for (const { at } of shares) if (at < first) first = at
  return first
}

const NOT_RECORDED = new ShareSinkError({ message: "its shares were not recorded" })
