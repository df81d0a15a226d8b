/**
 * A mining pool: templates come from a `TemplateSource`, miners and proxies from a `MiningListener`, and between them
 * stands one machine of @sluice/channels for each connection. Here the parts are put together, and what comes by the clock is
 * done: connections.ts has what miners send, announcing.ts what the template provider sends, recorder.ts what becomes of it.
 */
import { Server } from "@sluice/channels"
import { TemplateSource } from "@sluice/template-provider"
import { type Endpoint, formatEndpoint, makeNotices, MiningListener } from "@sluice/transport"
import { Clock, Context, Duration, Effect, Layer, Stream } from "effect"
import { makeAnnouncing } from "./announcing.ts"
import { makeConnections } from "./connections.ts"
import { type Control, makeControl } from "./control.ts"
import type { PoolEvent } from "./event.ts"
import { JobIds } from "./job-ids.ts"
import { makeMetrics } from "./metrics.ts"
import { constraintsOf, poolDefaults, type PoolOptionError, type PoolOptions, rulesOf, setupOf } from "./options.ts"
import { untilQuiet } from "./quiet.ts"
import { makeRecorder } from "./recorder.ts"
import type { Session } from "./session.ts"
import { makeStatistics, type Statistics } from "./statistics.ts"
import { PoolCounters } from "./stats.ts"
import { inParts } from "./turns.ts"
import { Upstream, type UpstreamVerdict } from "./upstream.ts"
import { makeGate } from "./user-gate.ts"
import { Users } from "./users.ts"
import { Work } from "./work.ts"

export class Pool extends Context.Service<
  Pool,
  {
    readonly address: Endpoint
    /**
     * What happens from the moment of subscription on. A subscriber that is far behind misses the oldest events: what
     * must not miss a share uses `onShare`.
     */
    readonly events: Stream.Stream<PoolEvent>
  } & Statistics &
    Control
>()("sluice/pool/Pool") {
  /** Serves as long as the layer lives. Miners may come before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, PoolOptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, make(options))

  /** What `Setup.server(MiningListener, ...)` has to be told for this pool: the flags that it can meet. */
  static readonly setup = setupOf

  /** What `TemplateClient.layer` has to be told: the room that this pool's coinbase takes. Throws where nobody can be paid. */
  static readonly constraints = constraintsOf
}

/** How often difficulties are reviewed and idle connections looked for. */
const TICK = Duration.seconds(5)
/** How many channels cost as much, where their difficulties change, as telling a connection of a job. */
const REVIEWED_CHANNELS = 8
/** How long blocks may take to be on their way when the pool stops. */
const SUBMIT_TIMEOUT = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: PoolOptions) {
  const { channelTimeout = "1 minute", maxPendingBytes = 1024 * 1024, reconnectTo } = options
  const channelTimeoutMs = Duration.toMillis(channelTimeout)
  const jobIds = yield* yield* JobIds
  const rules = yield* rulesOf(options, jobIds.next() % 2 ** 32)
  const { coinbase, policy } = rules
  const listener = yield* MiningListener
  const source = yield* TemplateSource
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const notices = yield* makeNotices()
  const gate = makeGate(options.validateUser, policy, rules.minerScript)
  const judge = new Server.ShareJudge(policy)
  const work = new Work({
    coinbase,
    space: rules.space.space,
    judge,
    policy: gate.policyFor(undefined),
    nextJobId: jobIds.next
  })
  const counters = new PoolCounters(now())
  const users = new Users(options.maxIdleUsers ?? 10_000)
  const upstream = new Upstream(Duration.toMillis(options.upstreamTimeout ?? poolDefaults.upstreamTimeout), now())
  const sessions = new Map<number, Session>()
  let isStopping = false
  const metrics = yield* makeMetrics({
    counters,
    connections: () => sessions.size,
    users: () => users.size,
    payees: () => work.payees,
    hashRate: () => counters.work.rates(now()).fiveMinutes,
    height: () => work.jobs.current?.height ?? 0,
    isUpstreamConnected: () => upstream.state._tag === "Connected"
  })
  const recorder = yield* makeRecorder(options, rules, { counters, users, metrics, notices, source, now })
  const { record } = recorder
  const { reads, serve } = yield* makeConnections({
    sessions,
    rules,
    maxPendingBytes,
    work,
    gate,
    recorder,
    metrics,
    notices,
    clock,
    closed: () => (isStopping ? "stopping" : upstream.isClosed ? "no_templates" : undefined)
  })
  const onTemplates = makeAnnouncing({ sessions, work, judge, recorder, metrics, notices, clock })

  const reconnect = (): void => {
    if (reconnectTo === undefined) return
    const message = { _tag: "Reconnect", newHost: reconnectTo.host, newPort: reconnectTo.port } as const
    for (const session of sessions.values()) session.say(message)
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
          for (const session of sessions.values()) session.evict({ reason: "no_templates", message })
          return Effect.logError(verdict.message)
        }
      }
    })

  /** Difficulties follow the work, and who opens no channel goes (5.3.2). */
  const tick = Effect.gen(function* () {
    const parts = inParts(sessions.values(), ({ machine }) => 1 + machine.channelCount / REVIEWED_CHANNELS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      const at = now()
      for (const session of some) {
        if (!sessions.has(session.id)) continue
        yield* record(session.tell((machine, out) => machine.tick(at, out)))
        session.send()
        const { emptySince } = session.machine
        if (emptySince !== undefined && at - Math.max(emptySince, session.openedAt) >= channelTimeoutMs) {
          const what = emptySince === 0 ? "it opened no channel within" : "it has had no channel for"
          const message = `${what} ${Duration.format(Duration.millis(channelTimeoutMs))}`
          session.evict({ reason: "no_channel", message })
        }
      }
    }
    yield* heed(upstream.review(now()))
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
      yield* untilQuiet(reads)
      reconnect()
      yield* Effect.ignore(Effect.timeout(recorder.submitted, SUBMIT_TIMEOUT))
    })
  )

  const present = () => ({ upstream: upstream.state, height: work.jobs.current?.height ?? 0 })
  return Pool.of({
    address: listener.address,
    events: recorder.events,
    ...makeStatistics({ counters, users, sessions, present, now }),
    ...makeControl({ sessions, recorder, now })
  })
})
