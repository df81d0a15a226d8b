/**
 * Many miners in one process, to load and measure a server: connections with channels that submit valid shares at a given
 * rate. This file is the shell that connects the pure machines (crowd.ts, member.ts) with sockets and the clock.
 */
import type { Mining } from "@sluice/protocol"
import { type Connection, eachBatch, reconnecting, type Rest, type ServerAddress } from "@sluice/transport"
import { Clock, Context, Effect, FiberSet, Layer, Predicate, Random, References, type Scope, Semaphore } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Crowd } from "./crowd.ts"
import { Member, type MemberEnded, type Redirect } from "./member.ts"
import { checkPlan, planOf, setupOf, type SwarmOptionError, type SwarmOptions, type SwarmPlan } from "./options.ts"
import type { SwarmReport } from "./report.ts"
import { SwarmDialer, type SwarmMessage } from "./swarm-dialer.ts"
import { count, type Counts } from "./tally.ts"

export class Swarm extends Context.Service<
  Swarm,
  {
    /** The measurements so far. */
    readonly report: Effect.Effect<SwarmReport>
    /** Clears the latencies, to measure only what follows. */
    readonly forget: Effect.Effect<void>
    /** Stops submitting, and waits until every share has its answer or the time limit passes. */
    readonly finish: Effect.Effect<void>
  }
>()("sluice/swarm/Swarm") {
  /** Keeps all connections open while the layer lives: connects again after each loss. */
  static readonly layer = (options: SwarmOptions): Layer.Layer<Swarm, SwarmOptionError, SwarmDialer> =>
    Layer.effect(Swarm, make(options))
}

type SwarmConnection = Connection<Mining.ToClient, SwarmMessage>

/**
 * The interval at which the crowd searches and submits shares: the shortest of a timer. With a longer one, shares of many miners
 * come together, and a server sleeps less than it would with real ones.
 */
const STEP = "1 millis"
/** The interval at which Node samples the event loop's delay, in milliseconds. */
const LOOK_MS = 5
/** The pause of a slow reader after each read. */
const SLOW_READ = "1 minute"
/** How long `finish` waits for the last answers. */
const FINISH_TIMEOUT = "2 seconds"

const make = Effect.fnUntraced(function* (options: SwarmOptions) {
  const plan = planOf(options)
  yield* checkPlan(plan)
  const dialer = yield* SwarmDialer
  const setup = setupOf(plan)
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const [startedAt, begun] = [clock.currentTimeMillisUnsafe(), now()]
  const crowd = new Crowd(plan, begun, () => random.nextDoubleUnsafe())
  const { tally } = crowd
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: LOOK_MS })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable())
  )
  const logLevel = yield* References.MinimumLogLevel
  /** Counts an error and logs only the first of its kind: ten thousand connections would log the same. */
  const note = (counts: Counts, error: { readonly message: string }): Effect.Effect<void> => {
    const kind = kindOf(error)
    const isFirst = counts[kind] === undefined
    count(counts, kind)
    if (!isFirst) return Effect.void
    return Effect.provideService(Effect.logWarning(error.message), References.MinimumLogLevel, logLevel)
  }
  const fibers = yield* FiberSet.make<void>()
  const start = yield* FiberSet.runtime(fibers)()
  const pace = yield* makePace(plan, now)

  const write = (member: Member, connection: SwarmConnection): void => {
    if (member.isWriting || !member.hasMessages) return
    const messages = member.takeMessages()
    if (connection.sendNow?.(messages) === true) return
    member.isWriting = true
    // A failed write means that the connection has ended; its reader reports why.
    start(
      Effect.andThen(
        Effect.ignore(connection.send(messages)),
        Effect.sync(() => {
          member.isWriting = false
          write(member, connection)
        })
      )
    )
  }
  const connections = new Map<Member, SwarmConnection>()

  const use = (number: number, redirected: (to: Redirect) => void) =>
    Effect.fnUntraced(function* (connection: SwarmConnection) {
      const isSlow = random.nextDoubleUnsafe() * 100 < plan.misbehaviour.slow
      const member = new Member(number, connection.setup.flags, isSlow, crowd)
      tally.opened++
      tally.open++
      connections.set(member, connection)
      const take = (batch: ReadonlyArray<Mining.ToClient>): Rest<MemberEnded> => {
        member.receive(batch, now())
        if (member.redirect !== undefined) redirected(member.redirect)
        if (member.ended !== undefined) return Effect.fail(member.ended)
        return isSlow ? Effect.sleep(SLOW_READ) : undefined
      }
      yield* connection.send(member.takeMessages()).pipe(
        Effect.andThen(eachBatch(connection, { take, touch: () => 0 })),
        Effect.tapError((error) => {
          if (!member.sentGarbage) return note(tally.lost, error)
          tally.endedForGarbage++
          return Effect.void
        }),
        Effect.ensuring(
          Effect.sync(() => {
            connections.delete(member)
            member.close()
            tally.open--
          })
        )
      )
    })

  const dial = Effect.fnUntraced(function* (server: ServerAddress) {
    const from = now()
    const connection = yield* Effect.tapError(dialer.dial(server, setup), (error) => note(tally.failed, error))
    tally.connect.record(now() - from)
    return connection
  })

  /** Keeps one connection open, for ever. */
  const run = (number: number): Effect.Effect<never> =>
    Effect.suspend(() => {
      let server = plan.server
      const redirected = ({ host, port }: Redirect) => {
        server = { ...server, host: host || server.host, port: port || server.port }
      }
      const paced = {
        dial: () =>
          Effect.suspend(() => {
            const to = server
            // Uses the address of a Reconnect for one try only.
            server = plan.server
            return pace(dial(to))
          })
      }
      return reconnecting(paced, [plan.server], use(number, redirected), plan.reconnecting)
    })

  const step = Effect.sync(() => {
    for (const member of crowd.step(now())) {
      const connection = connections.get(member)
      if (connection !== undefined) write(member, connection)
    }
  })
  yield* Effect.sleep(STEP).pipe(Effect.andThen(step), Effect.forever, Effect.forkScoped)
  yield* Effect.forEach(
    Array.from({ length: plan.connections }, (_, index) => index + 1),
    (number) => FiberSet.run(fibers, run(number)),
    { discard: true }
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

  // Node measures the time between two samples, which includes the interval itself.
  const delayAt = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e6 - LOOK_MS)
  const report = Effect.sync(() => {
    const { system, user } = process.cpuUsage()
    return tally.report(plan, startedAt, now() - begun, {
      cpuSeconds: (system + user) / 1e6,
      rssBytes: process.memoryUsage.rss(),
      eventLoopDelay: { p50: delayAt(50), p99: delayAt(99), max: delayAt(100) }
    })
  })
  const finish = Effect.sync(() => crowd.stopSubmitting()).pipe(
    Effect.andThen(Effect.sleep("20 millis").pipe(Effect.repeat({ while: () => tally.pending > 0 }))),
    Effect.timeoutOption(FINISH_TIMEOUT),
    Effect.asVoid
  )
  const forget = Effect.sync(() => {
    tally.forgetLatencies()
    delay.reset()
  })
  return Swarm.of({ report, forget, finish })
})

/** Limits how many handshakes run at once, and how many begin in a second. */
const makePace = Effect.fnUntraced(function* ({ concurrency, connectRate }: SwarmPlan, now: () => number) {
  const turns = yield* Semaphore.make(concurrency)
  let next = now()
  const turn = Effect.suspend(() => {
    if (connectRate === undefined) return Effect.void
    const at = Math.max(now(), next)
    next = at + 1000 / connectRate
    return Effect.sleep(at - now())
  })
  return <A, E, R>(dial: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
    Semaphore.withPermits(turns, 1)(Effect.andThen(turn, dial))
})

/** The kind of an error, without details of one connection. */
const kindOf = (error: unknown): string => {
  if (!Predicate.isObject(error)) return "unknown"
  const { code, reason, _tag } = error as {
    readonly code?: unknown
    readonly reason?: { readonly _tag?: string; readonly code?: string } | string
    readonly _tag?: string
  }
  if (typeof reason === "string") return reason
  if (reason !== undefined) return reason.code ?? reason._tag ?? "unknown"
  return typeof code === "string" ? code : (_tag ?? "unknown")
}
