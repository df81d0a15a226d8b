/**
 * SetupConnection, both ends (specification, section 3.6): from the floor of frames to connections that are typed by their
 * protocol.
 *
 *     Setup.server(MiningListener, { supportedFlags: Mining.REQUIRES_STANDARD_JOBS })
 *     Setup.client(MiningDialer, { device: { vendor: "...", ... }, extensions: [WorkerIdentity.extension] })
 *
 * Extensions are negotiated next (negotiation.ts), and the connection then speaks the protocol with those of both ends.
 */
import { Common, type Direction, DecodeError, ErrorCode, Frame, type Protocol } from "@sluice/protocol"
import { Clock, type Context, Duration, Effect, Layer, type Scope } from "effect"
import packageJson from "../package.json" with { type: "json" }
import type { Connection, ConnectionDialer, ConnectionListener, Device } from "./connection.ts"
import { type Endpoint, formatEndpoint, type ServerAddress } from "./endpoint.ts"
import type { ConnectionError } from "./error.ts"
import { FrameDialer, type FrameDuplex, FrameListener } from "./frame-duplex.ts"
import { type MessageLimits, overFrames } from "./message-stream.ts"
import {
  ask,
  type Asked,
  awaitRequired,
  type ExtensionOptions,
  idsOf,
  makeSpoken,
  missingExtensions,
  pullAfter,
  ServerNegotiation
} from "./negotiation.ts"
import { makeNotices, type Notices } from "./notices.ts"
import {
  RefusedByServer,
  RefusedClient,
  SetupError,
  SetupTimeout,
  UnexpectedFirstMessage,
  UnsupportedFlags,
  UnsupportedProtocol,
  VersionMismatch
} from "./setup-error.ts"

export interface ServerOptions extends ExtensionOptions, MessageLimits {
  /** Those flags of a client (SetupConnection) that can be met, U32; none. A client that sets others is refused. */
  readonly supportedFlags?: number
  /** The flags that clients are told (SetupConnection.Success), U32; none. */
  readonly flags?: number
  /** A last word on a client that is right in all else: an error code refuses it. */
  readonly check?: (client: Common.SetupConnection, remote: Endpoint) => string | undefined
  /** How long a client may take to send SetupConnection; 10 seconds. */
  readonly setupTimeout?: Duration.Input
}

export interface ClientOptions extends ExtensionOptions, MessageLimits {
  /** What is asked of the server (SetupConnection), U32; nothing. */
  readonly flags?: number
  /** What the server is told of this client. */
  readonly device?: Partial<Device>
  /** How long the server may take to answer; 10 seconds. */
  readonly setupTimeout?: Duration.Input
  /**
   * How long to wait for the server's word on extensions before going on without any; five times what the answer to
   * SetupConnection took, at least 1 second, at most the `setupTimeout`.
   */
  readonly extensionsTimeout?: Duration.Input
}

/** The listener service of a protocol, such as `MiningListener`; `In` is what clients send. */
export interface ListenerOf<Self, In, Out> extends ServiceOf<Self, ConnectionListener<In, Out>> {
  readonly protocol: Protocol<In, Out>
}

/** The dialer service of a protocol, such as `MiningDialer`; `In` is what servers send. */
export interface DialerOf<Self, In, Out> extends ServiceOf<Self, ConnectionDialer<In, Out>> {
  readonly protocol: Protocol<Out, In>
}

/** What makes a `Context.Service` class one. */
type ServiceOf<Self, Shape> = Pick<Context.Key<Self, Shape>, "key" | "Identifier" | "Service">

/** Serves the service's protocol to every client that asks for it. */
export const server = <Self, In, Out>(
  service: ListenerOf<Self, In, Out>,
  options: ServerOptions = {}
): Layer.Layer<Self, never, FrameListener> =>
  Layer.effect(
    service as unknown as Context.Key<Self, ConnectionListener<In, Out>>,
    Effect.gen(function* (): Effect.fn.Return<ConnectionListener<In, Out>, never, FrameListener | Scope.Scope> {
      const { address, run, stopAccepting } = yield* FrameListener
      const accept = makeAccept(service.protocol, options, yield* makeNotices())
      return { address, run: (handler) => run((frames) => Effect.flatMap(accept(frames), handler)), stopAccepting }
    })
  )

/** Speaks the service's protocol with servers. */
export const client = <Self, In, Out>(
  service: DialerOf<Self, In, Out>,
  options: ClientOptions = {}
): Layer.Layer<Self, never, FrameDialer> =>
  Layer.effect(
    service as unknown as Context.Key<Self, ConnectionDialer<In, Out>>,
    Effect.map(FrameDialer, ({ dial }): ConnectionDialer<In, Out> => {
      const request = makeRequest(service.protocol, options)
      return { dial: (server) => Effect.flatMap(dial(server), (frames) => request(frames, server)) }
    })
  )

/** The server's part: one SetupConnection comes, Success or Error goes. */
const makeAccept = <In, Out>(protocol: Protocol<In, Out>, options: ServerOptions, notices: Notices) => {
  const { supportedFlags = 0, flags = 0, check } = options
  const timeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")
  const spoken = makeSpoken(protocol)

  const judge = (client: Common.SetupConnection, remote: Endpoint): Refusal | undefined => {
    const { minVersion, maxVersion } = client
    if (client.protocol !== protocol.id) {
      const reason = new UnsupportedProtocol({ requested: client.protocol, served: protocol.id })
      return { flags: 0, errorCode: ErrorCode.setup.unsupportedProtocol, reason }
    }
    if (minVersion > Common.PROTOCOL_VERSION || maxVersion < Common.PROTOCOL_VERSION) {
      const reason = new VersionMismatch({ minVersion, maxVersion })
      return { flags: 0, errorCode: ErrorCode.setup.protocolVersionMismatch, reason }
    }
    const unsupported = (client.flags & ~supportedFlags) >>> 0
    if (unsupported !== 0) {
      const reason = new UnsupportedFlags({ flags: unsupported })
      return { flags: unsupported, errorCode: ErrorCode.setup.unsupportedFeatureFlags, reason }
    }
    const errorCode = check?.(client, remote)
    if (errorCode !== undefined) return { flags: 0, errorCode, reason: new RefusedClient({ errorCode }) }
    return undefined
  }

  return Effect.fn("Setup.accept")(function* (
    frames: FrameDuplex
  ): Effect.fn.Return<Connection<In, Out>, ConnectionError> {
    const { remote } = frames
    const [first, ...early] = yield* firstFrames(frames, timeout)
    const client = yield* decodeFirst(Common.setup.toServer, first, "SetupConnection (0x0)", remote)
    const refusal = judge(client, remote)
    if (refusal !== undefined) {
      const { errorCode, flags, reason } = refusal
      yield* frames.write([
        Common.SetupConnectionError.codec.encode({ _tag: "SetupConnection.Error", flags, errorCode })
      ])
      return yield* new SetupError({ remote, reason })
    }
    const usedVersion = Common.PROTOCOL_VERSION
    yield* frames.write([
      Common.SetupConnectionSuccess.codec.encode({ _tag: "SetupConnection.Success", usedVersion, flags })
    ])
    const { deviceId, firmware, hardwareVersion, vendor } = client
    const negotiation = new ServerNegotiation(options, remote)
    return overFrames<In, Out>({
      frames,
      speak: () => {
        // A client may ask again, but not for less than what is required.
        if (negotiation.missing.length > 0) throw missingExtensions(negotiation, remote)
        const { toServer: incoming, toClient: outgoing } = spoken(negotiation.extensions)
        return { incoming, outgoing, extensions: idsOf(negotiation.extensions) }
      },
      answer: (frame) => negotiation.answer(frame),
      setup: { version: usedVersion, flags: client.flags, device: { vendor, hardwareVersion, firmware, deviceId } },
      early: negotiation.missing.length === 0 ? early : yield* awaitRequired({ frames, negotiation, early, timeout }),
      limits: options,
      onSlowDown: Effect.suspend(() => {
        const line = `${formatEndpoint(remote)} sends too many messages of unknown types and is read from more slowly`
        return notices.note("too_many_unknown", line, "Warn")
      })
    })
  })
}

/** The client's part: SetupConnection goes, Success or Error comes. */
const makeRequest = <In, Out>(protocol: Protocol<Out, In>, options: ClientOptions) => {
  const { extensions = [], flags = 0, requiredExtensions = [] } = options
  const spoken = makeSpoken(protocol)
  const device: Device = { ...SOFTWARE, ...options.device }
  const timeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")
  const expected = "SetupConnection.Success (0x1) or SetupConnection.Error (0x2)"
  const waitFor = (tookMs: number): Duration.Duration =>
    options.extensionsTimeout === undefined
      ? Duration.min(timeout, Duration.millis(Math.max(1000, 5 * tookMs)))
      : Duration.fromInputUnsafe(options.extensionsTimeout)

  return Effect.fn("Setup.request")(function* (
    frames: FrameDuplex,
    server: ServerAddress
  ): Effect.fn.Return<Connection<In, Out>, ConnectionError, Scope.Scope> {
    const { remote } = frames
    const begun = yield* Clock.currentTimeMillis
    yield* frames.write([
      Common.SetupConnection.codec.encode({
        _tag: "SetupConnection",
        protocol: protocol.id,
        minVersion: Common.PROTOCOL_VERSION,
        maxVersion: Common.PROTOCOL_VERSION,
        flags,
        endpointHost: server.host,
        endpointPort: server.port,
        ...device
      })
    ])
    const [first, ...early] = yield* firstFrames(frames, timeout)
    const answer = yield* decodeFirst(Common.setup.toClient, first, expected, remote)
    if (answer._tag === "SetupConnection.Error") {
      const { errorCode, flags } = answer
      return yield* new SetupError({ remote, reason: new RefusedByServer({ errorCode, flags }) })
    }
    const { usedVersion } = answer
    if (usedVersion !== Common.PROTOCOL_VERSION) {
      const reason = new VersionMismatch({ minVersion: usedVersion, maxVersion: usedVersion })
      return yield* new SetupError({ remote, reason })
    }
    const took = (yield* Clock.currentTimeMillis) - begun
    const asked: Asked =
      extensions.length === 0 && requiredExtensions.length === 0
        ? { extensions: [], early, pending: undefined }
        : yield* ask({ frames, extensions, requiredExtensions, early, timeout: waitFor(took) })
    const { toClient: incoming, toServer: outgoing } = spoken(asked.extensions)
    return overFrames<In, Out>({
      frames: { ...frames, pull: pullAfter(asked.pending, frames) },
      speak: () => ({ incoming, outgoing, extensions: idsOf(asked.extensions) }),
      setup: { version: usedVersion, flags: answer.flags, device },
      early: asked.early,
      limits: options
    })
  })
}

/**
 * The device description of a client that is this software. It always names vendor and version; a `deviceId`, by which a
 * server could follow the device, is empty (3.6.1).
 */
export const SOFTWARE: Device = {
  vendor: "Sluice",
  hardwareVersion: "software",
  firmware: `sluice-${packageJson.version}`,
  deviceId: ""
}

interface Refusal {
  readonly flags: number
  readonly errorCode: string
  readonly reason: SetupError["reason"]
}

const firstFrames = (frames: FrameDuplex, timeout: Duration.Duration) =>
  Effect.timeoutOrElse(frames.pull, {
    duration: timeout,
    orElse: () => {
      const reason = new SetupTimeout({ seconds: Duration.toSeconds(timeout) })
      return Effect.fail(new SetupError({ remote: frames.remote, reason }))
    }
  })

const decodeFirst = <M>(
  direction: Direction<M>,
  frame: Frame,
  expected: string,
  remote: Endpoint
): Effect.Effect<M, DecodeError | SetupError> =>
  Effect.suspend((): Effect.Effect<M, DecodeError | SetupError> => {
    try {
      const message = direction.decode(frame, { copy: true })
      return message === undefined ? unexpected(frame, expected, remote) : Effect.succeed(message)
    } catch (error) {
      if (error instanceof DecodeError) return Effect.fail(error)
      throw error
    }
  })

const unexpected = (frame: Frame, expected: string, remote: Endpoint) => {
  const { extensionType, messageType } = frame
  return Effect.fail(
    new SetupError({ remote, reason: new UnexpectedFirstMessage({ extensionType, messageType, expected }) })
  )
}
