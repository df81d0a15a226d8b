/**
 * Runs a machine of upstreams: the connections, the clock and the log around it. It gives the machine's work as a `WorkSource`.
 */
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { type DownstreamLoad, WorkSource, type WorkSourceState } from "@sluice/mining-server"
import {
  type ClientSetup,
  type Connection,
  type ConnectionDialer,
  type ConnectionError,
  type DialError,
  formatServerAddress,
  makeThrottledLog,
  reconnecting,
  type ReconnectingOptions
} from "@sluice/transport"
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  FiberSet,
  Latch,
  Option,
  Stream,
  SubscriptionRef
} from "effect"
import type { PerMinerMachine } from "../per-miner/machine.ts"
import type { UpstreamEvent } from "./event.ts"
import type { UpstreamFault } from "./fault.ts"
import { Link } from "./link.ts"
import type { UpstreamMachine } from "./machine.ts"
import { registerMetrics } from "./metrics.ts"
import type { UpstreamStats } from "./upstreams.ts"

export type UpstreamDialer = ConnectionDialer<Mining.ToClient, Mining.ToServer>

export interface ShellOptions {
  readonly machine: UpstreamMachine | PerMinerMachine
  /** The upstreams' addresses for people. */
  readonly names: ReadonlyArray<string>
  /** Who connects to each; `undefined` for one without a server. */
  readonly dialers: ReadonlyArray<UpstreamDialer | undefined>
  /** What the setup of each has beside that of all. */
  readonly setups: ReadonlyArray<ClientSetup | undefined>
  readonly reconnecting: ReconnectingOptions | undefined
  /** As `WorkSource.name`. */
  readonly name: string
  /** How often the machine looks at the time. Default 1 second. */
  readonly tick?: Duration.Input
  /** Runs after each step of the machine, before its events. */
  readonly before?: Effect.Effect<void>
  /** Takes the load of the server of miners. */
  readonly observe?: (load: DownstreamLoad, now: number) => void
}

export interface Shell {
  readonly source: WorkSource["Service"]
  readonly stats: Effect.Effect<ReadonlyArray<UpstreamStats>>
  /** Runs a step of the machine, then does what it asks for. */
  readonly run: (step: () => void) => Effect.Effect<void>
  /** Starts a fiber that lives as long as the shell. */
  readonly start: (effect: Effect.Effect<void>) => void
}

/** How often the machine looks at the time. */
const TICK = Duration.seconds(1)
/** How long a proxy that stops waits until its pools have read what it sent. */
const CLOSE_TIMEOUT = Duration.seconds(1)
/** Changes that may wait for the server of miners; the proxy reads from upstreams more slowly beyond. */
const MAX_WAITING = 64

/** Connects to the upstreams until the Scope closes. */
export const runUpstreams = Effect.fnUntraced(function* (options: ShellOptions) {
  const { dialers, machine, names } = options
  const { work } = machine
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const throttled = yield* makeThrottledLog()
  const start = yield* FiberSet.makeRuntime<never, void>()
  yield* registerMetrics(machine, names)
  const state = yield* SubscriptionRef.make<WorkSourceState>(machine.state)
  const links: Array<Link<Mining.ToServer, UpstreamFault> | undefined> = names.map(() => undefined)
  /** Open while changes of work wait to be pulled. */
  const hasNews = yield* Latch.make()
  const hasRoom = yield* Latch.make(true)
  let arrivedAtNanos = 0n

  /** Runs a step of the machine, then does what it asks for. */
  const run = (step: () => void): Effect.Effect<void> =>
    Effect.suspend(() => {
      const waited = work.waiting
      step()
      if (work.waiting > 0) {
        if (waited === 0) arrivedAtNanos = clock.monotonicTimeNanosUnsafe()
        hasNews.openUnsafe()
        if (work.waiting >= MAX_WAITING) hasRoom.closeUnsafe()
      }
      const events = machine.takeEvents()
      const acts = events.length === 1 ? act(events[0]!) : Effect.forEach(events, act, { discard: true })
      // A failure among the events interrupts the reader that may be running this.
      return Effect.uninterruptible(options.before === undefined ? acts : Effect.andThen(options.before, acts))
    })

  const act = (event: UpstreamEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Send": {
        const link = links[event.index]
        if (link?.add(event.messages) === false) {
          return run(() => machine.fail(event.index, "slow-reader", Link.TOO_SLOW, now()))
        }
        if (link?.isIdle === true) start(link.drain)
        return Effect.void
      }
      case "Failed": {
        const link = links[event.index]
        return link === undefined ? Effect.void : Effect.asVoid(Deferred.fail(link.failed, event.fault))
      }
      case "Opened": {
        const isReserve = machine.active !== undefined && machine.active !== event.index
        return Effect.logInfo(`The upstream ${names[event.index]} opened a channel${isReserve ? ", in reserve" : ""}`)
      }
      case "TakesJobs":
        return Effect.logInfo(`${names[event.index]} takes declared jobs`)
      case "Unwell":
        return Effect.logWarning(`${names[event.index]} cannot be used for now: ${event.message}`)
      case "Chosen":
        return Effect.logWithLevel(event.why === "lost" ? "Warn" : "Info")(
          `Work comes from ${names[event.index]}${BECAUSE[event.why]}`
        )
      case "Refused":
        return throttled.log(
          `refused ${event.errorCode}`,
          `The upstream ${names[event.index]} refused a share that the proxy had accepted: ${event.errorCode}`,
          "Warn"
        )
      case "Redirected":
        return Effect.logInfo(
          `The upstream ${names[event.index]} asks the proxy to connect to ${formatServerAddress(event.to)}`
        )
      case "RedirectIgnored":
        return throttled.log(
          "redirect ignored",
          `The upstream ${names[event.index]} asks the proxy to connect to ${event.to}, which cannot prove its key without ` +
            `Noise, or is no host: the proxy stays`,
          "Warn"
        )
      case "KeptShares": {
        const { index, lost, sent } = event
        return Effect.logWarning(
          `${names[index]} is back: of the shares found meanwhile, ${sent} were sent and ${lost} are lost, because it has other jobs`
        )
      }
      case "State":
        return SubscriptionRef.set(state, event.state)
    }
  }

  const use = (index: number) =>
    Effect.fnUntraced(function* (connection: MiningConnection) {
      const { extensions, flags } = connection.setup
      const link = new Link(connection.send, yield* Deferred.make<never, UpstreamFault>())
      links[index] = link
      const withWorkers = extensions.includes(WorkerIdentity.extension.id)
      yield* run(() => machine.connected(index, { flags, withWorkers }, now()))
      yield* Stream.runForEachArray(connection.receive, (batch) =>
        Effect.andThen(
          run(() => machine.received(index, batch, now())),
          hasRoom.await
        )
      ).pipe(
        Effect.raceFirst(Deferred.await(link.failed)),
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            links[index] = undefined
            return run(() => machine.lost(index, reasonOf(exit), now()))
          })
        )
      )
    })

  /** Dials where the upstream is now, which a Reconnect may have changed. */
  const dial = (index: number, dialer: UpstreamDialer) => () =>
    Effect.suspend(() => dialer.dial(machine.upstream(index).server, { ...SETUP, ...options.setups[index] })).pipe(
      Effect.tapError(({ message }) =>
        run(() => {
          machine.forgetRedirect(index)
          machine.lost(index, message, now())
        })
      )
    )

  yield* Effect.forEach(
    dialers,
    (dialer, index) =>
      dialer === undefined
        ? Effect.void
        : reconnecting<MiningConnection, DialError | ConnectionError, ConnectionError | UpstreamFault, never>(
            { dial: dial(index, dialer) },
            [machine.upstream(index).server],
            use(index),
            { firstDelay: "500 millis", maxDelay: "10 seconds", ...options.reconnecting }
          ).pipe(Effect.forkScoped),
    { discard: true }
  )
  // Registered last, so it runs before the connections close: the pools learn that no miner is left.
  yield* Effect.addFinalizer(() =>
    run(() => machine.close()).pipe(
      Effect.andThen(Effect.forEach(links, (link) => link?.flushed ?? Effect.void, { discard: true })),
      Effect.timeout(CLOSE_TIMEOUT),
      Effect.ignore
    )
  )
  yield* Effect.sleep(options.tick ?? TICK).pipe(
    Effect.andThen(run(() => machine.tick(now()))),
    Effect.forever,
    Effect.forkScoped
  )

  const pull = Effect.andThen(
    hasNews.await,
    Effect.sync(() => {
      const changes = work.pull(now())
      hasNews.closeUnsafe()
      hasRoom.openUnsafe()
      return { changes, arrivedAtNanos }
    })
  )
  const source = WorkSource.of({
    name: options.name,
    work,
    news: Stream.fromEffectRepeat(pull),
    submit: (found) => run(() => machine.submit(found, now())),
    ...(options.observe === undefined ? {} : { report: (load) => run(() => options.observe!(load, now())) }),
    state: SubscriptionRef.changes(state)
  })
  const stats = Effect.sync(() =>
    names.map((name, index): UpstreamStats => {
      const { isOpen, pending, server, tally } = machine.upstream(index)
      const state = machine.active === index ? "active" : isOpen ? "reserve" : "disconnected"
      return { name, connectedTo: formatServerAddress(server), state, pending, ...tally.counts }
    })
  )
  const shell: Shell = { source, stats, run, start }
  return shell
})

type MiningConnection = Connection<Mining.ToClient, Mining.ToServer>

const SETUP = { extensions: [WorkerIdentity.extension] }

const BECAUSE = {
  first: "",
  again: " again",
  lost: ": the upstream before is lost",
  preferred: ": it is preferred and works"
}

/** Why a connection ended, for people. */
export const reasonOf = (exit: Exit.Exit<unknown, { readonly message: string }>): string =>
  Exit.isSuccess(exit)
    ? "closed"
    : Option.match(Cause.findErrorOption(exit.cause), { onNone: () => "stopped", onSome: ({ message }) => message })
