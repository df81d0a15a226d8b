/**
 * The source of work of a proxy: one extended channel at each upstream, of which one is in use, or a channel for each miner. The
 * decisions are in machine.ts, or in per-miner/machine.ts; this file is the shell with the connections, the clock and the log.
 */
import type { SourceChannel } from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { JobIds, type OptionError, type Work, WorkSource, type WorkSourceState } from "@sluice/mining-server"
import {
  type Connection,
  type ConnectionError,
  type DialError,
  formatServerAddress,
  makeThrottledLog,
  MiningDialer,
  reconnecting
} from "@sluice/transport"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  FiberSet,
  Latch,
  Layer,
  Option,
  Stream,
  SubscriptionRef
} from "effect"
import { minerIdentity } from "../identity.ts"
import { PerMinerMachine } from "../per-miner/machine.ts"
import type { MinerChannel } from "../per-miner/miner-channel.ts"
import { PerMinerWork } from "../per-miner/work.ts"
import type { UpstreamEvent } from "./event.ts"
import type { UpstreamFault } from "./fault.ts"
import { Link } from "./link.ts"
import { UpstreamMachine } from "./machine.ts"
import { registerMetrics } from "./metrics.ts"
import { defaultUpstreamOptions, payoutCheckOf, sharedIdentityOf, spaceOf, type UpstreamOptions } from "./options.ts"
import { type UpstreamStats, Upstreams } from "./upstreams.ts"

/** Connects to the upstreams for as long as the layer lives. Building it does not wait for them. */
export const layer = (options: UpstreamOptions): Layer.Layer<WorkSource | Upstreams, OptionError, MiningDialer> =>
  Layer.effectContext(make(options))

/** How often the machine looks at the time. */
const TICK = Duration.seconds(1)
/** How long a proxy that stops waits until its pools have read what it sent. */
const CLOSE_TIMEOUT = Duration.seconds(1)
/** Changes that may wait for the server of miners; the proxy reads from upstreams more slowly beyond. */
const MAX_WAITING = 64

const make = Effect.fnUntraced(function* (given: UpstreamOptions) {
  const options = { ...defaultUpstreamOptions, ...given }
  const defaultDialer = yield* MiningDialer
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const throttled = yield* makeThrottledLog()
  const jobIds = yield* yield* JobIds.JobIds
  const names = options.upstreams.map(({ server }) => formatServerAddress(server))
  const start = yield* FiberSet.makeRuntime<never, void>()
  const rules = {
    firstJobId: jobIds.next() % 2 ** 32,
    returnAfterMs: Duration.toMillis(options.returnAfter),
    silenceMs: Duration.toMillis(options.silence),
    idleMs: Duration.toMillis(options.idle),
    checkPayout: yield* payoutCheckOf(options)
  }

  const aggregated = Effect.gen(function* () {
    const upstreams = yield* Effect.forEach(
      options.upstreams,
      ({ server, userIdentity = options.userIdentity }, index) =>
        Effect.map(sharedIdentityOf(userIdentity), (identity) => ({
          server,
          name: names[index]!,
          userIdentity: identity
        }))
    )
    const space = yield* spaceOf(options.extranonceSize)
    return new UpstreamMachine({ ...rules, upstreams, space, repeatAfterMs: Duration.toMillis(options.repeatAfter) })
  })

  const perMiner = (): PerMinerMachine => {
    const openChannel: NonNullable<Work["openChannel"]> = (request) =>
      Effect.callback<SourceChannel, string>((resume) => {
        let miner: MinerChannel | undefined
        const done = (result: SourceChannel | string) =>
          resume(typeof result === "string" ? Effect.fail(result) : Effect.succeed(result))
        start(run(() => (miner = machine.open(request, now(), done))))
        return Effect.sync(() => miner?.close("client-disconnected"))
      })
    const machine = new PerMinerMachine({
      ...rules,
      upstreams: options.upstreams.map(({ server, userIdentity: template = given.userIdentity }, index) => ({
        server,
        name: names[index]!,
        identityOf: (identity) => (template === undefined ? identity : minerIdentity(template, identity))
      })),
      work: new PerMinerWork(openChannel),
      wake: () => start(run(() => machine.flush()))
    })
    return machine
  }

  const machine = given.mode === "per-miner" ? perMiner() : yield* aggregated
  const { work } = machine
  yield* registerMetrics(machine, names)
  const state = yield* SubscriptionRef.make<WorkSourceState>(machine.state)
  const links: Array<Link | undefined> = names.map(() => undefined)
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
      return Effect.uninterruptible(acts)
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
      case "Failed":
        return Effect.asVoid(Deferred.fail(links[event.index]!.failed, event.fault))
      case "Opened": {
        const isReserve = machine.active !== undefined && machine.active !== event.index
        return Effect.logInfo(`The upstream ${names[event.index]} opened a channel${isReserve ? ", in reserve" : ""}`)
      }
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
            `Noise: the proxy stays`,
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
  const dial = (index: number) => () => {
    const { dialer = defaultDialer } = options.upstreams[index]!
    return Effect.suspend(() => dialer.dial(machine.upstream(index).server, SETUP)).pipe(
      Effect.tapError(({ message }) =>
        run(() => {
          machine.forgetRedirect(index)
          machine.lost(index, message, now())
        })
      )
    )
  }

  yield* Effect.forEach(
    options.upstreams,
    ({ server }, index) =>
      reconnecting<MiningConnection, DialError | ConnectionError, ConnectionError | UpstreamFault, never>(
        { dial: dial(index) },
        [server],
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
  yield* Effect.sleep(TICK).pipe(Effect.andThen(run(() => machine.tick(now()))), Effect.forever, Effect.forkScoped)

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
    name: "upstream",
    work,
    news: Stream.fromEffectRepeat(pull),
    submit: (found) => run(() => machine.submit(found, now())),
    ...(machine instanceof UpstreamMachine ? { report: (load) => run(() => machine.observe(load, now())) } : {}),
    state: SubscriptionRef.changes(state)
  })
  const stats = Effect.sync(() =>
    names.map((name, index): UpstreamStats => {
      const { isOpen, pending, server, tally } = machine.upstream(index)
      const state = machine.active === index ? "active" : isOpen ? "reserve" : "disconnected"
      return { name, connectedTo: formatServerAddress(server), state, pending, ...tally.counts }
    })
  )
  return Context.make(WorkSource, source).pipe(Context.add(Upstreams, Upstreams.of({ stats })))
})

type MiningConnection = Connection<Mining.ToClient, Mining.ToServer>

const SETUP = { extensions: [WorkerIdentity.extension] }

const BECAUSE = {
  first: "",
  again: " again",
  lost: ": the upstream before is lost",
  preferred: ": it is preferred and works"
}

const reasonOf = (exit: Exit.Exit<unknown, { readonly message: string }>): string =>
  Exit.isSuccess(exit)
    ? "closed"
    : Option.match(Cause.findErrorOption(exit.cause), { onNone: () => "stopped", onSome: ({ message }) => message })
