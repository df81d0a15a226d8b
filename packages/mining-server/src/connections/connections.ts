/**
 * The life of one connection of a miner or a proxy: the server lets it in, answers each read of its socket with one step of
 * its machine, and takes everything back at its end.
 */
import type { ChannelInfo, ShareValidator } from "@sluice/channels"
import { type Mining, printable } from "@sluice/protocol"
import { type ConnectionError, type Device, formatEndpoint, type Notices } from "@sluice/transport"
import { Cause, type Clock, Duration, Effect, Exit, FiberSet, Option, Stream } from "effect"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import type { MiningServerEvent } from "../event.ts"
import type { MiningServerRules } from "../options.ts"
import type { Recorder } from "../shares/recorder.ts"
import { recordInAll, ShareSinkError } from "../shares/share-sink.ts"
import type { PoolMetrics } from "../statistics/metrics.ts"
import type { Work } from "../work/work-source.ts"
import type { Admission } from "./admission.ts"
import { type MiningConnection, Session } from "./session.ts"
import { ShownUsers } from "./shown-users.ts"

/** How long the last replies of a connection may take that the server ends. */
const FLUSH_TIMEOUT = Duration.seconds(1)
/** Messages of one connection that are answered in one turn of the event loop: some milliseconds if they open channels. */
const ANSWERED_AT_ONCE = 128

/** The reason that a client is told whose channel is closed for another address. */
export const CHANNEL_GAVE_WAY = "channel-gave-way"

export interface ConnectionsOptions {
  /** The open connections, by id. */
  readonly sessions: Map<number, Session>
  readonly rules: MiningServerRules
  readonly work: Work
  readonly admission: Admission
  readonly validator: ShareValidator
  readonly recorder: Recorder
  readonly metrics: PoolMetrics
  readonly notices: Notices
  readonly clock: Clock.Clock
  readonly sourceName: string
  /** Why connections are turned away now, if they are. */
  readonly closed: () => "stopping" | "no_templates" | undefined
}

/** Serves connections. */
export const makeConnections = Effect.fnUntraced(function* (options: ConnectionsOptions) {
  const { admission, clock, validator, metrics, notices, recorder, rules, sessions, work } = options
  const { record } = recorder
  const now = () => clock.currentTimeMillisUnsafe()
  const shownUsers = new ShownUsers()
  /** Runs writes to peers that read slowly. */
  const start = yield* FiberSet.makeRuntime<never, void>()
  let lastId = 0
  let reads = 0

  const serve = Effect.fnUntraced(function* (connection: MiningConnection) {
    const { remote } = connection
    const closed = options.closed()
    if (closed !== undefined) {
      metrics.turnedAway(closed)
      const why = closed === "stopping" ? "the server stops" : `there is no ${options.sourceName}`
      return yield* notices.note(`turned away: ${closed}`, `${formatEndpoint(remote)} is turned away: ${why}`, "Warn")
    }
    const fiber = yield* Effect.fiber
    const space = rules.space.of(remote.host, (channel) => giveWay(session, channel))
    const shown = shownUsers.of(remote.host)
    const session: Session = new Session(connection, {
      id: ++lastId,
      work,
      contextFor: (group) => ({ jobs: group.jobs, policy: admission.policyFor(group), validator, space, shown }),
      onEvents: (events) => {
        if (space.note(events)) connection.standing?.worked()
      },
      now: now(),
      maxPendingBytes: rules.maxPendingBytes,
      limits: rules.traffic,
      interrupt: () => fiber.interruptUnsafe(),
      start
    })
    const device = printableDevice(connection.setup.device)
    // Always removes the session, even if it is interrupted at once.
    yield* Effect.acquireUseRelease(
      Effect.suspend(() => {
        sessions.set(session.id, session)
        return record([{ _tag: "ConnectionOpened", connectionId: session.id, remote, device }])
      }),
      () => Stream.runForEachArray(connection.receive, (batch) => onBatch(session, batch)),
      (_, exit) => end(session, exit)
    ).pipe(Effect.catchTag("ShareSinkError", () => Effect.void))
  })

  /** Closes a channel to give its place to another address. */
  const giveWay = (session: Session, { channelId, userIdentity }: ChannelInfo): void => {
    const closed = session.run((machine, out) => machine.closeChannel(channelId, CHANNEL_GAVE_WAY, now(), out))
    session.send()
    metrics.channelGaveWay()
    const limit = `all ${rules.maxChannelsInAll} are taken (max-channels-in-all), and its address has most`
    const message = `${printable(userIdentity)} at ${formatEndpoint(session.connection.remote)} loses a channel: ${limit}`
    start(Effect.andThen(record(closed), notices.note(CHANNEL_GAVE_WAY, message, "Warn")))
  }

  type Answer = Effect.Effect<void, ConnectionError | ShareSinkError>

  const onBatch = (session: Session, batch: ReadonlyArray<Mining.ToServer>): Answer => {
    const begun = clock.monotonicTimeNanosUnsafe()
    const verdicts = admission.verdictsOn(batch, session.machine.channelCount)
    if (verdicts === undefined) return inTurns(batch, (some, received) => exchange(session, some, begun, received))
    return Effect.flatMap(verdicts, (verdicts) =>
      inTurns(batch, (some, received) => {
        chooseGroup(session, some)
        return admission.withVerdicts(verdicts, () => exchange(session, some, begun, received))
      })
    )
  }

  /**
   * Answers a read in parts, and lets others be read from in between: a thousand messages take long to answer, and their
   * answers can be ten times their size. A peer that does not read its answers has those of one part waiting at most. The last
   * part is told how many messages there were; the others are told 0.
   */
  const inTurns = (
    batch: ReadonlyArray<Mining.ToServer>,
    answer: (some: ReadonlyArray<Mining.ToServer>, received: number) => Answer,
    received = batch.length
  ): Answer => {
    reads++
    if (batch.length <= ANSWERED_AT_ONCE) return answer(batch, received)
    const [some, rest] = [batch.slice(0, ANSWERED_AT_ONCE), batch.slice(ANSWERED_AT_ONCE)]
    return Effect.flatMap(answer(some, 0), () =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => inTurns(rest, answer, received))
      )
    )
  }

  /** Answers messages in one step of the machine, sends the answers, and makes a peer wait that sends too many messages. */
  const exchange = (
    session: Session,
    batch: ReadonlyArray<Mining.ToServer>,
    begun: bigint,
    received: number
  ): Answer => {
    const at = now()
    const events = session.run((machine, out) => machine.receive(batch, at, out))
    const replies = session.takeReplies()
    const recorded = recordThenReply(session, events, replies, at)
    const sent = recorded === Effect.void ? session.outgoing.drain : Effect.andThen(recorded, session.outgoing.drain)
    if (received === 0) return sent
    const waitMs = session.slowDown(received, at)
    return Effect.flatMap(sent, () => {
      metrics.replied(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e9)
      return waitMs === 0 ? Effect.void : slowDown(session, waitMs)
    })
  }

  /**
   * Puts accepted shares on record, and only then queues the replies, which acknowledge them. If a sink fails, no reply is sent
   * and the connection ends. A block is submitted before all that, because it is worth having in any case.
   */
  const recordThenReply = (
    session: Session,
    events: ReadonlyArray<MiningServerEvent>,
    replies: ReadonlyArray<Mining.ToClient>,
    at: number
  ): Effect.Effect<unknown, ShareSinkError> => {
    recorder.submitBlocks(events)
    const shares = rules.shareSinks.length === 0 ? [] : events.filter((event) => event._tag === "ShareAccepted")
    if (!isReadonlyArrayNonEmpty(shares)) {
      const recorded = record(events)
      session.reply(replies, at)
      return recorded
    }
    session.hold()
    return recordInAll(rules.shareSinks, shares).pipe(
      Effect.onExit((exit) =>
        record(Exit.isSuccess(exit) ? events : events.filter(({ _tag }) => _tag !== "ShareAccepted"))
      ),
      Effect.tap(() => Effect.sync(() => session.release(replies, at)))
    )
  }

  const slowDown = (session: Session, waitMs: number): Effect.Effect<void> => {
    metrics.slowedDown()
    const peer = formatEndpoint(session.connection.remote)
    const limit = `${rules.traffic.maxMessagesPerSecond} messages a second (max-messages-per-second)`
    return Effect.andThen(
      notices.note("too_many_messages", `${peer} sends more than ${limit} and is read from more slowly`, "Warn"),
      Effect.sleep(waitMs)
    )
  }

  /** Lets a connection's first channel decide its group. */
  const chooseGroup = (session: Session, batch: ReadonlyArray<Mining.ToServer>): void => {
    if (session.machine.emptySince !== 0) return
    for (const message of batch) {
      const group = isOpen(message) ? work.join(message.userIdentity) : undefined
      if (group === undefined) continue
      work.leave(session.group)
      session.moveTo(group)
      return
    }
  }

  /** Sends the replies that wait, and takes everything back. */
  const end = Effect.fnUntraced(function* (
    session: Session,
    exit: Exit.Exit<unknown, ConnectionError | ShareSinkError>
  ) {
    const { connection, evicted, outgoing } = session
    const { remote } = connection
    const sinkFailure = Option.filter(failureOf(exit), (error) => error instanceof ShareSinkError)
    // A peer that is evicted does not listen, or has nothing more to hear.
    if (evicted === undefined || evicted.reason === "no_templates") {
      yield* Effect.ignore(Effect.timeout(Effect.interruptible(outgoing.flush), FLUSH_TIMEOUT))
    }
    sessions.delete(session.id)
    const reason = evicted?.message ?? reasonOf(exit)
    const closed = session.run((machine, out) => machine.close(reason, now(), out))
    work.leave(session.group)
    yield* record([...closed, { _tag: "ConnectionClosed", connectionId: session.id, remote, reason }])
    const peer = formatEndpoint(remote)
    if (Option.isSome(sinkFailure)) {
      metrics.evicted("share_log")
      const line = `Ended the connection of ${peer}: ${reason}; its shares are not acknowledged until that is mended`
      return yield* notices.note("share_log", line, "Error")
    }
    if (evicted === undefined) return
    metrics.evicted(evicted.reason)
    yield* notices.note(evicted.reason, `Ended the connection of ${peer}: ${evicted.message}`, "Info")
  })

  return {
    /** How many reads of sockets there were. */
    reads: () => reads,
    serve
  }
})

const isOpen = (
  message: Mining.ToServer
): message is Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel =>
  message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"

/** Makes a client's strings safe for logs. */
const printableDevice = ({ deviceId, firmware, hardwareVersion, vendor }: Device): Device => ({
  vendor: printable(vendor),
  hardwareVersion: printable(hardwareVersion),
  firmware: printable(firmware),
  deviceId: printable(deviceId)
})

const failureOf = <E>(exit: Exit.Exit<unknown, E>): Option.Option<E> =>
  Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()

const reasonOf = (exit: Exit.Exit<unknown, ConnectionError | ShareSinkError>): string =>
  Exit.match(exit, {
    onSuccess: () => "the connection ended",
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onNone: () => (Cause.hasDies(cause) ? "a defect of the server" : "the server stops"),
        onSome: ({ message }) => message
      })
  })
