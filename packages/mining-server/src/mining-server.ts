/**
 * The downstream half of every server of miners: connections of miners and proxies from a `MiningListener`, work from a
 * `WorkSource`, accepted shares to share sinks. A pool, a proxy and a job declaration client differ in these three.
 *
 * connections/ has the life of a connection and the announcing of new work, shares/ the recording of events, statistics/ the
 * counts. Here the parts are put together, with what happens by the clock.
 */
import { ShareValidator } from "@sluice/channels"
import { type Endpoint, formatEndpoint, makeNotices, MiningListener } from "@sluice/transport"
import { Clock, Context, Duration, Effect, Layer, Stream } from "effect"
import { makeAdmission } from "./connections/admission.ts"
import { makeAnnouncer } from "./connections/announcer.ts"
import { makeConnections } from "./connections/connections.ts"
import { untilQuiet } from "./connections/quiet.ts"
import type { Session } from "./connections/session.ts"
import { inParts } from "./connections/turns.ts"
import { type Control, makeControl } from "./control.ts"
import type { MiningServerEvent } from "./event.ts"
import type { OptionError } from "./option-error.ts"
import { type MiningServerOptions, rulesOf, setupOf } from "./options.ts"
import { makeRecorder } from "./shares/recorder.ts"
import { makeMetrics } from "./statistics/metrics.ts"
import { makeStatistics, type Statistics } from "./statistics/statistics.ts"
import { Projection } from "./statistics/projection.ts"
import { SourceWatch, type SourceVerdict } from "./work/source-watch.ts"
import { WorkSource } from "./work/work-source.ts"

export interface MiningServerCalls extends Statistics, Control {
  /** Where it listens; the first address if it listens at several. */
  readonly address: Endpoint
  readonly addresses: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
  /**
   * Events from the moment of subscription on. A subscriber that is far behind misses the oldest ones; a program that must not
   * miss a share gives the server a share sink.
   */
  readonly events: Stream.Stream<MiningServerEvent>
}

export class MiningServer extends Context.Service<MiningServer, MiningServerCalls>()(
  "sluice/mining-server/MiningServer"
) {
  /** Serves as long as the layer lives. Miners may come before the first work: they wait for a job. */
  static readonly layer = (
    options: MiningServerOptions = {}
  ): Layer.Layer<MiningServer, OptionError, MiningListener | WorkSource> => Layer.effect(MiningServer, make(options))
}

/** How often difficulties are reviewed and idle connections looked for. */
const TICK = Duration.seconds(5)
/** A review of this many channels costs as much as telling a connection of a job. */
const REVIEWED_CHANNELS = 8
/** How long the submission of blocks may take when the server stops. */
const SUBMIT_TIMEOUT = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: MiningServerOptions) {
  const listener = yield* MiningListener
  const source = yield* WorkSource
  const { work } = source
  const rules = yield* rulesOf(options, work.space)
  const { channelTimeoutMs, policy, reconnectTo } = rules
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const notices = yield* makeNotices()
  const admission = makeAdmission(rules.validateUser, policy, work)
  const validator = new ShareValidator(policy)
  const projection = new Projection(rules.maxIdleUsers, now())
  const watch = new SourceWatch(source.name, rules.upstreamTimeoutMs, now())
  const sessions = new Map<number, Session>()
  const height = () => work.common.jobs.current?.height ?? 0
  let isStopping = false
  const metrics = yield* makeMetrics({
    projection,
    connections: () => sessions.size,
    payees: () => work.groupCount,
    height,
    isUpstreamConnected: () => watch.state._tag === "Connected"
  })
  const recorder = yield* makeRecorder(rules, { projection, notices, source, now })
  const { record } = recorder
  const { reads, serve } = yield* makeConnections({
    sessions,
    rules,
    work,
    admission,
    validator,
    recorder,
    metrics,
    notices,
    clock,
    sourceName: source.name,
    closed: () => (isStopping ? "stopping" : watch.isClosed ? "no_templates" : undefined)
  })
  const announce = makeAnnouncer({
    sessions,
    work,
    validator,
    recorder,
    metrics,
    notices,
    clock,
    sourceName: source.name
  })

  const reconnect = (): void => {
    if (reconnectTo === undefined) return
    const message = { _tag: "Reconnect", newHost: reconnectTo.host, newPort: reconnectTo.port } as const
    for (const session of sessions.values()) session.sendMessage(message)
  }

  const follow = (verdict: SourceVerdict): Effect.Effect<void> =>
    Effect.suspend(() => {
      switch (verdict._tag) {
        case "Nothing":
          return Effect.void
        case "Warn":
          return Effect.logWarning(verdict.message)
        case "Reopen":
          return Effect.logInfo(verdict.message)
        case "Close": {
          // An empty host is this server, which has no work for them.
          if (reconnectTo?.host !== "") reconnect()
          const message = `there is no ${source.name}`
          for (const session of sessions.values()) session.evict({ reason: "no_templates", message })
          return Effect.logError(verdict.message)
        }
      }
    })

  /** Lets difficulties follow the work, and evicts connections that open no channel (5.3.2). */
  const tick = Effect.gen(function* () {
    const parts = inParts(sessions.values(), ({ machine }) => 1 + machine.channelCount / REVIEWED_CHANNELS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      const at = now()
      for (const session of some) {
        if (!sessions.has(session.id)) continue
        yield* record(session.run((machine, out) => machine.tick(at, out)))
        session.send()
        const { emptySince } = session.machine
        if (emptySince !== undefined && at - Math.max(emptySince, session.openedAt) >= channelTimeoutMs) {
          const what = emptySince === 0 ? "it opened no channel within" : "it has had no channel for"
          const message = `${what} ${Duration.format(Duration.millis(channelTimeoutMs))}`
          session.evict({ reason: "no_channel", message })
        }
      }
    }
    yield* follow(watch.review(now()))
  })

  yield* source.news.pipe(Stream.runForEach(announce), Effect.forkScoped)
  yield* source.state.pipe(
    Stream.runForEach((state) => {
      const verdict = watch.onState(state, now())
      return Effect.andThen(record([{ _tag: "UpstreamChanged", state }]), follow(verdict))
    }),
    Effect.forkScoped
  )
  yield* Effect.sleep(TICK).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
  yield* listener.run(serve, setupOf(work.versionRollingAllowed)).pipe(
    Effect.catch((error) => Effect.logError(`The server serves no longer: ${error.message}`)),
    Effect.forkScoped
  )
  yield* Effect.logDebug(`The server listens at ${listener.addresses.map(formatEndpoint).join(", ")}`)

  // This finalizer is registered last, so it runs first when the layer's Scope closes, while everything still works: it answers
  // the messages that arrived, then tells miners to go on elsewhere. Closing the connections sends the rest.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isStopping = true
      yield* listener.stopAccepting
      if (sessions.size === 0) return
      yield* Effect.logInfo(`Stopping: ${sessions.size} connections get their last answers`)
      yield* untilQuiet(reads)
      reconnect()
      yield* Effect.ignore(Effect.timeout(recorder.submitted, SUBMIT_TIMEOUT))
    })
  )

  const present = () => ({ upstream: watch.state, height: height(), connections: sessions.size })
  return MiningServer.of({
    address: listener.address,
    addresses: listener.addresses,
    events: recorder.events,
    ...makeStatistics({ projection, present, now }),
    ...makeControl({ sessions, recorder, now })
  })
})
