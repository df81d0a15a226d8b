/**
 * Serves connections of miners and proxies: answers each read of a socket with one step of the connection's channel server, and
 * frees everything at the end of the connection.
 */
import type { ChannelEvent, ChannelInfo, ShareAccepted, ShareValidator } from "@sluice/channels"
import { type Mining, printable } from "@sluice/protocol"
import {
  type ConnectionError,
  type Device,
  eachBatch,
  endReason,
  formatEndpoint,
  type Rest,
  type ThrottledLog
} from "@sluice/transport"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import { Cause, type Clock, Duration, Effect, Exit, FiberSet, Option } from "effect"
import type { MiningServerEvent } from "../event.ts"
import type { MiningServerRules } from "../options.ts"
import type { Recorder } from "../shares/recorder.ts"
import { ShareSinkError } from "../shares/share-sink.ts"
import type { MiningServerMetrics } from "../statistics/metrics.ts"
import type { Work } from "../work-source/work-source.ts"
import { WaitingAcknowledgements } from "./acknowledgements.ts"
import { type Admission, isOpen } from "./admission.ts"
import { Downstream, type Eviction, type LateReads, type MiningConnection, type ReadFailure } from "./downstream.ts"
import { makeRecording } from "./recording.ts"
import { ShownUsers } from "./shown-users.ts"
import { makeSourceChannels } from "./source-channels.ts"
import { loadOf } from "./traffic.ts"
import { inParts } from "./turns.ts"

/** How long the server tries to send the last replies of a connection that ends. */
const FLUSH_TIMEOUT = Duration.seconds(1)
/** How many messages of one connection the server answers in one turn of the event loop: some milliseconds if they open channels. */
const ANSWERED_AT_ONCE = 128

/** The reason code of CloseChannel when a channel gives its place to another address. */
export const CHANNEL_GAVE_WAY = "channel-gave-way"

/** Vendors in SetupConnection whose V2 firmware ignores SetExtranoncePrefix, and CloseChannel too. */
const TAKE_NO_PREFIX: ReadonlySet<string> = new Set(["bitaxe"])

/** Evicted peers that get their last messages. Others do not read, or need no more. */
const GET_LAST_MESSAGES: ReadonlySet<Eviction["reason"]> = new Set(["no_templates", "new_prefix", "share_log"])

export interface ConnectionsOptions {
  /** The open connections, by id. */
  readonly downstreams: Map<number, Downstream>
  readonly rules: MiningServerRules
  readonly work: Work
  readonly admission: Admission
  readonly validator: ShareValidator
  readonly recorder: Recorder
  readonly metrics: MiningServerMetrics
  readonly throttled: ThrottledLog
  readonly clock: Clock.Clock
  readonly sourceName: string
  /** Why the server turns connections away now; undefined if it accepts them. */
  readonly closed: () => "stopping" | "no_templates" | undefined
}

/** Serves connections. */
export const makeConnections = Effect.fnUntraced(function* (options: ConnectionsOptions) {
  const { admission, clock, validator, metrics, throttled, recorder, rules, downstreams, work } = options
  const { record: tell } = recorder
  const now = () => clock.currentTimeMillisUnsafe()
  const shownUsers = new ShownUsers()
  const source = work.openChannel === undefined ? undefined : makeSourceChannels(work.openChannel, admission)
  /** Connections whose channels at the source have changes. */
  const changed = new Set<Downstream>()
  /** Runs writes that nobody waits for. */
  const start = yield* FiberSet.makeRuntime<never, void>()
  let nextId = rules.firstConnectionId
  const waiting = new WaitingAcknowledgements<Downstream>(rules.acknowledgements, {
    now,
    start,
    acknowledge: (downstream) => downstream.sendAcknowledgements()
  })
  let reads = 0
  const late: LateReads = { count: 0 }
  const recording = makeRecording({ downstreams, start, now, sinks: rules.shareSinks })
  /** The shares of the read that is being answered, if there are sinks for them. */
  const accepted: Array<ShareAccepted> = []
  const toRecord = rules.shareSinks.length === 0 ? {} : { onAccepted: (share: ShareAccepted) => accepted.push(share) }

  const serve = Effect.fnUntraced(function* (connection: MiningConnection) {
    const { remote } = connection
    const closed = options.closed()
    if (closed !== undefined) {
      metrics.turnedAway(closed)
      const why = closed === "stopping" ? "the server stops" : `there is no ${options.sourceName}`
      return yield* throttled.log(`turned away: ${closed}`, `${formatEndpoint(remote)} is turned away: ${why}`, "Warn")
    }
    const fiber = yield* Effect.fiber
    const space = rules.space.of(remote.host, (channel) => giveWay(downstream, channel))
    const shown = shownUsers.of(remote.host)
    const customJobs = rules.customWork?.of(remote.host)
    const downstream: Downstream = new Downstream(connection, {
      id: nextId++,
      work,
      contextFor: (group) => {
        const context = {
          jobs: group.jobs,
          policy: admission.policyFor(group),
          validator,
          space,
          shown,
          ...toRecord,
          ...(customJobs === undefined ? {} : { customJobs })
        }
        return source === undefined
          ? context
          : { ...context, source: { opened: source.opened, onChange: () => changed.add(downstream) } }
      },
      onBatch,
      onEvents: (events) => {
        if (space.note(events)) connection.standing?.worked()
      },
      acknowledgements: rules.acknowledgements,
      onWaiting: (waits) => {
        if (waits) waiting.add(downstream)
        else waiting.remove(downstream)
      },
      takesPrefixes: connection.takesPrefixes === true || !TAKE_NO_PREFIX.has(connection.setup.device.vendor),
      now,
      tell,
      withoutLost: recording.withoutLost,
      maxPendingBytes: rules.maxPendingBytes,
      limits: rules.traffic,
      interrupt: () => fiber.interruptUnsafe(),
      late,
      start
    })
    const device = printableDevice(connection.setup.device)
    // Always removes the connection, even if it is interrupted at once.
    yield* Effect.acquireUseRelease(
      Effect.suspend(() => {
        downstreams.set(downstream.id, downstream)
        return tell([{ _tag: "ConnectionOpened", connectionId: downstream.id, remote, device }])
      }),
      () => eachBatch(connection, downstream),
      (_, exit) => end(downstream, exit)
    ).pipe(Effect.catchTag("ShareSinkError", () => Effect.void))
  })

  /** Closes a channel to make room for another address. */
  const giveWay = (downstream: Downstream, { channelId, userIdentity }: ChannelInfo): void => {
    const answered = answerWaiting(downstream, channelId)
    const closed = downstream.run((machine, out) => machine.closeChannel(channelId, CHANNEL_GAVE_WAY, now(), out))
    downstream.send()
    metrics.channelGaveWay()
    const limit = `all ${rules.maxChannelsInAll} channels are taken (maxChannelsInAll), and its address has most of them`
    const message = `${printable(userIdentity)} at ${formatEndpoint(downstream.connection.remote)} loses a channel: ${limit}`
    start(Effect.andThen(downstream.tell([...answered, ...closed]), throttled.log(CHANNEL_GAVE_WAY, message, "Warn")))
  }

  /**
   * Refuses the shares of a channel, of a group, or of the connection that wait for a verdict of the source, before that is closed. Those
   * that the source has accepted behind them are recorded before they are acknowledged, as all are. Returns the events.
   */
  const answerWaiting = (downstream: Downstream, channelId?: number): ReadonlyArray<ChannelEvent> => {
    if (source === undefined) return []
    // A channel may give way in the middle of another connection's step, which has accepted shares too.
    const others = accepted.splice(0)
    try {
      const events = downstream.run((machine, out) => machine.answerWaiting(now(), out, channelId))
      try {
        start(orEvict(downstream, record(downstream, events) ?? Effect.void))
      } catch (defect) {
        downstream.evict({ reason: "share_log", message: `a defect behind a share: ${String(defect)}` })
      }
      return events
    } finally {
      accepted.push(...others)
    }
  }

  /** Answers a read. Returns what has to be waited for. */
  const onBatch = (downstream: Downstream, batch: ReadonlyArray<Mining.ToServer>): Rest<ReadFailure> => {
    const begun = clock.monotonicTimeNanosUnsafe()
    const verdicts = admission.verdictsOn(batch, downstream.machine)
    if (source === undefined && verdicts === undefined && batch.length <= ANSWERED_AT_ONCE) {
      reads++
      return exchange(downstream, batch, begun, loadOf(batch))
    }
    if (source !== undefined) {
      const answer = (some: ReadonlyArray<Mining.ToServer>, received: number) =>
        downstream.oneByOne(() => exchange(downstream, some, begun, received) ?? Effect.void)
      if (verdicts === undefined) return inTurns(batch, answer)
      return Effect.flatMap(verdicts, (verdicts) =>
        source.whileOpen(
          downstream.machine,
          batch,
          verdicts,
          (step) =>
            inTurns(batch, (some, received) =>
              downstream.oneByOne(() => step(() => exchange(downstream, some, begun, received) ?? Effect.void))
            ) ?? Effect.void
        )
      )
    }
    if (verdicts === undefined) return inTurns(batch, (some, received) => exchange(downstream, some, begun, received))
    return Effect.flatMap(
      verdicts,
      (verdicts) =>
        inTurns(batch, (some, received) => {
          chooseGroup(downstream, some)
          return admission.withVerdicts(verdicts, () => exchange(downstream, some, begun, received))
        }) ?? Effect.void
    )
  }

  /**
   * Answers a read in parts, and reads from other connections in between: a thousand messages take long to answer, and their
   * answers can be ten times their size. At most the answers of one part wait for a peer that does not read. `answer` gets the
   * load of the read with the last part, and 0 with the others.
   */
  const inTurns = (
    batch: ReadonlyArray<Mining.ToServer>,
    answer: (some: ReadonlyArray<Mining.ToServer>, received: number) => Rest<ReadFailure>,
    received = loadOf(batch)
  ): Rest<ReadFailure> => {
    reads++
    if (batch.length <= ANSWERED_AT_ONCE) return answer(batch, received)
    const [some, rest] = [batch.slice(0, ANSWERED_AT_ONCE), batch.slice(ANSWERED_AT_ONCE)]
    const next = Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => inTurns(rest, answer, received) ?? Effect.void)
    )
    return Effect.andThen(answer(some, 0) ?? Effect.void, next)
  }

  /**
   * Answers messages in one step of the channel server, sends the answers, and slows down a peer that sends too much. All of it is
   * done at once if no share sink, no full window and no limit is in the way.
   */
  const exchange = (
    downstream: Downstream,
    batch: ReadonlyArray<Mining.ToServer>,
    begun: bigint,
    received: number
  ): Rest<ReadFailure> => {
    const at = now()
    const { queue } = downstream
    const events = read(downstream, batch, at)
    // Taken first: if a sink has a defect, nothing of it is sent.
    const replies = downstream.takeReplies()
    const recorded = record(downstream, events)
    let told: Effect.Effect<unknown> = Effect.void
    if (events.length > 0 || replies.length > 0) {
      const reply = (some: typeof replies, isLast: boolean) => {
        downstream.reply(some, at)
        if (isLast) countReply(begun, received)
      }
      const isPatient = recorded === undefined && downstream.isPatient(events, replies)
      told = downstream.answer({ events, replies, since: at, reply, isPatient })
    }
    const done = recorded === undefined ? told : Effect.andThen(recorded, told)
    const sent =
      done === Effect.void ? (queue.drainNow() ? downstream.room : queue.drain) : Effect.andThen(done, queue.drain)
    const waitMs = received === 0 ? 0 : downstream.slowDown(received, at)
    if (waitMs === 0) return sent
    return Effect.andThen(
      sent ?? Effect.void,
      Effect.suspend(() => slowDown(downstream, waitMs))
    )
  }

  const countReply = (begun: bigint, received: number): void => {
    if (received > 0) metrics.replied(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e9)
  }

  const read = (downstream: Downstream, batch: ReadonlyArray<Mining.ToServer>, at: number, isUrgent = false) => {
    try {
      return downstream.read(batch, at, isUrgent)
    } catch (defect) {
      recording.lose(downstream, accepted.splice(0))
      throw defect
    }
  }

  /**
   * Submits the blocks of a step, which count even if recording fails, and then begins to record its accepted shares. Returns what has to
   * be waited for.
   */
  const record = (
    downstream: Downstream,
    events: ReadonlyArray<MiningServerEvent>
  ): Effect.Effect<void, ShareSinkError> | undefined => {
    try {
      if (events.length > 0) recorder.submitBlocks(events)
    } catch (defect) {
      recording.lose(downstream, accepted.splice(0))
      throw defect
    }
    if (accepted.length === 0) return undefined
    const shares = accepted.splice(0)
    return isReadonlyArrayNonEmpty(shares) ? recording.begin(downstream, shares) : undefined
  }

  /** Passes on the changes that the source made to the channels of a connection. */
  const pass = (downstream: Downstream): Effect.Effect<void> => {
    const passed = downstream.oneByOne(() => {
      if (!downstreams.has(downstream.id)) return Effect.void
      const at = now()
      const events = read(downstream, [], at, true)
      const replies = downstream.takeReplies()
      const recorded = record(downstream, events) ?? Effect.void
      const reply = (some: typeof replies) => downstream.pass(some, at)
      return Effect.andThen(recorded, downstream.answer({ events, replies, since: at, reply }))
    })
    return orEvict(downstream, passed)
  }

  /** Passes on the changes of all channels at the source, some connections in each turn of the event loop. */
  const passChanges = Effect.suspend(() => {
    const parts = inParts(changed, ({ machine }) => machine.channelCount)
    changed.clear()
    return Effect.forEach(
      parts,
      (some) => {
        // A slow share sink keeps only its own connection waiting.
        for (const downstream of some) start(pass(downstream))
        return Effect.yieldNow
      },
      { discard: true }
    )
  })

  /** How many shares wait for the verdict of the source. */
  const waitingShares = (): number => {
    let count = 0
    if (source !== undefined) for (const { machine } of downstreams.values()) count += machine.waitingShares
    return count
  }

  const slowDown = (downstream: Downstream, waitMs: number): Effect.Effect<void> => {
    metrics.slowedDown()
    const peer = formatEndpoint(downstream.connection.remote)
    const limit = `${rules.traffic.maxMessagesPerSecond} messages a second (maxMessagesPerSecond)`
    return Effect.andThen(
      throttled.log(
        "too_many_messages",
        `${peer} sends more than ${limit}: the server reads from it more slowly`,
        "Warn"
      ),
      Effect.sleep(waitMs)
    )
  }

  /** Moves a connection to the group of its first user. */
  const chooseGroup = (downstream: Downstream, batch: ReadonlyArray<Mining.ToServer>): void => {
    if (downstream.machine.emptySince !== 0) return
    for (const message of batch) {
      const group = isOpen(message) ? work.join(message.userIdentity) : undefined
      if (group === undefined) continue
      work.leave(downstream.group)
      downstream.moveTo(group)
      return
    }
  }

  /** Sends the messages that wait, closes the channels, and removes the connection. */
  const end = Effect.fnUntraced(function* (
    downstream: Downstream,
    exit: Exit.Exit<unknown, ConnectionError | ShareSinkError>
  ) {
    const { connection, evicted, queue } = downstream
    const { remote } = connection
    const sinkFailure = Option.filter(failureOf(exit), (error) => error instanceof ShareSinkError)
    const getsLastMessages = evicted === undefined || GET_LAST_MESSAGES.has(evicted.reason)
    if (source !== undefined) {
      yield* tell(answerWaiting(downstream))
      downstream.reply(downstream.takeReplies(), now())
    }
    downstream.acknowledge()
    if ((source !== undefined || !recording.isAwaited) && evicted === undefined) {
      yield* Effect.timeoutOption(Effect.interruptible(downstream.released), FLUSH_TIMEOUT)
    }
    downstream.dropReplies()
    if (getsLastMessages) yield* Effect.ignore(Effect.timeout(Effect.interruptible(queue.flush), FLUSH_TIMEOUT))
    downstreams.delete(downstream.id)
    waiting.remove(downstream)
    const reason = evicted?.message ?? endReason(exit, options.closed() === "stopping")
    const closed = downstream.run((machine, out) => machine.close(reason, now(), out))
    work.leave(downstream.group)
    yield* tell([...closed, { _tag: "ConnectionClosed", connectionId: downstream.id, remote, reason }])
    const peer = formatEndpoint(remote)
    if (Option.isSome(sinkFailure) || evicted?.reason === "share_log") {
      metrics.evicted("share_log")
      const line = `Ended the connection of ${peer}: ${reason}; its shares are not acknowledged until the fault is mended`
      return yield* throttled.log("share_log", line, "Error")
    }
    if (evicted === undefined) return
    metrics.evicted(evicted.reason)
    yield* throttled.log(evicted.reason, `Ended the connection of ${peer}: ${evicted.message}`, "Info")
  })

  return {
    /** How many parts of reads were answered so far. */
    reads: () => reads,
    /** Hurries what share sinks record now. Returns whether they do. */
    hurryRecording: recording.hurry,
    waitingShares,
    answerWaiting,
    passChanges,
    serve
  }
})

/** Ends a connection whose shares could not be recorded. */
const orEvict = (downstream: Downstream, recorded: Effect.Effect<unknown, ShareSinkError>): Effect.Effect<void> =>
  Effect.asVoid(
    recorded.pipe(
      Effect.catchTag("ShareSinkError", ({ message }) =>
        Effect.sync(() => downstream.evict({ reason: "share_log", message }))
      ),
      // Nothing would acknowledge its shares any more.
      Effect.catchDefect((defect) =>
        Effect.sync(() =>
          downstream.evict({ reason: "share_log", message: `a defect behind a share: ${String(defect)}` })
        )
      )
    )
  )

/** Makes the strings of a client safe for logs. */
const printableDevice = ({ deviceId, firmware, hardwareVersion, vendor }: Device): Device => ({
  vendor: printable(vendor),
  hardwareVersion: printable(hardwareVersion),
  firmware: printable(firmware),
  deviceId: printable(deviceId)
})

const failureOf = <E>(exit: Exit.Exit<unknown, E>): Option.Option<E> =>
  Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
