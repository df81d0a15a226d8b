/**
 * The shell of one `PoolMachine`: its socket, its clock and the order of what it writes.
 *
 * A fiber reads the socket, one read at a time: it reads again when `pull` has handled the last read. So a pool that sends too
 * fast fills its own window.
 */
import { Outbox } from "@sluice/channels"
import { escaped, type Mining } from "@sluice/protocol"
import { joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import {
  type Dialer,
  type DialError,
  type Duplex,
  formatEndpoint,
  Translation,
  SetupError,
  SetupTimeout,
  type ServerAddress,
  type ThrottledLog,
  TransportError
} from "@sluice/transport"
import { Clock, Duration, Effect, Latch, type Scope } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import type { PoolEvent, PoolOutbox } from "./pool-event.ts"
import { PoolMachine, type PoolMachineOptions } from "./pool-machine.ts"

export interface PoolLink {
  readonly machine: Pick<PoolMachine, "channelCount" | "channelIds" | "has">
  /** The flags of SetupConnection.Success. */
  readonly flags: number
  /** The next messages for the client. Fails when the connection has ended and all of them were given. */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Mining.ToClient>, TransportError>
  readonly send: (messages: ReadonlyArray<Mining.ToServer>) => Effect.Effect<void, TransportError>
}

/** How often the machine is asked whether the pool is late. */
const TICK = "1 second"

/** Connects, and completes when the pool has given the connection an extranonce. Closing the Scope closes the connection. */
export const openPoolLink = Effect.fnUntraced(function* (
  dialer: Dialer["Service"],
  server: ServerAddress,
  options: PoolMachineOptions,
  setupTimeout: Duration.Duration,
  throttled: ThrottledLog
): Effect.fn.Return<PoolLink, DialError | TransportError | SetupError, Scope.Scope> {
  const duplex = yield* dialer.dial(server)
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const machine = new PoolMachine(now(), options)
  const reader = new LineReader(MAX_POOL_LINE)
  const out: PoolOutbox = new Outbox()

  let chunks: ReadonlyArray<Uint8Array> = []
  let failure: TransportError | undefined
  /** Open when `pull` has something to do. */
  const ready = Latch.makeUnsafe()
  /** Open when `pull` has handled the chunks. */
  const handled = Latch.makeUnsafe()

  const fail = (error: TransportError): void => {
    if (failure !== undefined) return
    failure = error
    machine.end(now(), out)
  }
  const checkMachine = (): void => {
    if (machine.failure === undefined) return
    fail(new TransportError({ remote: duplex.remote, reason: new Translation({ message: machine.failure.message }) }))
  }
  const failLater = (error: TransportError): Effect.Effect<void> =>
    Effect.sync(() => {
      fail(error)
      ready.openUnsafe()
    })
  const writeLines = makeWriteLines(machine, duplex)
  const log = logEvents(out, formatEndpoint(server), throttled)
  /** Sends and logs what the machine said, and wakes `pull` for its messages. */
  const after = Effect.suspend(() => {
    checkMachine()
    if (out.messages.length > 0 || failure !== undefined) ready.openUnsafe()
    return Effect.andThen(log, Effect.catch(writeLines, failLater))
  })

  const readChunks = (): void => {
    const lines: Array<Line> = []
    for (const chunk of chunks) reader.push(chunk, lines)
    chunks = []
    handled.openUnsafe()
    // A line that grows for ever is no sign of life.
    if (lines.length > 0) machine.receive(lines, now(), out)
    if (reader.failure !== undefined) machine.fail(reader.failure, now(), out)
  }
  /** Handles what came. */
  const step = Effect.suspend(() => {
    ready.closeUnsafe()
    if (chunks.length > 0 && failure === undefined) readChunks()
    return after
  })
  const pull: PoolLink["pull"] = Effect.suspend(() => {
    const messages = out.takeMessages()
    if (isReadonlyArrayNonEmpty(messages)) return Effect.succeed(messages)
    if (failure !== undefined) return Effect.fail(failure)
    return Effect.andThen(Effect.andThen(ready.await, step), pull)
  })

  const read = Effect.gen(function* () {
    handled.closeUnsafe()
    chunks = yield* duplex.pull
    ready.openUnsafe()
    yield* handled.await
  }).pipe(Effect.forever, Effect.catch(failLater))
  const tick = Effect.sleep(TICK).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        machine.tick(now(), out)
        return after
      })
    ),
    Effect.forever
  )

  machine.start(now())
  yield* writeLines
  yield* Effect.forkScoped(read)
  yield* Effect.forkScoped(tick)
  const subscribed: Effect.Effect<void, TransportError> = Effect.suspend(() => {
    if (failure !== undefined) return Effect.fail(failure)
    if (machine.isSubscribed) return Effect.void
    return Effect.andThen(Effect.andThen(ready.await, step), subscribed)
  })
  yield* Effect.timeoutOrElse(subscribed, {
    duration: setupTimeout,
    orElse: () => {
      const missing = "the pool did not answer mining.subscribe"
      const reason = new SetupTimeout({ seconds: Duration.toSeconds(setupTimeout), missing })
      return Effect.fail(new SetupError({ remote: duplex.remote, reason }))
    }
  })
  return {
    machine,
    flags: machine.takeFlags(),
    pull,
    send: (messages) =>
      Effect.suspend(() => {
        if (failure !== undefined) return Effect.fail(failure)
        machine.send(messages, now(), out)
        return after
      })
  }
})

/** Writes the machine's lines in their order, even if several fibers wait for the pool's window. */
const makeWriteLines = (machine: PoolMachine, duplex: Duplex): Effect.Effect<void, TransportError> => {
  let waiting: Array<string> = []
  return Effect.suspend(() => {
    for (const line of machine.takeLines()) waiting.push(line)
    if (waiting.length === 0) return Effect.void
    return duplex.write(() => {
      const lines = waiting
      waiting = []
      return joinLines(lines)
    })
  })
}

const logEvents = (out: PoolOutbox, pool: string, throttled: ThrottledLog): Effect.Effect<void> =>
  Effect.suspend(() => {
    const events = out.takeEvents()
    return events.length === 0
      ? Effect.void
      : Effect.forEach(events, (event) => throttled.log(event._tag, describe(event, pool), levelOf(event)), {
          discard: true
        })
  })

const levelOf = ({ _tag }: PoolEvent): "Info" | "Warn" | "Debug" =>
  _tag === "PoolMessage" ? "Info" : _tag === "ShareRefused" ? "Debug" : "Warn"

const describe = (event: PoolEvent, pool: string): string => {
  switch (event._tag) {
    case "PoolMessage":
      return `The pool ${pool} says: ${escaped(event.text)}`
    case "WorkerRefused":
      return (
        `The pool ${pool} refused the worker ${escaped(event.worker)}: ${escaped(event.text)}. ` +
        "Check the user and the password that are configured for this pool"
      )
    case "ShareRefused":
      return `The pool ${pool} refused a share as ${event.errorCode}: ${escaped(event.text)}`
    case "RedirectIgnored":
      return (
        `The pool ${pool} asks to connect to ${escaped(event.host)}, which is another site or no host; ignored. ` +
        "Connections to a V1 pool are not authenticated, so anyone on the way could have sent that"
      )
    case "Malformed":
      return `The pool ${pool} sent a message that is ignored: ${event.error.message}`
  }
}
