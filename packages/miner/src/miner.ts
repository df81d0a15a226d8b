/**
 * A software miner: connects, opens a channel, mines with its workers, submits shares, and connects again for ever. The
 * decisions are in machine.ts; this file is the shell with the connection, the workers and the clock.
 */
import type { ClientEvent } from "@sluice/channels"
import {
  type ConnectionError,
  type DialError,
  formatEndpoint,
  MiningDialer,
  reconnecting,
  type ServerAddress
} from "@sluice/transport"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Latch,
  Layer,
  Option,
  PubSub,
  Schema,
  type Scope,
  Stream
} from "effect"
import { DeviceDialer } from "./device/device-dialer.ts"
import type { MinerEvent } from "./event.ts"
import { HashRateWindow } from "./hashing/hash-rate-window.ts"
import { type HashWorkerError, HashWorkers } from "./hashing/hash-workers.ts"
import { MinerMachine } from "./machine.ts"
import { record } from "./metrics.ts"
import { checkOptions, type MinerOptionError, type MinerOptions, sessionOptions, setupOf } from "./options.ts"
import { openSession, type Session, SessionError, type SessionFailure } from "./session.ts"
import type { MinerStats } from "./stats.ts"

export class Miner extends Context.Service<
  Miner,
  {
    /** The miner's events. A new subscriber first gets the latest few hundred events. */
    readonly events: Stream.Stream<MinerEvent>
    readonly stats: Effect.Effect<MinerStats>
    /** Completes when the requested number of shares is accepted; fails if a worker dies. */
    readonly finished: Effect.Effect<MinerStats, HashWorkerError>
  }
>()("sluice/miner/Miner") {
  /** Makes one miner, which ends with the Scope. For several miners in one process. */
  static readonly start = (
    options: MinerOptions
  ): Effect.Effect<Miner["Service"], MinerOptionError | HashWorkerError, MiningDialer | HashWorkers | Scope.Scope> =>
    start(options)

  static readonly layer = (
    options: MinerOptions
  ): Layer.Layer<Miner, MinerOptionError | HashWorkerError, MiningDialer | HashWorkers> =>
    Layer.effect(Miner, start(options))
}

/** The server sent Reconnect (3.6.5). */
class Redirect extends Schema.TaggedError<Redirect>("sluice/miner/Redirect")("Redirect", {
  message: Schema.String
}) {}

/** Opens sessions. */
type Opening = Effect.Effect<Session, ConnectionError | SessionFailure>

const start = Effect.fnUntraced(function* (options: MinerOptions) {
  yield* checkOptions(options)
  const dialer = yield* MiningDialer
  const setup = setupOf(options)
  const deviceDialer = options.channel === "extended" ? undefined : yield* DeviceDialer
  const workers = yield* HashWorkers
  const hashers = yield* workers.make
  const settings = sessionOptions(options, options.nominalHashRate ?? (yield* hashers.measure))
  const { hashRateInterval = "5 seconds", servers, workTimeout = "30 seconds" } = options
  const clock = yield* Clock.Clock
  const wallMs = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
  const elapsedMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const events = yield* PubSub.sliding<MinerEvent>({ capacity: 1024, replay: 256 })
  const finished = yield* Deferred.make<MinerStats, HashWorkerError>()
  const machine = new MinerMachine(options.shares ?? Infinity)
  const hashRate = new HashRateWindow(elapsedMs())

  const publish = (...all: ReadonlyArray<MinerEvent>): void => {
    // Not `publishUnsafe`, which drops the newest event when full; this drops the oldest. A sliding PubSub never waits.
    Effect.runSync(PubSub.publishAll(events, all))
  }
  const stats = Effect.sync(() => {
    const hashes = hashers.hashes()
    return machine.stats(hashes, hashRate.rate(elapsedMs(), hashes))
  })

  /** The server of a Reconnect, to connect to next instead of the next server of the list. */
  let redirect: ServerAddress | undefined
  let current: ServerAddress = servers[0]
  const dial = (server: ServerAddress) =>
    Effect.suspend(() => {
      current = redirect ?? server
      redirect = undefined
      const name = formatEndpoint(current)
      return Effect.tapError(connect(current), (error) =>
        Effect.sync(() => publish({ _tag: "ConnectFailed", at: wallMs(), server: name, reason: error.message }))
      )
    })

  /** A connection and a session on it. The device module does both in one step, and speaks Stratum V2 only. */
  const connect = (
    server: ServerAddress
  ): Effect.Effect<Opening, DialError | ConnectionError | SessionFailure, Scope.Scope> =>
    deviceDialer === undefined || server.security._tag === "v1"
      ? Effect.map(dialer.dial(server, setup), (connection) => openSession(connection, settings))
      : deviceDialer.dial(server, settings, options.device ?? {})

  /** Carries out the actions for a batch of messages. */
  const follow = Effect.fnUntraced(function* (
    session: Session,
    working: Latch.Latch,
    batch: ReadonlyArray<ClientEvent>
  ) {
    const arrived = elapsedMs()
    const decision = machine.receive(batch, wallMs())
    publish(...decision.events)
    if (decision.start !== undefined) {
      const { work, workNumber } = decision.start
      yield* hashers.start(workNumber, work, arrived - work.prevHashReceivedAt)
      publish(machine.started(decision.start, wallMs(), elapsedMs() - arrived))
      working.openUnsafe()
    }
    if (decision.failure !== undefined) return yield* decision.failure
    if (decision.redirect !== undefined) {
      const { host, port } = decision.redirect
      // Keeps the authority key, so that Reconnect cannot send the miner to a server of another operator (3.6.5).
      redirect = { ...current, host: host === "" ? current.host : host, port: port === 0 ? current.port : port }
      const server = formatEndpoint(redirect)
      publish({ _tag: "Redirected", at: wallMs(), server })
      return yield* new Redirect({ message: `the server asks the miner to connect to ${server}` })
    }
    if (machine.isFinished) {
      publish(machine.finished(wallMs()))
      yield* hashers.stop
      yield* Effect.ignore(session.close)
      yield* Deferred.succeed(finished, yield* stats)
      return yield* Effect.never
    }
  })

  const submitFound = (session: Session) =>
    Effect.gen(function* () {
      const faulty = machine.faulty
      const judged = machine.judge(yield* hashers.take)
      if (machine.faulty > faulty)
        yield* Effect.logError(
          "A hashing worker reported a share whose hash does not meet the target; check this machine for hardware faults"
        )
      if (judged.length === 0) return
      const numbers = yield* session.submit(judged.map(({ share }) => share))
      publish(...machine.submitted(judged, numbers, wallMs()))
    })

  const mine = Effect.fnUntraced(function* (open: Opening) {
    const server = formatEndpoint(current)
    publish(machine.connected(server, wallMs()))
    const session = yield* open.pipe(
      Effect.tapError((error) => Effect.sync(() => publish(machine.disconnected(server, error.message, 0, wallMs()))))
    )
    const working = Latch.makeUnsafe()
    const noWork = new SessionError({
      reason: "no-work",
      message: `the server gave no job to mine within ${Duration.format(Duration.fromInputUnsafe(workTimeout))}`
    })
    yield* Effect.all(
      [
        session.run((batch) => follow(session, working, batch)),
        Effect.forever(submitFound(session)),
        Effect.timeoutOrElse(working.await, { duration: workTimeout, orElse: () => Effect.fail(noWork) })
      ],
      { concurrency: "unbounded", discard: true }
    ).pipe(
      Effect.onExit((exit) =>
        Effect.gen(function* () {
          yield* hashers.stop
          if (!machine.isFinished) publish(machine.disconnected(server, reasonOf(exit), session.pending(), wallMs()))
          // Closes the channel only if the miner stops by itself. In all other cases the connection is unusable.
          if (Exit.hasInterrupts(exit)) yield* Effect.ignore(Effect.timeout(session.close, "1 second"))
        })
      ),
      // A miner cannot go on without its workers, so this ends it instead of connecting again.
      Effect.catchTag("HashWorkerError", (error) => Effect.andThen(Deferred.fail(finished, error), Effect.never))
    )
  })

  yield* Stream.fromPubSub(events).pipe(
    Stream.runForEachArray((batch) => record(options.user, batch)),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* reconnecting({ dial }, servers, mine, { maxDelay: "10 seconds", ...options.reconnecting }).pipe(
    Effect.raceFirst(Effect.exit(Deferred.await(finished))),
    Effect.forkScoped
  )
  yield* Effect.sleep(hashRateInterval).pipe(
    Effect.andThen(
      Effect.sync(() => {
        const now = elapsedMs()
        const hashes = hashers.hashes()
        hashRate.sample(now, hashes)
        publish({ _tag: "HashRate", at: wallMs(), hashesPerSecond: hashRate.rate(now, hashes), hashes })
      })
    ),
    Effect.forever,
    Effect.raceFirst(Effect.exit(Deferred.await(finished))),
    Effect.forkScoped
  )

  return Miner.of({ events: Stream.fromPubSub(events), stats, finished: Deferred.await(finished) })
})

const reasonOf = (exit: Exit.Exit<unknown, { readonly message: string }>): string =>
  Exit.match(exit, {
    onSuccess: () => "the connection ended",
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), { onNone: () => "the miner stops", onSome: ({ message }) => message })
  })
