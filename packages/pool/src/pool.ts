/**
 * A mining pool: templates come from a `TemplateSource`, miners and proxies from a `MiningListener`, and between them
 * stands one machine of @sluice/channels for each connection. This is the shell: it pulls a batch, lets the machine speak,
 * records what was accepted and sends what was said, one step of Effect for each read of a socket.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { Server } from "@sluice/channels"
import { type Mining, printable } from "@sluice/protocol"
import { type TemplateMessage, TemplateSource } from "@sluice/template-provider"
import {
  type ConnectionError,
  type Device,
  type Endpoint,
  formatEndpoint,
  makeNotices,
  MiningListener
} from "@sluice/transport"
import { Cause, Clock, Context, Duration, Effect, Exit, FiberSet, Layer, Option, PubSub, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { PoolEvent } from "./event.ts"
import { JobIds } from "./job-ids.ts"
import { makeMetrics } from "./metrics.ts"
import { constraintsOf, type PoolOptionError, type PoolOptions, rulesOf, setupOf } from "./options.ts"
import { splitSoloReward } from "./payout.ts"
import { untilQuiet } from "./quiet.ts"
import { type MiningConnection, Session } from "./session.ts"
import { ShareLogError } from "./share-log.ts"
import { makeStatistics, type Statistics } from "./statistics.ts"
import { PoolCounters } from "./stats.ts"
import { Upstream, type UpstreamVerdict } from "./upstream.ts"
import { makeGate } from "./user-gate.ts"
import { Users } from "./users.ts"
import { type Payee, Work } from "./work.ts"

export class Pool extends Context.Service<
  Pool,
  {
    readonly address: Endpoint
    /**
     * What happens from the moment of subscription on. A subscriber that is far behind misses the oldest events: what
     * must not miss a share uses `onShare`.
     */
    readonly events: Stream.Stream<PoolEvent>
  } & Statistics
>()("sluice/pool/Pool") {
  /** Serves as long as the layer lives. Miners may come before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, PoolOptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, make(options))

  /** What `Setup.server(MiningListener, ...)` has to be told for this pool: the flags that it can meet. */
  static readonly setup = setupOf

  /** What `TemplateClient.layer` has to be told: the room that this pool's coinbase takes. Throws where nobody can be paid. */
  static readonly constraints = constraintsOf
}

/** Reads of sockets whose events wait for a slow subscriber. */
const EVENT_BUFFER = 4096
/** How often difficulties are reviewed and idle connections looked for. */
const TICK = Duration.seconds(5)
/** Connections that are told of a new job in one turn of the event loop: some milliseconds. */
const SENT_AT_ONCE = 128
/** How long the last replies of a connection that the pool ends may take. */
const FLUSH_TIMEOUT = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: PoolOptions) {
  const jobIds = yield* yield* JobIds
  const rules = yield* rulesOf(options, jobIds.next() % 2 ** 32)
  const { coinbase, payout, policy, space } = rules
  const { channelTimeout = "1 minute", maxPendingBytes = 1024 * 1024, onShare, onShares, reconnectTo } = options
  const channelTimeoutMs = Duration.toMillis(channelTimeout)
  const listener = yield* MiningListener
  const source = yield* TemplateSource
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const notices = yield* makeNotices()
  const gate = makeGate(options.validateUser, policy, rules.minerScript)
  const judge = new Server.ShareJudge(policy)
  const work = new Work({ coinbase, space, judge, policy: gate.policyFor(undefined), nextJobId: jobIds.next })
  const counters = new PoolCounters(now())
  const users = new Users(options.maxIdleUsers ?? 10_000)
  const upstream = new Upstream(Duration.toMillis(options.upstreamTimeout ?? "10 minutes"), now())
  const sessions = new Set<Session>()
  let lastConnectionId = 0
  let lastTemplateAt = 0
  let batches = 0
  let isStopping = false
  const metrics = yield* makeMetrics({
    counters,
    connections: () => sessions.size,
    users: () => users.size,
    payees: () => work.payees,
    hashRate: () => counters.work.rates(now()).fiveMinutes,
    height: () => work.jobs.current?.height ?? 0,
    isUpstreamConnected: () => upstream.state._tag === "Connected",
    lastTemplateAt: () => lastTemplateAt / 1000
  })
  const events = yield* Effect.acquireRelease(
    PubSub.sliding<NonEmptyReadonlyArray<PoolEvent>>(EVENT_BUFFER),
    PubSub.shutdown
  )
  /** Refusals that are limits of the operator's, by error code. */
  const channelLimits: ReadonlyMap<string, string> = new Map([
    [Server.TOO_MANY_CHANNELS, `its connection has ${policy.maxChannels} already (max-channels)`],
    [Server.EXTRANONCE_SPACE_EXHAUSTED, `there are ${rules.maxChannelsInAll} in all (max-channels-in-all)`]
  ])
  /** Blocks on their way. */
  const submissions = yield* FiberSet.make<void>()
  const startSubmission = yield* FiberSet.runtime(submissions)()
  /** Writes to peers that take their time. */
  const start = yield* FiberSet.makeRuntime<never, void>()

  /** Puts accepted shares on record; throws where they cannot be. */
  const keepShares = (happened: ReadonlyArray<PoolEvent>): void => {
    if (onShares === undefined && onShare === undefined) return
    const shares = happened.filter((event) => event._tag === "ShareAccepted")
    if (!isReadonlyArrayNonEmpty(shares)) return
    onShares?.(shares)
    if (onShare !== undefined) for (const share of shares) onShare(share)
  }

  /** Takes note of events; a block is on its way when this returns. */
  const record = (happened: ReadonlyArray<PoolEvent>): Effect.Effect<unknown> => {
    if (!isReadonlyArrayNonEmpty(happened)) return Effect.void
    const at = now()
    let noted: Effect.Effect<void> | undefined
    for (const event of happened) {
      counters.count(event, at)
      users.record(event, at)
      if (event._tag === "ShareRefused") metrics.shareRefused(event.errorCode)
      else if (event._tag === "ChannelRefused") {
        metrics.channelRefused(event.errorCode)
        const limit = channelLimits.get(event.errorCode)
        if (limit === undefined) continue
        const note = notices.note(event.errorCode, `${event.userIdentity} gets no channel: ${limit}`, "Warn")
        noted = noted === undefined ? note : Effect.andThen(noted, note)
      } else if (event._tag === "BlockFound") startSubmission(submit(event))
    }
    const published = PubSub.publish(events, happened)
    return noted === undefined ? published : Effect.andThen(noted, published)
  }

  const submit = ({ channel, hash, height, solution }: Server.BlockFound): Effect.Effect<void> =>
    Effect.andThen(
      source.submit(solution),
      Effect.logInfo("A miner found a block", { height, hash, user: printable(channel.userIdentity) })
    )

  /** Sends without waiting. Where that fails the connection is over, and its reader says why. */
  const sendBeside = (session: Session): void => {
    session.announce()
    if (session.outgoing.announcedBytes > 0) start(session.outgoing.drainBeside)
  }

  const serve = Effect.fnUntraced(function* (connection: MiningConnection) {
    const { remote } = connection
    if (isStopping || upstream.isClosed) {
      const reason = isStopping ? "stopping" : "no_templates"
      metrics.turnedAway(reason)
      const why = isStopping ? "the pool stops" : "there is no template provider"
      return yield* notices.note(`turned away: ${reason}`, `${formatEndpoint(remote)} is turned away: ${why}`, "Warn")
    }
    const fiber = yield* Effect.fiber
    const session = new Session(connection, {
      id: ++lastConnectionId,
      payee: work.pool,
      now: now(),
      maxPendingBytes,
      limits: rules.traffic,
      interrupt: () => fiber.interruptUnsafe()
    })
    const device = printableDevice(connection.setup.device)
    // Whatever ends it, and be it at once: who is in `sessions` leaves it again.
    yield* Effect.acquireUseRelease(
      Effect.suspend(() => {
        sessions.add(session)
        return record([{ _tag: "ConnectionOpened", connectionId: session.id, remote, device }])
      }),
      () => Stream.runForEachArray(connection.receive, (batch) => onBatch(session, batch)),
      (_, exit) => end(session, exit)
    )
  })

  const onBatch = (session: Session, batch: ReadonlyArray<Mining.ToServer>): Effect.Effect<void, ConnectionError> => {
    batches++
    const begun = clock.monotonicTimeNanosUnsafe()
    const verdicts = gate.verdictsOn(batch, session.machine.channelCount)
    if (verdicts === undefined) return exchange(session, batch, begun)
    return Effect.flatMap(verdicts, (verdicts) => {
      choosePayee(session, batch)
      return gate.withVerdicts(verdicts, () => exchange(session, batch, begun))
    })
  }

  /** Lets the machine answer, records what it tells, sends what it said, and lets a peer that says too much wait. */
  const exchange = (
    session: Session,
    batch: ReadonlyArray<Mining.ToServer>,
    begun: bigint
  ): Effect.Effect<void, ConnectionError> => {
    const at = now()
    const happened = session.tell((machine, out) => machine.onBatch(batch, at, out))
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
    const waitMs = session.slowDown(batch.length, at)
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
    const { minerScript } = rules
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
    sessions.delete(session)
    const reason = evicted?.message ?? reasonOf(exit)
    const closed = session.tell((machine, out) => machine.close(reason, out))
    work.release(session.payee)
    yield* record([...closed, { _tag: "ConnectionClosed", connectionId: session.id, remote, reason }])
    if (evicted === undefined) return
    metrics.evicted(evicted.reason)
    const level = evicted.reason === "share_log" ? "Error" : "Info"
    yield* notices.note(evicted.reason, `Ended the connection of ${formatEndpoint(remote)}: ${evicted.message}`, level)
  })

  /** Tells all connections what the template provider said, in one write each. */
  const onTemplates = Effect.fnUntraced(function* (batch: ReadonlyArray<TemplateMessage>) {
    const arrived = clock.monotonicTimeNanosUnsafe()
    const at = now()
    const happened = batch.map((message) => announce(message, at))
    let sent = 0
    for (const session of Array.from(sessions)) {
      sendBeside(session)
      // Ten thousand writes take long enough for others to wait: shares are answered in between.
      if (++sent % SENT_AT_ONCE === 0) yield* Effect.yieldNow
    }
    const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrived) / 1e6
    lastTemplateAt = at
    metrics.jobSent(latencyMs / 1000)
    yield* tellOf(happened.map((event) => ("latencyMs" in event ? { ...event, latencyMs } : event)))
  })

  const announce = (message: TemplateMessage, at: number): PoolEvent => {
    const announcements = work.onMessage(message, at)
    if (!isAnnounced(announcements)) return { _tag: "TemplateIgnored", reason: announcements.reason }
    for (const session of sessions) {
      const announcement = announcements.get(session.payee)
      if (announcement !== undefined) session.tell((machine, out) => machine.announce(announcement, at, out))
    }
    const result = announcements.get(work.pool)!
    const { height, id, templateId } = result.job
    const common = { jobId: id, height, connections: sessions.size, latencyMs: 0 }
    return result._tag === "NewPrevHash"
      ? { _tag: "PrevHashSent", ...common, prevHash: hashToDisplay(result.message.prevHash) }
      : { _tag: "JobSent", ...common, templateId, future: result._tag === "FutureJob" }
  }

  const tellOf = (happened: ReadonlyArray<PoolEvent>): Effect.Effect<void> =>
    Effect.andThen(
      record(happened),
      Effect.forEach(
        happened,
        (event) =>
          event._tag === "TemplateIgnored"
            ? Effect.logWarning(`The template provider sent something that cannot be used: ${event.reason}`)
            : Effect.logDebug(event._tag, event),
        { discard: true }
      )
    )

  const reconnect = (): void => {
    if (reconnectTo === undefined) return
    const message = { _tag: "Reconnect", newHost: reconnectTo.host, newPort: reconnectTo.port } as const
    for (const session of sessions) session.say(message)
  }

  /** What the state of the template provider means for miners. */
  const heed = (verdict: UpstreamVerdict): Effect.Effect<void> =>
    Effect.suspend(() => {
      switch (verdict._tag) {
        case "Nothing":
          return Effect.void
        case "Warn":
          return Effect.logWarning(verdict.message)
        case "Reopen":
          return Effect.logInfo(verdict.message)
        case "Close": {
          // There is nothing to come back to.
          if (reconnectTo?.host !== "") reconnect()
          const message = "there is no template provider"
          for (const session of sessions) session.evict({ reason: "no_templates", message })
          return Effect.logError(verdict.message)
        }
      }
    })

  /** Difficulties follow the work, and who opens no channel goes (5.3.2). */
  const tick = Effect.suspend(() => {
    const at = now()
    const happened: Array<PoolEvent> = []
    for (const session of sessions) {
      happened.push(...session.tell((machine, out) => machine.tick(at, out)))
      sendBeside(session)
      const { emptySince } = session.machine
      if (emptySince !== undefined && at - Math.max(emptySince, session.openedAt) >= channelTimeoutMs) {
        const what = emptySince === 0 ? "it opened no channel within" : "it has had no channel for"
        const message = `${what} ${Duration.format(Duration.millis(channelTimeoutMs))}`
        session.evict({ reason: "no_channel", message })
      }
    }
    return Effect.andThen(record(happened), heed(upstream.review(at)))
  })

  yield* source.messages.pipe(Stream.runForEachArray(onTemplates), Effect.forkScoped)
  yield* source.state.pipe(
    Stream.runForEach((state) => {
      const verdict = upstream.onState(state, now())
      return Effect.andThen(record([{ _tag: "UpstreamChanged", state }]), heed(verdict))
    }),
    Effect.forkScoped
  )
  yield* Effect.sleep(TICK).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
  yield* listener.run(serve).pipe(
    Effect.catch((error) => Effect.logError(`The pool serves no longer: ${error.message}`)),
    Effect.forkScoped
  )
  yield* Effect.logDebug(`The pool serves ${formatEndpoint(listener.address)}`)

  // Registered last, this comes first when the layer's Scope closes, while everything still runs: what has arrived is
  // answered, then miners are told to go on elsewhere. Closing the connections sends what waits.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isStopping = true
      yield* listener.stopAccepting
      if (sessions.size === 0) return
      yield* Effect.logInfo(`Stopping: ${sessions.size} connections get their last answers`)
      yield* untilQuiet(() => batches)
      reconnect()
      yield* Effect.ignore(Effect.timeout(FiberSet.awaitEmpty(submissions), FLUSH_TIMEOUT))
    })
  )

  const present = () => ({ upstream: upstream.state, height: work.jobs.current?.height ?? 0 })
  return Pool.of({
    address: listener.address,
    events: Stream.flattenArray(Stream.fromPubSub(events)),
    ...makeStatistics({ counters, users, sessions, present, now })
  })
})

const isAnnounced = (
  result: ReadonlyMap<Payee, Server.Announcement> | Server.Ignored
): result is ReadonlyMap<Payee, Server.Announcement> => !("_tag" in result)

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
