/**
 * The floor of bytes: an open connection has a pull to read bytes and a write to send bytes. `Tcp` and `Memory` provide
 * `Listener` and `Dialer`; the floors above use only these.
 */
import { Context, type Effect, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Endpoint, ServerSecurity } from "../endpoint.ts"
import type { DialError, ListenError } from "../error.ts"
import type { TransportError } from "./transport-error.ts"

/** What one step leaves to be waited for before the next; undefined if that is nothing. */
export type Rest<E> = Effect.Effect<void, E> | undefined

/** Gets what each read brings: chunks here, frames and messages on the floors above. */
export interface Receiver<A, E> {
  /** Runs in the event of the read. Returns what has to be waited for before the next. */
  take(input: A): Rest<E>
  /**
   * Looks at what `take` will need on this floor. Of a connection that has slept nothing is in the processor's caches: it loads what all
   * floors look at side by side, but what `take` finds on its way one after the other. The result only keeps compilers from
   * leaving it out.
   */
  touch(): number
  /** Who gets what `take` makes of it. */
  readonly above?: Receiver<never, unknown> | undefined
}

export interface Duplex {
  /**
   * Reads the socket once and gives its chunks. The caller owns the bytes and may change them in place. Every end of the
   * connection, orderly or not, is a failure: a `TransportError` with its reason.
   */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, TransportError>
  /**
   * Waits while the peer's window is full, then calls `bytes` and passes the result to the socket, in one uninterrupted step.
   * So `bytes` may encrypt: encrypted bytes leave in the order of encryption, even if several fibers write, and an interrupted
   * write has sent all or nothing. The bytes must not be changed afterwards. If the peer reads nothing for the layer's
   * `sendTimeout`, the connection ends. `size` is the approximate number of bytes; it counts as unread while the write waits.
   */
  readonly write: (bytes: () => Uint8Array, size?: number) => Effect.Effect<void, TransportError>
  /**
   * As `pull` in a loop, without a fiber's turn for each read: gives a chunk in the event that brings it. Waits for what that leaves
   * before it reads again. Meanwhile it may `pull`.
   */
  readonly each?: <E>(receiver: Receiver<Uint8Array, E>) => Effect.Effect<never, E | TransportError>
  /** As `write`, at once. Returns false, and does not call `bytes`, if the write would have to wait or to fail. */
  readonly writeNow?: (bytes: () => Uint8Array) => boolean
  readonly remote: Endpoint
  /** Only of connections that a TCP listener accepted. */
  readonly standing?: Standing | undefined
}

/** Reports about one connection to its listener, for the limits that all connections share. */
export interface Standing {
  /** The connection has done useful work, such as a share. If all places are taken, it gives way last. */
  worked(): void
  /** Sets the number of bytes that are queued for the peer and not in a `write` yet. */
  queued(bytes: number): void
}

/**
 * Accepts connections. Each runs the handler in a fiber and a Scope of its own; a handler's failure ends that connection only.
 */
export class Listener extends Context.Service<
  Listener,
  {
    readonly address: Endpoint
    readonly run: <E, R>(
      handler: (duplex: Duplex) => Effect.Effect<void, E, R>
    ) => Effect.Effect<never, ListenError, Exclude<R, Scope.Scope>>
    /** Accepts no more connections and keeps the open ones: the first step when a server stops. */
    readonly stopAccepting: Effect.Effect<void>
  }
>()("sluice/transport/Listener") {}

/** Opens connections. Closing the Scope closes the connection. */
export class Dialer extends Context.Service<
  Dialer,
  {
    /** Connects; with TLS if the address says so. Then the server's certificate is checked before there is a Duplex. */
    readonly dial: (
      to: Endpoint & { readonly security?: ServerSecurity }
    ) => Effect.Effect<Duplex, DialError, Scope.Scope>
  }
>()("sluice/transport/Dialer") {}
