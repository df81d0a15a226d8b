/**
 * The life of one miner's connection in a pool: it is let in, each read of its socket is one exchange with its machine, and
 * it gives everything back at its end.
 */
import type { Server } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { printable } from "@sluice/protocol"
import { type ConnectionError, type Device, formatEndpoint, type Notices } from "@sluice/transport"
import { Cause, type Clock, Duration, Effect, Exit, FiberSet, Option, Stream } from "effect"
import type { PoolMetrics } from "./metrics.ts"
import type { PoolRules } from "./options.ts"
import { splitSoloReward } from "./payout.ts"
import type { Recorder } from "./recorder.ts"
import { type MiningConnection, Session } from "./session.ts"
import { ShareLogError } from "./share-log.ts"
import { ShownUsers } from "./shown-users.ts"
import type { makeGate } from "./user-gate.ts"
import type { Work } from "./work.ts"

/** How long the last replies of a connection that the pool ends may take. */
const FLUSH_TIMEOUT = Duration.seconds(1)
/** Messages of one connection that are answered in one turn of the event loop: some milliseconds where they open channels. */
const ANSWERED_AT_ONCE = 128

/** The reason that a client is told whose channel is closed for another address. */
export const CHANNEL_GAVE_WAY = "channel-gave-way"

export interface ConnectionsOptions {
  /** Those that are served, by id. */
  readonly sessions: Map<number, Session>
  readonly rules: PoolRules
  readonly maxPendingBytes: number
  readonly work: Work
  readonly gate: ReturnType<typeof makeGate>
  readonly recorder: Recorder
  readonly metrics: PoolMetrics
  readonly notices: Notices
  readonly clock: Clock.Clock
  /** Why nobody is let in now, if so. */
  readonly closed: () => "stopping" | "no_templates" | undefined
}

/** Serves connections. */
export const makeConnections = Effect.fnUntraced(function* (options: ConnectionsOptions) {
  const { clock, gate, maxPendingBytes, metrics, notices, recorder, rules, sessions, work } = options
  const { keepShares, record } = recorder
  const now = () => clock.currentTimeMillisUnsafe()
  const shownUsers = new ShownUsers()
  /** Writes to peers that take their time. */
  const start = yield* FiberSet.makeRuntime<never, void>()
  let lastId = 0
  let reads = 0

  const serve = Effect.fnUntraced(function* (connection: MiningConnection) {
    const { remote } = connection
    const closed = options.closed()
    if (closed !== undefined) {
      metrics.turnedAway(closed)
      const why = closed === "stopping" ? "the pool stops" : "there is no template provider"
      return yield* notices.note(`turned away: ${closed}`, `${formatEndpoint(remote)} is turned away: ${why}`, "Warn")
    }
    const fiber = yield* Effect.fiber
    const space = rules.space.of(remote.host, (channel) => giveWay(session, channel))
    const session: Session = new Session(connection, {
      id: ++lastId,
      work,
      space,
      onEvents: (events) => {
        if (space.note(events)) connection.standing?.worked()
      },
      shown: shownUsers.of(remote.host),
      now: now(),
      maxPendingBytes,
      limits: rules.traffic,
      interrupt: () => fiber.interruptUnsafe(),
      start
    })
    const device = printableDevice(connection.setup.device)
    // Whatever ends it, and be it at once: who is in `sessions` leaves it again.
    yield* Effect.acquireUseRelease(
      Effect.suspend(() => {
        sessions.set(session.id, session)
        return record([{ _tag: "ConnectionOpened", connectionId: session.id, remote, device }])
      }),
      () => Stream.runForEachArray(connection.receive, (batch) => onBatch(session, batch)),
      (_, exit) => end(session, exit)
    )
  })

  /** Closes a channel whose place another address gets. */
  const giveWay = (session: Session, { channelId, userIdentity }: Server.ChannelInfo): void => {
    const closed = session.tell((machine, out) => machine.closeChannel(channelId, CHANNEL_GAVE_WAY, now(), out))
    session.send()
    metrics.channelGaveWay()
    const limit = `all ${rules.maxChannelsInAll} are taken (max-channels-in-all), and its address has most`
    const message = `${printable(userIdentity)} at ${formatEndpoint(session.connection.remote)} loses a channel: ${limit}`
    start(Effect.andThen(record(closed), notices.note(CHANNEL_GAVE_WAY, message, "Warn")))
  }

  const onBatch = (session: Session, batch: ReadonlyArray<Mining.ToServer>): Effect.Effect<void, ConnectionError> => {
    const begun = clock.monotonicTimeNanosUnsafe()
    const verdicts = gate.verdictsOn(batch, session.machine.channelCount)
    if (verdicts === undefined) return inTurns(batch, (some, spoken) => exchange(session, some, begun, spoken))
    return Effect.flatMap(verdicts, (verdicts) =>
      inTurns(batch, (some, spoken) => {
        choosePayee(session, some)
        return gate.withVerdicts(verdicts, () => exchange(session, some, begun, spoken))
      })
    )
  }

  /**
   * A read may bring a thousand messages, whose answers take long to find and ten times their room: others are read from
   * in between, and a peer that does not read its answers has no more of them waiting than a part. `answer` is told with
   * the last part how many messages there were.
   */
  const inTurns = (
    batch: ReadonlyArray<Mining.ToServer>,
    answer: (some: ReadonlyArray<Mining.ToServer>, spoken: number) => Effect.Effect<void, ConnectionError>,
    spoken = batch.length
  ): Effect.Effect<void, ConnectionError> => {
    reads++
    if (batch.length <= ANSWERED_AT_ONCE) return answer(batch, spoken)
    const [some, rest] = [batch.slice(0, ANSWERED_AT_ONCE), batch.slice(ANSWERED_AT_ONCE)]
    return Effect.flatMap(answer(some, 0), () =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => inTurns(rest, answer, spoken))
      )
    )
  }

  /** Lets the machine answer, records what it tells, sends what it said, and lets a peer that has spoken too much wait. */
  const exchange = (
    session: Session,
    batch: ReadonlyArray<Mining.ToServer>,
    begun: bigint,
    spoken: number
  ): Effect.Effect<void, ConnectionError> => {
    const at = now()
    const happened = session.tell((machine, out) => machine.receive(batch, at, out))
    // A template or a tick sends what the machine has said: not before the shares are on record.
    const said = session.takeSaid()
    try {
      keepShares(happened)
    } catch (error) {
      // What was said acknowledges them. What else happened did happen, and a block is worth having all the same.
      const noted = record(happened.filter(({ _tag }) => _tag !== "ShareAccepted"))
      if (!(error instanceof ShareLogError)) return Effect.andThen(noted, Effect.die(error))
      const message = `${error.message}; its shares are not acknowledged until that is mended (share-log)`
      session.evict({ reason: "share_log", message })
      return Effect.andThen(noted, Effect.never)
    }
    const recorded = record(happened)
    session.settle(said, at)
    const sent = recorded === Effect.void ? session.outgoing.drain : Effect.andThen(recorded, session.outgoing.drain)
    if (spoken === 0) return sent
    const waitMs = session.slowDown(spoken, at)
    return Effect.flatMap(sent, () => {
      metrics.replied(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e9)
      return waitMs === 0 ? Effect.void : slowDown(session, waitMs)
    })
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

  /** In a solo pool the first channel of a connection says who is paid for all of them. */
  const choosePayee = (session: Session, batch: ReadonlyArray<Mining.ToServer>): void => {
    const { minerScript, payout } = rules
    if (minerScript === undefined || session.machine.emptySince !== 0) return
    for (const message of batch) {
      const script = isOpen(message) ? minerScript(message.userIdentity) : undefined
      if (script === undefined) continue
      const key = Buffer.from(script).toString("hex")
      work.release(session.payee)
      session.mineFor(work.take(key, (reward) => splitSoloReward(payout, script, reward), gate.policyFor(script)))
      return
    }
  }

  /** Sends what was said already, and gives everything back. */
  const end = Effect.fnUntraced(function* (session: Session, exit: Exit.Exit<unknown, ConnectionError>) {
    const { connection, evicted, outgoing } = session
    const { remote } = connection
    // Who has nothing to hear, or does not listen, is not waited for.
    if (evicted === undefined || evicted.reason === "no_templates") {
      yield* Effect.ignore(Effect.timeout(Effect.interruptible(outgoing.flush), FLUSH_TIMEOUT))
    }
    sessions.delete(session.id)
    const reason = evicted?.message ?? reasonOf(exit)
    const closed = session.tell((machine, out) => machine.close(reason, now(), out))
    work.release(session.payee)
    yield* record([...closed, { _tag: "ConnectionClosed", connectionId: session.id, remote, reason }])
    if (evicted === undefined) return
    metrics.evicted(evicted.reason)
    const level = evicted.reason === "share_log" ? "Error" : "Info"
    yield* notices.note(evicted.reason, `Ended the connection of ${formatEndpoint(remote)}: ${evicted.message}`, level)
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

/** For logs: nothing in it forges a line. */
const printableDevice = ({ deviceId, firmware, hardwareVersion, vendor }: Device): Device => ({
  vendor: printable(vendor),
  hardwareVersion: printable(hardwareVersion),
  firmware: printable(firmware),
  deviceId: printable(deviceId)
})

const reasonOf = (exit: Exit.Exit<unknown, ConnectionError>): string =>
  Exit.match(exit, {
    onSuccess: () => "the connection ended",
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onNone: () => (Cause.hasDies(cause) ? "a defect of the pool" : "the pool stops"),
        onSome: ({ message }) => message
      })
  })
