/**
 * The floor of frames (specification, section 3.2): like `Duplex`, with whole frames. `Noise` and `Plain` provide
 * `FrameListener` and `FrameDialer` from a `Listener` and a `Dialer`.
 */
import type { Frame } from "@sluice/protocol"
import { Context, type Effect, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Receiver, Standing } from "../bytes/duplex.ts"
import type { Endpoint, ServerAddress } from "../endpoint.ts"
import type { DialError, ListenError } from "../error.ts"
import type { HandshakeError } from "../noise/handshake-error.ts"
import type { TransportError } from "../bytes/transport-error.ts"

export interface FrameDuplex {
  /** Reads the socket until it has at least one whole frame. Payloads are views on the bytes read, which are not reused. */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Frame>, TransportError>
  /** As `Duplex.each`, with the whole frames of each read. */
  readonly each?: <E>(receiver: Receiver<NonEmptyReadonlyArray<Frame>, E>) => Effect.Effect<never, E | TransportError>
  /** As `write`, at once. Returns false and sends nothing if the write would have to wait or to fail. */
  readonly writeNow?: (frames: NonEmptyReadonlyArray<Uint8Array>) => boolean
  /** Sends plain frames (header and payload, as `Direction.encode` gives) in one write. Does not change them. */
  readonly write: (frames: NonEmptyReadonlyArray<Uint8Array>) => Effect.Effect<void, TransportError>
  /**
   * Sets the longest payload that is accepted from now on, in bytes. The first limit is enough for SetupConnection; the layer
   * that knows which messages may come raises it. A frame that announces more ends the connection before any of it is stored.
   */
  readonly limitPayload: (maxPayload: number) => void
  readonly remote: Endpoint
  /** As `Duplex.standing`. */
  readonly standing?: Standing | undefined
}

export class FrameListener extends Context.Service<
  FrameListener,
  {
    readonly address: Endpoint
    readonly run: <E, R>(
      handler: (frames: FrameDuplex) => Effect.Effect<void, E, R>
    ) => Effect.Effect<never, ListenError, Exclude<R, Scope.Scope>>
    /** As `Listener.stopAccepting`. */
    readonly stopAccepting: Effect.Effect<void>
  }
>()("sluice/transport/FrameListener") {}

export class FrameDialer extends Context.Service<
  FrameDialer,
  {
    readonly dial: (server: ServerAddress) => Effect.Effect<FrameDuplex, DialError | HandshakeError, Scope.Scope>
  }
>()("sluice/transport/FrameDialer") {}
