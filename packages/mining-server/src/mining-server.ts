/**
 * The downstream half of every server of miners: connections of miners and proxies from a `MiningListener`, work from a
 * `WorkSource`, accepted shares to share sinks. A pool, a proxy and a job declaration client differ in these three.
 *
 * connections/ serves connections and announces new work, shares/ records events, statistics/ counts. This file puts the parts
 * together and runs the periodic tasks.
 */
import { HashRateSum, ShareValidator } from "@sluice/channels"
import { type Endpoint, formatEndpoint, makeThrottledLog, MiningListener } from "@sluice/transport"
import { Clock, Context, Duration, Effect, Layer, Stream } from "effect"
import { makeAdmission } from "./connections/admission.ts"
import { makeAnnouncer } from "./connections/announcer.ts"
import { makeConnections } from "./connections/connections.ts"
import { untilQuiet } from "./connections/quiet.ts"
import type { Downstream } from "./connections/downstream.ts"
import { inParts } from "./connections/turns.ts"
import { type Control, makeControl } from "./control.ts"
import type { MiningServerEvent } from "./event.ts"
import type { OptionError } from "./option-error.ts"
import { type MiningServerOptions, rulesOf, setupOf } from "./options.ts"
import { makeRecorder } from "./shares/recorder.ts"
import { makeMetrics } from "./statistics/metrics.ts"
import { type PresentJob, presentJobOf } from "./statistics/present-job.ts"
import { makeStatistics, type Statistics } from "./statistics/statistics.ts"
import { Projection } from "./statistics/projection.ts"
import { SourceWatch, type SourceVerdict } from "./work-source/source-watch.ts"
import { WorkSource } from "./work-source/work-source.ts"

export interface MiningServerCalls extends Statistics, Control {
  /** Where it listens; the first address if it listens at several. */
  readonly address: Endpoint
  readonly addresses: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
  /**
   * Events from the moment of subscription on. A subscriber that is far behind misses the oldest ones. A program that must not
   * miss a share uses a share sink.
   */
  readonly events: Stream.Stream<MiningServerEvent>
  /** The same without those of single shares, `ShareAccepted` and `ShareRefused`: a subscriber costs a server with many shares nothing. */
  readonly notices: Stream.Stream<MiningServerEvent>
  /** What the present job's coinbase pays; `undefined` before the first job, and if each channel has jobs of its own. */
  readonly presentJob: Effect.Effect<PresentJob | undefined>
}

export class MiningServer extends Context.Service<MiningServer, MiningServerCalls>()(
  "sluice/mining-server/MiningServer"
) {
  /** Serves until the layer's Scope closes. Miners may connect before the first work: they wait for a job. */
  static readonly layer = (
    options: MiningServerOptions = {}
  ): Layer.Layer<MiningServer, OptionError, MiningListener | WorkSource> => Layer.effect(MiningServer, make(options))
}

/** How often the server reviews difficulties and looks for idle connections. */
const TICK = Duration.seconds(5)
/** Reviewing this many channels costs as much as announcing a job to one connection. */
const REVIEWED_CHANNELS = 8
/** How long a server that stops waits for blocks to be submitted. */
const SUBMIT_TIMEOUT = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: MiningServerOptions) {
  const listener = yield* MiningListener
  const source = yield* WorkSource
  const { work } = source
  const rules = yield* rulesOf(options, work.space)
  const { channelTimeoutMs, policy, reconnectTo } = rules
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const throttled = yield* makeThrottledLog()
  const admission = makeAdmission(rules.validateUser, policy, work)
  const validator = new ShareValidator(policy)
  const projection = new Projection(rules.maxIdleUsers, now())
  const watch = new SourceWatch(source.name, rules.upstreamTimeoutMs, now())
  const downstreams = new Map<number, Downstream>()
  const height = () => work.common.jobs.current?.height ?? 0
  let isStopping = false
  const metrics = yield* makeMetrics({
    projection,
    connections: () => downstreams.size,
    groups: () => work.groupCount,
    height,
    isUpstreamConnected: () => watch.state._tag === "Connected"
  })
  const recorder = yield* makeRecorder(rules, { projection, throttled, source, now })
  const { record } = recorder
  const { answerWaiting, hurryRecording, passChanges, reads, serve, waitingShares } = yield* makeConnections({
    downstreams,
    rules,
    work,
    admission,
    validator,
    recorder,
    metrics,
    throttled,
    clock,
    sourceName: source.name,
    closed: () => (isStopping ? "stopping" : watch.isClosed ? "no_templates" : undefined)
  })
  const announce = makeAnnouncer({
    downstreams,
    work,
    validator,
    recorder,
    metrics,
    throttled,
    clock,
    sourceName: source.name
  })

  const reconnect = (): void => {
    if (reconnectTo === undefined) return
    const message = { _tag: "Reconnect", newHost: reconnectTo.host, newPort: reconnectTo.port } as const
    for (const downstream of downstreams.values()) downstream.sendMessage(message)
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
          // An empty host is this server, and it has no work.
          if (reconnectTo?.host !== "") reconnect()
          const message = `there is no ${source.name}`
          for (const downstream of downstreams.values()) downstream.evict({ reason: "no_templates", message })
          return Effect.logError(verdict.message)
        }
      }
    })

  /** Where the source opens the channels, nobody can open one while it is away. */
  const canOpen = (): boolean => work.openChannel === undefined || watch.state._tag === "Connected"

  /**
   * Adjusts difficulties to measured hash rates, evicts connections that open no channel (5.3.2), and reports the load to the
   * source of work.
   */
  const tick = Effect.gen(function* () {
    const sum = new HashRateSum()
    const parts = inParts(downstreams.values(), ({ machine }) => 1 + machine.channelCount / REVIEWED_CHANNELS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      const at = now()
      for (const downstream of some) {
        if (!downstreams.has(downstream.id)) continue
        const events = downstream.review(at)
        // Most reviews change nothing, and a step of the fiber costs as much as a review.
        if (events.length > 0) yield* downstream.tell(events)
        downstream.send()
        const { machine } = downstream
        if (source.report !== undefined) machine.addTo(sum, at)
        const { emptySince } = machine
        if (
          canOpen() &&
          emptySince !== undefined &&
          at - Math.max(emptySince, downstream.openedAt) >= channelTimeoutMs
        ) {
          const what = emptySince === 0 ? "it opened no channel within" : "it has had no channel for"
          const message = `${what} ${Duration.format(Duration.millis(channelTimeoutMs))}`
          downstream.evict({ reason: "no_channel", message })
        }
      }
    }
    if (source.report !== undefined) yield* source.report({ channels: sum.channels, hashRate: sum.rate })
    yield* follow(watch.review(now()))
  })

  yield* source.news.pipe(
    Stream.runForEach((news) =>
      // Changes of single channels do not concern the other connections.
      news.changes.length === 0 ? passChanges : Effect.andThen(announce(news), passChanges)
    ),
    Effect.forkScoped
  )
  yield* source.state.pipe(
    Stream.runForEach((state) => {
      const verdict = watch.onState(state, now())
      return Effect.andThen(record([{ _tag: "SourceChanged", state }]), follow(verdict))
    }),
    Effect.forkScoped
  )
  yield* Effect.sleep(TICK).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
  yield* listener.run(serve, setupOf(work.versionRollingAllowed)).pipe(
    Effect.catch((error) => Effect.logError(`The server of miners has stopped serving: ${error.message}`)),
    Effect.forkScoped
  )
  yield* Effect.logDebug(`The server of miners listens at ${listener.addresses.map(formatEndpoint).join(", ")}`)

  // This finalizer is registered last, so it runs first when the layer's Scope closes, while everything still works. It waits
  // until the messages that arrived are answered, then tells miners to reconnect. Closing the connections sends the rest.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isStopping = true
      yield* listener.stopAccepting
      if (downstreams.size === 0) return
      yield* Effect.logInfo(`Stopping: ${downstreams.size} connections get their last replies`)
      yield* untilQuiet(reads, () => hurryRecording() || waitingShares() > 0)
      reconnect()
      yield* Effect.ignore(Effect.timeout(recorder.submitted, SUBMIT_TIMEOUT))
    })
  )

  const present = () => ({ upstream: watch.state, height: height(), connections: downstreams.size })
  return MiningServer.of({
    address: listener.address,
    addresses: listener.addresses,
    events: recorder.events,
    notices: recorder.notices,
    presentJob: presentJobOf(work, downstreams),
    ...makeStatistics({ projection, present, now }),
    ...makeControl({ downstreams, answerWaiting, now })
  })
})
