/** The layer that makes Stratum V1 miners connections of V2. */
import { Common, Mining, WorkerIdentity } from "@sluice/protocol"
import {
  type Accepted,
  type Duplex,
  Listener,
  makeThrottledLog,
  MiningListener,
  type ServerSetup,
  type SetupRefusal,
  Translation,
  TransportError
} from "@sluice/transport"
import { Clock, Duration, Effect, FiberSet, Layer } from "effect"
import { minerContext } from "./miner.ts"
import { type ListenerOptionError, type ListenerOptions, rulesOf } from "./options.ts"
import { Session, type SessionContext } from "./session.ts"
import { Turns } from "./turns.ts"

/** How often miners are looked at that are silent. */
const TICK = Duration.seconds(5)
/** How long the role above may take to decide on a miner, as in `Setup.server`. */
const ACCEPT_TIMEOUT = Duration.seconds(10)
/** How many silent miners are looked at in one turn of the event loop. */
const TICKED_AT_ONCE = 500

/**
 * Provides `MiningListener` over a `Listener` of bytes: each V1 miner is a connection whose worker opens an extended channel. What
 * is composed above, such as a pool or a proxy, does not know. `mergeListeners` serves V2 and V1 miners at once.
 */
export const listener = (options: ListenerOptions = {}): Layer.Layer<MiningListener, ListenerOptionError, Listener> =>
  Layer.effect(
    MiningListener,
    Effect.gen(function* () {
      const rules = yield* Effect.fromResult(rulesOf(options))
      const { address, run, stopAccepting } = yield* Listener
      const clock = yield* Clock.Clock
      const shared = {
        ...minerContext(rules, clock.currentTimeMillisUnsafe()),
        clock,
        turns: new Turns(),
        throttled: yield* makeThrottledLog()
      }
      return MiningListener.of({
        address,
        addresses: [address],
        run: (handler, setup) =>
          Effect.gen(function* () {
            const sessions = new Set<Session>()
            const start = yield* FiberSet.makeRuntime<never, void>()
            yield* Effect.forkScoped(tickAll(sessions, clock, start))
            const mask = fixedVersion(setup?.flags) ? 0 : rules.versionMask
            const context: SessionContext = { ...shared, start, rules: { ...rules, versionMask: mask } }
            return yield* run((duplex) => serve(duplex, context, sessions, handler, setup ?? {}))
          }).pipe(Effect.scoped),
        stopAccepting
      })
    })
  )

const serve = <E, R, A, AcceptError, AcceptServices>(
  duplex: Duplex,
  context: SessionContext,
  sessions: Set<Session>,
  handler: (connection: ReturnType<Session["connection"]>, accepted: A) => Effect.Effect<void, E, R>,
  setup: ServerSetup<A, AcceptError, AcceptServices>
) => {
  const serving = Effect.fnUntraced(function* (session: Session) {
    yield* session.start
    const accepted = yield* decide(session, duplex, setup)
    const offered = accepted.extensions ?? setup.extensions ?? []
    const agreed = offered.map(({ id }) => id).filter((id) => id === WorkerIdentity.extension.id)
    const missing = (setup.requiredExtensions ?? []).filter((id) => !agreed.includes(id))
    if (missing.length > 0) return yield* refuse(duplex, `the server requires extensions ${missing.join(", ")}`)
    const connection = session.connection(accepted.flags ?? setup.flags ?? 0, agreed)
    return yield* handler(connection, accepted.with as A)
  })
  return Effect.acquireUseRelease(
    Effect.map(Effect.fiber, (fiber) => {
      const session = new Session(duplex, context, () => fiber.interruptUnsafe())
      sessions.add(session)
      return session
    }),
    serving,
    (session) => Effect.sync(() => sessions.delete(session))
  )
}

/** Asks the role above for each miner, as it asks for each SetupConnection. */
const decide = <A, E, R>(
  { miner }: Session,
  duplex: Duplex,
  { accept }: ServerSetup<A, E, R>
): Effect.Effect<Accepted<A>, E | SetupRefusal | TransportError, R> => {
  if (accept === undefined) return Effect.succeed({})
  const client: Common.SetupConnection = {
    _tag: "SetupConnection",
    protocol: Common.MINING_PROTOCOL,
    minVersion: Common.PROTOCOL_VERSION,
    maxVersion: Common.PROTOCOL_VERSION,
    flags: 0,
    endpointHost: "",
    endpointPort: 0,
    ...miner.device
  }
  return Effect.timeoutOrElse(accept(client, duplex.remote), {
    duration: ACCEPT_TIMEOUT,
    orElse: () => refuse(duplex, "the server did not decide whether to accept the miner")
  })
}

const refuse = ({ remote }: Duplex, message: string) =>
  Effect.fail(new TransportError({ remote, reason: new Translation({ message }) }))

/** Looks at all miners every few seconds, some in each turn of the event loop. */
const tickAll = (
  sessions: ReadonlySet<Session>,
  clock: Clock.Clock,
  start: (write: Effect.Effect<void>) => void
): Effect.Effect<never> =>
  Effect.gen(function* () {
    let looked = 0
    for (const session of sessions) {
      const written = session.tick(clock.currentTimeMillisUnsafe())
      if (written !== undefined) start(Effect.ignore(written))
      if (++looked % TICKED_AT_ONCE === 0) yield* Effect.yieldNow
    }
  }).pipe(Effect.andThen(Effect.sleep(TICK)), Effect.forever)

const fixedVersion = (flags = 0): boolean => (flags & Mining.REQUIRES_FIXED_VERSION) !== 0
