/**
 * The floor of messages: a connection after SetupConnection (section 3.6.1), typed by the messages that it receives and sends.
 * `Setup.server` and `Setup.client` provide the listeners and dialers of each protocol from the floor of frames.
 */
import { JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Context, Effect, type Scope, Stream } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Receiver, Standing } from "../bytes/duplex.ts"
import type { Endpoint, ServerAddress } from "../endpoint.ts"
import type { ConnectionError, DialError, ListenError } from "../error.ts"
import type { ClientSetup, Device, ServerSetup } from "../setup/setup-options.ts"

export interface Connection<In, Out> {
  /** The messages of the peer: one array for each read of the socket. The stream ends only with a failure. */
  readonly receive: Stream.Stream<In, ConnectionError>
  /**
   * Encodes the messages and sends them in one write. A message that many connections get, such as a job, is encoded once if
   * they are sent the same object.
   */
  readonly send: (messages: ReadonlyArray<Out>) => Effect.Effect<void, ConnectionError>
  /**
   * As `receive`, without a fiber's turn for each read: gives the messages of a read in the event that brings them. Waits
   * for what that leaves before it reads again. Transports that have nothing like it leave it out; `eachBatch` is for all.
   */
  readonly each?: <E>(receiver: Receiver<NonEmptyReadonlyArray<In>, E>) => Effect.Effect<never, E | ConnectionError>
  /** As `send`, at once. Returns false and sends nothing if that would have to wait or to fail: `send` does it then. */
  readonly sendNow?: (messages: ReadonlyArray<Out>) => boolean
  /** The agreed setup. `flags` are those of the peer: a server sees the client's flags, a client the server's. */
  readonly setup: {
    readonly version: number
    readonly flags: number
    /** The negotiated extensions. On the server they are final with the first message: before it, a client may request some. */
    readonly extensions: ReadonlyArray<number>
    /** The client's device; on the client, the one that it sent. */
    readonly device: Device
  }
  /** The peer waits for an answer to each of its messages, as miners of Stratum V1 do: no answer may wait for company. */
  readonly answersEach?: boolean
  /** Whatever the device's firmware, SetExtranoncePrefix is understood: a translator makes other messages of it. */
  readonly takesPrefixes?: boolean
  readonly remote: Endpoint
  /**
   * Sets the longest payload in bytes that is accepted from now on, for a peer that may send long messages only at times. It is
   * never more than the limit of the listener or dialer. Absent where messages are not those of Stratum V2.
   */
  readonly limitPayload?: ((maxPayload: number) => void) | undefined
  /** As `Duplex.standing`. */
  readonly standing?: Standing | undefined
}

/** Gives the messages of each read, and waits for what that leaves before the next. */
export const eachBatch = <In, Out, E>(
  { each, receive }: Pick<Connection<In, Out>, "each" | "receive">,
  receiver: Receiver<NonEmptyReadonlyArray<In>, E>
): Effect.Effect<void, E | ConnectionError> =>
  each === undefined
    ? Stream.runForEachArray(receive, (messages) => receiver.take(messages) ?? Effect.void)
    : each(receiver)

export interface ConnectionListener<In, Out> {
  /** Where it listens; the first address if it listens at several (`mergeListeners`). */
  readonly address: Endpoint
  readonly addresses: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
  /**
   * Runs the handler for each connection in a fiber and a Scope of its own; a handler's failure ends that connection only.
   * `accepted` is what `accept` of the setup returned as `with`. TypeScript infers its type if the parameters of `accept` have
   * type annotations.
   */
  readonly run: <E, R, A = undefined, AcceptError = never, AcceptServices = never>(
    handler: (connection: Connection<In, Out>, accepted: NoInfer<A>) => Effect.Effect<void, E, R>,
    setup?: ServerSetup<A, AcceptError, AcceptServices>
  ) => Effect.Effect<never, ListenError, Exclude<R | AcceptServices, Scope.Scope>>
  /** As `Listener.stopAccepting`. */
  readonly stopAccepting: Effect.Effect<void>
}

export interface ConnectionDialer<In, Out> {
  /** Connects and completes the setup. Closing the Scope closes the connection. */
  readonly dial: (
    server: ServerAddress,
    setup?: ClientSetup
  ) => Effect.Effect<Connection<In, Out>, DialError | ConnectionError, Scope.Scope>
}

export class MiningListener extends Context.Service<
  MiningListener,
  ConnectionListener<Mining.ToServer, Mining.ToClient>
>()("sluice/transport/MiningListener") {
  static readonly protocol = Mining.protocol
}

export class MiningDialer extends Context.Service<MiningDialer, ConnectionDialer<Mining.ToClient, Mining.ToServer>>()(
  "sluice/transport/MiningDialer"
) {
  static readonly protocol = Mining.protocol
}

export class TemplateListener extends Context.Service<
  TemplateListener,
  ConnectionListener<TemplateDistribution.ToServer, TemplateDistribution.ToClient>
>()("sluice/transport/TemplateListener") {
  static readonly protocol = TemplateDistribution.protocol
}

export class TemplateDialer extends Context.Service<
  TemplateDialer,
  ConnectionDialer<TemplateDistribution.ToClient, TemplateDistribution.ToServer>
>()("sluice/transport/TemplateDialer") {
  static readonly protocol = TemplateDistribution.protocol
}

export class DeclarationListener extends Context.Service<
  DeclarationListener,
  ConnectionListener<JobDeclaration.ToServer, JobDeclaration.ToClient>
>()("sluice/transport/DeclarationListener") {
  static readonly protocol = JobDeclaration.protocol
}

export class DeclarationDialer extends Context.Service<
  DeclarationDialer,
  ConnectionDialer<JobDeclaration.ToClient, JobDeclaration.ToServer>
>()("sluice/transport/DeclarationDialer") {
  static readonly protocol = JobDeclaration.protocol
}
