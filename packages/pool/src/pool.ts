/**
 * A mining pool: templates come from a `TemplateSource`, miners and proxies from a `MiningListener`, and between them
 * stands one machine of @sluice/channels for each connection. This is the shell: it pulls a batch, lets the machine speak,
 * records what was accepted and sends what was said, one step of Effect for each read of a socket.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { Server } from "@sluice/channels"
import { type Mining, printable } from "@sluice/protocol"
import { type TemplateMessage, TemplateSource } from "@sluice/template-provider"
import { type ConnectionError, type Device, type Endpoint, formatEndpoint, MiningListener } from "@sluice/transport"
import { Cause, Clock, Context, Duration, Effect, Exit, FiberSet, Layer, Option, PubSub, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { PoolEvent } from "./event.ts"
import { constraintsOf, type PoolOptionError, type PoolOptions, rulesOf, setupOf } from "./options.ts"
import { type MiningConnection, Session } from "./session.ts"
import { PoolCounters, type PoolStats } from "./stats.ts"

export class Pool extends Context.Service<
  Pool,
  {
    readonly address: Endpoint
    /**
     * What happens from the moment of subscription on. A subscriber that is far behind misses the oldest events: what
     * must not miss a share uses `onShare`.
     */
    readonly events: Stream.Stream<PoolEvent>
    readonly stats: Effect.Effect<PoolStats>
  }
>()("sluice/pool/Pool") {
  /** Serves as long as the layer lives. Miners may come before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, PoolOptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, make(options))

  /** What `Setup.server(MiningListener, ...)` has to be told for this pool: the flags that it can meet. */
  static readonly setup = setupOf

  /** What `TemplateClient.layer` has to be told: the room that this pool's coinbase takes. Throws `AddressError`. */
  static readonly constraints = constraintsOf
}

/** Reads of sockets whose events wait for a slow subscriber. */
const EVENT_BUFFER = 4096
/** How often difficulties are reviewed and idle connections looked for. */
const TICK = Duration.seconds(5)
/** How long the last replies of a connection that the pool ends may take. */
const FLUSH_TIMEOUT = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: PoolOptions) {
  const { coinbase, policy, space } = yield* rulesOf(options)
  const { channelTimeout = "1 minute", maxPendingBytes = 1024 * 1024, onShare } = options
  const channelTimeoutMs = Duration.toMillis(channelTimeout)
  const listener = yield* MiningListener
  const source = yield* TemplateSource
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  // Tenths of a second since 1970 grow faster than jobs come, so that no id of before a restart comes again.
  const jobs = new Server.Jobs({ coinbase, firstJobId: Math.floor(now() / 100) % 2 ** 32 })
  const context: Server.ConnectionContext = { jobs, space, judge: new Server.ShareJudge(policy), policy }
  const counters = new PoolCounters()
  const sessions = new Set<Session>()
  const events = yield* Effect.acquireRelease(
    PubSub.sliding<NonEmptyReadonlyArray<PoolEvent>>(EVENT_BUFFER),
    PubSub.shutdown
  )
  /** What goes on by itself: solutions on their way, and writes to peers that take their time. */
  const background = yield* FiberSet.make<void>()
  const start = yield* FiberSet.runtime(background)()
  let lastConnectionId = 0

  /** Takes note of events; shares are recorded when this returns, and a block is on its way. */
  const record = (happened: ReadonlyArray<PoolEvent>): Effect.Effect<unknown> => {
    for (const event of happened) {
      counters.count(event)
      if (event._tag === "ShareAccepted") onShare?.(event)
      else if (event._tag === "BlockFound") start(submit(event))
    }
    return isReadonlyArrayNonEmpty(happened) ? PubSub.publish(events, happened) : Effect.void
  }

  const submit = ({ channel, hash, height, solution }: Server.BlockFound): Effect.Effect<void> =>
    Effect.andThen(
      source.submit(solution),
      Effect.logInfo("A miner found a block", { height, hash, user: channel.userIdentity })
    )

  /** Lets a machine speak, records what it tells, and sends what it said. */
  const exchange = (
    session: Session,
    speak: (machine: Server.Connection, out: Server.Outbox) => void
  ): Effect.Effect<void, ConnectionError> => {
    const recorded = record(session.tell(speak))
    session.settle()
    return recorded === Effect.void ? session.outgoing.drain : Effect.andThen(recorded, session.outgoing.drain)
  }

  /** Sends without waiting. Where that fails the connection is over, and its reader says why. */
  const sendBeside = (session: Session): void => {
    session.announce()
    if (session.outgoing.announcedBytes > 0) start(session.outgoing.drainBeside)
  }

  const serve = Effect.fnUntraced(function* (connection: MiningConnection) {
    const fiber = yield* Effect.fiber
    const connectionId = ++lastConnectionId
    const machine = new Server.Connection(connectionId, connection.setup.flags, context)
    const { remote } = connection
    const { device } = connection.setup
    const interrupt = () => fiber.interruptUnsafe()
    const session = new Session(connection, machine, { now: now(), maxPendingBytes, interrupt })
    sessions.add(session)
    const onBatch = (batch: ReadonlyArray<Mining.ToServer>): Effect.Effect<void, ConnectionError> => {
      const at = now()
      return exchange(session, (machine, out) => machine.onBatch(batch, at, out))
    }
    yield* record([{ _tag: "ConnectionOpened", connectionId, remote, device: printableDevice(device) }]).pipe(
      Effect.andThen(Stream.runForEachArray(connection.receive, onBatch)),
      Effect.onExit((exit) => end(session, exit))
    )
  })

  /** Sends what was said already, and gives everything back. */
  const end = Effect.fnUntraced(function* (session: Session, exit: Exit.Exit<unknown, ConnectionError>) {
    const { connection, evictedFor, machine, outgoing } = session
    if (evictedFor === undefined)
      yield* Effect.ignore(Effect.timeout(Effect.interruptible(outgoing.flush), FLUSH_TIMEOUT))
    sessions.delete(session)
    const reason = evictedFor ?? reasonOf(exit)
    const closed = session.tell((machine, out) => machine.close(reason, out))
    const { remote } = connection
    yield* record([...closed, { _tag: "ConnectionClosed", connectionId: machine.id, remote, reason }])
    if (evictedFor !== undefined) {
      yield* Effect.logInfo(`Ended the connection of ${formatEndpoint(remote)}: ${evictedFor}`)
    }
  })

  /** Tells all connections what the template provider said, in one write each. */
  const onTemplates = (batch: ReadonlyArray<TemplateMessage>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const arrived = clock.monotonicTimeNanosUnsafe()
      const at = now()
      const happened = batch.map((message) => announce(message, at))
      for (const session of sessions) {
        sendBeside(session)
      }
      const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrived) / 1e6
      return tellOf(happened.map((event) => ("latencyMs" in event ? { ...event, latencyMs } : event)))
    })

  const announce = (message: TemplateMessage, at: number): PoolEvent => {
    const result = message._tag === "NewTemplate" ? jobs.onTemplate(message, at) : jobs.onSetNewPrevHash(message, at)
    if (result._tag === "Ignored") return { _tag: "TemplateIgnored", reason: result.reason }
    for (const session of sessions) session.tell((machine, out) => machine.announce(result, at, out))
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
        session.evict(`${what} ${Duration.format(Duration.millis(channelTimeoutMs))}`)
      }
    }
    return record(happened)
  })

  yield* source.messages.pipe(Stream.runForEachArray(onTemplates), Effect.forkScoped)
  yield* source.state.pipe(
    Stream.runForEach((state) => record([{ _tag: "UpstreamChanged", state }])),
    Effect.forkScoped
  )
  yield* Effect.sleep(TICK).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
  yield* listener.run(serve).pipe(
    Effect.catch((error) => Effect.logError(`The pool serves no longer: ${error.message}`)),
    Effect.forkScoped
  )
  yield* Effect.logDebug(`The pool serves ${formatEndpoint(listener.address)}`)

  const stats = Effect.sync(() => {
    const at = now()
    return counters.snapshot({
      height: jobs.current?.height ?? 0,
      connections: sessions.size,
      channels: Array.from(sessions).flatMap(({ machine }) => machine.stats(at))
    })
  })
  return Pool.of({ address: listener.address, events: Stream.flattenArray(Stream.fromPubSub(events)), stats })
})

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
      Option.match(Cause.findErrorOption(cause), { onNone: () => "the pool stops", onSome: ({ message }) => message })
  })
