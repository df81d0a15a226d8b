/**
 * A network in memory: `Listener` and `Dialer` without sockets, for tests and for roles in one process. It is deterministic:
 * the same order of calls gives the same order of events, and all timeouts use the Clock, so `TestClock` controls them.
 */
import { Duration, Effect, FiberSet, Layer, type Scope } from "effect"
import { Dialer, type Duplex, Listener } from "./duplex.ts"
import { type Endpoint, formatEndpoint } from "../endpoint.ts"
import { DialError, ListenError } from "../error.ts"
import { makeThrottledLog } from "../throttled-log.ts"
import { serve } from "./serve.ts"
import { Closed, SendTimeout, TransportError } from "./transport-error.ts"

export interface NetworkOptions {
  /** Capacity of each direction of a connection in bytes; above it, writes wait. Default 65,536. */
  readonly capacity?: number
  /** Cuts each write into chunks, of which a pull gives one. A test can so break frames anywhere. */
  readonly split?: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
  /** How long a peer may leave its window full before the connection ends. Default 1 minute. */
  readonly sendTimeout?: Duration.Input
}

export interface Network {
  /** Listens at an address of this network; port 0 means any free port. */
  readonly listener: (address: Endpoint) => Layer.Layer<Listener, ListenError>
  readonly dialer: Layer.Layer<Dialer>
}

/** Provides a network with one listener, at `memory:1`, and a dialer. */
export const network = (options: NetworkOptions = {}): Layer.Layer<Listener | Dialer> =>
  Layer.suspend(() => {
    const { listener, dialer } = make(options)
    return Layer.merge(Layer.orDie(listener(ADDRESS)), dialer)
  })

/** The address of `network`'s listener. */
export const ADDRESS: Endpoint = { host: "memory", port: 1 }

/** Makes a network for any number of listeners and dialers. */
export const make = (options: NetworkOptions = {}): Network => {
  const bound = new Map<string, Bound>()
  let nextPort = 49_152

  const listener = (wanted: Endpoint) =>
    Layer.effect(
      Listener,
      Effect.gen(function* () {
        const address = wanted.port === 0 ? { host: wanted.host, port: nextPort++ } : wanted
        const key = formatEndpoint(address)
        if (bound.has(key)) {
          return yield* new ListenError({
            address,
            code: "EADDRINUSE",
            cause: new Error(`another listener has the address ${key}`)
          })
        }
        const here: Bound = { accept: undefined, waiting: [] }
        bound.set(key, here)
        const stopAccepting = Effect.sync(() => {
          if (bound.get(key) === here) bound.delete(key)
          for (const connection of here.waiting.splice(0)) connection.close()
        })
        yield* Effect.addFinalizer(() => stopAccepting)
        const run = <E, R>(handler: (duplex: Duplex) => Effect.Effect<void, E, R>) =>
          Effect.gen(function* () {
            const connections = yield* FiberSet.make<void, never>()
            const fork = yield* FiberSet.runtime(connections)<Exclude<R, Scope.Scope>>()
            const throttled = yield* makeThrottledLog()
            const accept = (end: End) => {
              fork(serve(end.duplex, Effect.andThen(closing(end), handler(end.duplex)), throttled))
            }
            yield* Effect.acquireRelease(
              Effect.sync(() => {
                here.accept = accept
                here.waiting.splice(0).forEach(accept)
              }),
              () => Effect.sync(() => (here.accept = undefined))
            )
            return yield* Effect.never
          }).pipe(Effect.scoped)
        return Listener.of({ address, run, stopAccepting })
      })
    )

  const dial = (endpoint: Endpoint) =>
    Effect.gen(function* () {
      const server = bound.get(formatEndpoint(endpoint))
      if (server === undefined || server.waiting.length === BACKLOG) {
        return yield* new DialError({ endpoint, code: "ECONNREFUSED" })
      }
      const toServer = new Pipe(options)
      const toClient = new Pipe(options)
      const client = new End(toServer, toClient, endpoint, options)
      const accepted = new End(toClient, toServer, { host: "memory-client", port: nextPort++ }, options)
      yield* closing(client)
      if (server.accept === undefined) server.waiting.push(accepted)
      else server.accept(accepted)
      return client.duplex
    })

  return { listener, dialer: Layer.succeed(Dialer, { dial }) }
}

/** An open listener, and connections that came while `run` was not running. */
interface Bound {
  accept: ((end: End) => void) | undefined
  readonly waiting: Array<End>
}

const BACKLOG = 128

const closing = (end: End): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer(() => Effect.sync(() => end.close()))

/** One end of a connection. It writes to one pipe and reads from the other. */
class End {
  readonly duplex: Duplex
  private readonly out: Pipe
  private readonly in: Pipe
  private failed: TransportError | undefined

  constructor(outgoing: Pipe, incoming: Pipe, remote: Endpoint, options: NetworkOptions) {
    this.out = outgoing
    this.in = incoming
    const sendTimeout = Duration.fromInputUnsafe(options.sendTimeout ?? "1 minute")
    const closed = () => this.failed ?? new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) })

    const pull: Duplex["pull"] = Effect.suspend(() => {
      const chunks = this.in.take()
      if (chunks !== undefined) return Effect.succeed(chunks)
      if (this.in.closed) return Effect.fail(closed())
      return Effect.flatMap(this.in.filled, () => pull)
    })
    const room = Effect.timeoutOrElse(
      Effect.suspend(() => this.out.emptied),
      {
        duration: sendTimeout,
        orElse: () =>
          Effect.suspend(() => {
            const reason = new SendTimeout({ seconds: Duration.toSeconds(sendTimeout) })
            this.failed = new TransportError({ remote, reason })
            this.close()
            return Effect.fail(this.failed)
          })
      }
    )
    const write: Duplex["write"] = (bytes) =>
      Effect.suspend(() => {
        if (this.out.closed) return Effect.fail(closed())
        if (this.out.isFull) return Effect.flatMap(room, () => write(bytes))
        this.out.put(bytes())
        return Effect.void
      })
    this.duplex = { pull, write, remote }
  }

  /** Closes the connection; the other end can still read what was written before. */
  close(): void {
    this.out.close()
    this.in.close()
    this.in.take()
  }
}

/** The bytes under way in one direction. */
class Pipe {
  closed = false
  private chunks: Array<Uint8Array> = []
  private size = 0
  private readonly capacity: number
  private readonly split: NetworkOptions["split"]
  private readonly readers = new Set<() => void>()
  private readonly writers = new Set<() => void>()

  constructor(options: NetworkOptions) {
    this.capacity = options.capacity ?? 65_536
    this.split = options.split
  }

  get isFull(): boolean {
    return this.size >= this.capacity
  }

  /** Completes when there are bytes to read or the pipe is closed. */
  readonly filled: Effect.Effect<void> = waitIn(this.readers, () => this.closed || this.chunks.length > 0)
  /** Completes when there is room to write or the pipe is closed. */
  readonly emptied: Effect.Effect<void> = waitIn(this.writers, () => this.closed || !this.isFull)

  put(bytes: Uint8Array): void {
    // Copies the bytes, because the reader may change them.
    const copy = bytes.slice()
    for (const chunk of this.split === undefined ? [copy] : this.split(copy)) {
      if (chunk.length > 0) this.chunks.push(chunk)
    }
    this.size += bytes.length
    wake(this.readers)
  }

  take(): readonly [Uint8Array, ...Array<Uint8Array>] | undefined {
    const taken = this.chunks.splice(0, this.split === undefined ? this.chunks.length : 1)
    const [first, ...rest] = taken
    if (first === undefined) return undefined
    for (const chunk of taken) this.size -= chunk.length
    if (!this.isFull) wake(this.writers)
    return [first, ...rest]
  }

  close(): void {
    this.closed = true
    wake(this.readers)
    wake(this.writers)
  }
}

function waitIn(waiting: Set<() => void>, mayGoOn: () => boolean): Effect.Effect<void> {
  return Effect.callback<void>((resume) => {
    // The fiber may have given way to others since it looked.
    if (mayGoOn()) return resume(Effect.void)
    const done = () => resume(Effect.void)
    waiting.add(done)
    return Effect.sync(() => waiting.delete(done))
  })
}

const wake = (waiting: Set<() => void>): void => {
  const all = [...waiting]
  waiting.clear()
  for (const done of all) done()
}
