/**
 * Listens on the kit's addresses. A client that connects waits, before any handshake, until a script takes it. The script
 * chooses the certificate of the handshake and may alter its bytes.
 */
import { CertificateAuthority, type Credentials } from "@sluice/noise"
import { type FrameDuplex, FrameListener, Listener, Noise, Plain } from "@sluice/transport"
import { Clock, Context, Deferred, Effect, Exit, Layer, Option, Queue, type Scope } from "effect"
import { Wire } from "../wire.ts"

/** One of the kit's addresses. */
export type Place = "here" | "elsewhere"

/** A client's connection between the socket and a script. */
interface Arrival {
  readonly at: Place
  readonly wire: Wire
  /** Completed when a script takes the connection, with the credentials to show; undefined without encryption. */
  readonly taken: Deferred.Deferred<Credentials | undefined>
  readonly frames: Deferred.Deferred<FrameDuplex, unknown>
  /** Completed when the script has finished with the connection. */
  readonly over: Deferred.Deferred<void>
}

/** A connection that a script has taken. */
export interface Accepted {
  readonly frames: FrameDuplex
  readonly wire: Wire
  readonly end: Effect.Effect<void>
}

export interface Handshake {
  /** The credentials to show; undefined without encryption. */
  readonly credentials: Credentials | undefined
  /** Alters the outgoing bytes. */
  readonly alter: Parameters<Wire["alter"]>[0] | undefined
}

/** The queue of clients that have connected and wait for a script. */
export class ClientQueue {
  private readonly arrivals: Queue.Queue<Arrival>

  private constructor(arrivals: Queue.Queue<Arrival>) {
    this.arrivals = arrivals
  }

  /** Listens while the Scope is open. */
  static readonly open = Effect.fnUntraced(function* (
    places: Readonly<Partial<Record<Place, Listener["Service"]>>>,
    encrypted: boolean
  ): Effect.fn.Return<ClientQueue, never, Scope.Scope> {
    const arrivals = yield* Queue.unbounded<Arrival>()
    for (const at of ["here", "elsewhere"] as const) {
      const listener = places[at]
      if (listener !== undefined) yield* listenAt(at, listener, encrypted, arrivals)
    }
    return new ClientQueue(arrivals)
  })

  /** Whether a client connects to this address in time. It stays in the queue; clients at the other address are closed. */
  comes(at: Place | undefined, withinMs: number): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + withinMs
      while (true) {
        const left = Math.max(0, until - (yield* Clock.currentTimeMillis))
        const next = yield* Effect.timeoutOption(Queue.peek(this.arrivals), left)
        if (Option.isNone(next)) return false
        if (at === undefined || next.value.at === at) return true
        const other = yield* Queue.take(this.arrivals)
        yield* Deferred.interrupt(other.taken)
      }
    })
  }

  /** Takes the next connection whose handshake succeeds; undefined if none does in time. */
  take(
    at: Place | undefined,
    withinMs: number,
    { alter, credentials }: Handshake
  ): Effect.Effect<Accepted | undefined> {
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + withinMs
      while (true) {
        const left = Math.max(0, until - (yield* Clock.currentTimeMillis))
        if (!(yield* this.comes(at, left))) return undefined
        const { frames, over, taken, wire } = yield* Queue.take(this.arrivals)
        if (alter !== undefined) wire.alter(alter)
        yield* Deferred.succeed(taken, credentials)
        const through = yield* Effect.exit(Deferred.await(frames))
        // The client has gone already, or is no Stratum V2 client: take the next.
        if (Exit.isFailure(through)) continue
        return { frames: through.value, wire, end: Effect.asVoid(Deferred.succeed(over, undefined)) }
      }
    })
  }
}

const listenAt = Effect.fnUntraced(function* (
  at: Place,
  listener: Listener["Service"],
  encrypted: boolean,
  arrivals: Queue.Queue<Arrival>
): Effect.fn.Return<void, never, Scope.Scope> {
  const waiting: Listener["Service"] = {
    ...listener,
    run: (handler) =>
      listener.run((duplex) =>
        Effect.gen(function* () {
          // More connections than any client needs: close the rest.
          if (Queue.sizeUnsafe(arrivals) >= MAX_WAITING) return
          const arrival: Arrival = {
            at,
            wire: new Wire(duplex),
            taken: yield* Deferred.make<Credentials | undefined>(),
            frames: yield* Deferred.make<FrameDuplex, unknown>(),
            over: yield* Deferred.make<void>()
          }
          yield* Queue.offer(arrivals, arrival)
          yield* Deferred.await(arrival.taken)
          yield* handler(arrival.wire.duplex).pipe(
            Effect.provideService(Current, arrival),
            Effect.onExit((exit) =>
              Exit.isFailure(exit) ? Deferred.failCause(arrival.frames, exit.cause) : Effect.void
            )
          )
        })
      )
  }
  const authority: CertificateAuthority["Service"] = {
    credentials: Effect.flatMap(Current, (arrival) =>
      Effect.flatMap(Deferred.await(arrival!.taken), (shown) =>
        shown === undefined ? Effect.die(new Error("a handshake without credentials")) : Effect.succeed(shown)
      )
    )
  }
  const frames = encrypted
    ? Noise.responder().pipe(Layer.provide(Layer.succeed(CertificateAuthority, authority)))
    : Plain.listener
  const context = yield* Layer.build(frames.pipe(Layer.provide(Layer.succeed(Listener, waiting))))
  yield* Context.get(context, FrameListener)
    .run((duplex) =>
      Effect.gen(function* () {
        const arrival = (yield* Current)!
        yield* Deferred.succeed(arrival.frames, duplex)
        yield* Deferred.await(arrival.over)
      })
    )
    .pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))
})

/** The most connections that wait for a script. */
const MAX_WAITING = 64

const Current = Context.Reference<Arrival | undefined>("sluice/conformance/Arrival", { defaultValue: () => undefined })
