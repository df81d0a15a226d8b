/**
 * The floor of bytes: an open connection as a pull of what was read and a write of what is to be sent. `Tcp` and
 * `Memory` provide `Listener` and `Dialer`; everything above sees only these.
 */
import { Context, type Effect, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Endpoint } from "../endpoint.ts"
import type { DialError, ListenError } from "../error.ts"
import type { TransportError } from "./transport-error.ts"

export interface Duplex {
  /**
   * The chunks that the last read of the socket gave; nothing is read before it is pulled. The caller owns the bytes
   * and may change them in place. Every end, orderly or not, is a failure: `TransportError` with its reason.
   */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, TransportError>
  /**
   * Waits while the peer's window is full, then calls `bytes` and hands what it gives to the socket, both in one step that
   * nothing comes between: what is encrypted in `bytes` leaves in the order in which it was encrypted, whoever else writes
   * at the same time, and an interrupted write has sent all of it or nothing. The bytes must not be changed afterwards. A
   * peer that takes nothing for the layer's `sendTimeout` ends the connection. `size` is about how many bytes it will be:
   * they count to what waits for the peer as long as the write does.
   */
  readonly write: (bytes: () => Uint8Array, size?: number) => Effect.Effect<void, TransportError>
  readonly remote: Endpoint
  /** Of a connection to a listener on the network. */
  readonly standing?: Standing | undefined
}

/** What a listener is told of one of its connections, for the limits that all of them share. */
export interface Standing {
  /** The connection has done what it is there for, such as a share: where places are short, it gives way last. */
  readonly worked: () => void
  /** So many bytes wait for the peer from now on that are not in a `write` yet. */
  readonly queued: (bytes: number) => void
}

/** Accepts connections. Each runs the handler in a fiber and a Scope of its own; a handler's failure ends it alone. */
export class Listener extends Context.Service<
  Listener,
  {
    readonly address: Endpoint
    readonly run: <E, R>(
      handler: (duplex: Duplex) => Effect.Effect<void, E, R>
    ) => Effect.Effect<never, ListenError, Exclude<R, Scope.Scope>>
    /** Takes no more connections; those that are open stay. For the end of a server, which begins with it. */
    readonly stopAccepting: Effect.Effect<void>
  }
>()("sluice/transport/Listener") {}

/** Opens connections; closing the Scope closes the connection. */
export class Dialer extends Context.Service<
  Dialer,
  {
    readonly dial: (endpoint: Endpoint) => Effect.Effect<Duplex, DialError, Scope.Scope>
  }
>()("sluice/transport/Dialer") {}
