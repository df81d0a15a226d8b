/**
 * SetupConnection, both ends (specification, section 3.6): from frames to connections that are typed by their protocol.
 *
 * The layers know the protocol and the limits; each `run` and `dial` says what its role supports and requires
 * (setup-options.ts). Extensions are negotiated next (negotiation.ts), and the connection then speaks the protocol with the
 * extensions of both ends.
 */
import { Common, type Direction, DecodeError, ErrorCode, Frame, type Protocol } from "@sluice/protocol"
import { Clock, type Context, Duration, Effect, Layer, type Scope } from "effect"
import packageJson from "../package.json" with { type: "json" }
import type { Connection, ConnectionDialer, ConnectionListener } from "./connection.ts"
import { type Endpoint, formatEndpoint, type ServerAddress } from "./endpoint.ts"
import type { ConnectionError } from "./error.ts"
import { FrameDialer, type FrameDuplex, FrameListener } from "./frame-duplex.ts"
import { type MessageLimits, overFrames, writeMessages } from "./message-stream.ts"
import {
  ask,
  type Asked,
  awaitRequired,
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
import { type Accepted, type ClientSetup, type Device, type ServerSetup, SetupRefusal } from "./setup-options.ts"

export interface ServerOptions extends MessageLimits {
  /** How long the setup of a connection may take, `accept` and required extensions included. Default 10 seconds. */
  readonly setupTimeout?: Duration.Input
}

export interface ClientOptions extends MessageLimits {
  /** How long the server may take to answer SetupConnection. Default 10 seconds. */
  readonly setupTimeout?: Duration.Input
  /**
   * How long the client waits for the answer to its request for extensions before it goes on without any. Default five times
   * what the answer to SetupConnection took, at least 1 second and at most the `setupTimeout`.
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
      const { protocol } = service
      const environment = { protocol, options, spoken: makeSpoken(protocol), notices: yield* makeNotices() }

      return {
        address,
        addresses: [address],
        run: (handler, setup = {}) => {
          const accept = makeAccept(environment, setup)
          return run((frames) =>
            Effect.flatMap(accept(frames), ({ connection, accepted }) => handler(connection, accepted))
          )
        },
        stopAccepting
      }
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
      return { dial: (server, setup = {}) => Effect.flatMap(dial(server), (frames) => request(frames, server, setup)) }
    })
  )

/** What all connections of a server's layer share. */
interface ServerEnvironment<In, Out> {
  readonly protocol: Protocol<In, Out>
  readonly options: ServerOptions
  readonly spoken: ReturnType<typeof makeSpoken<In, Out>>
  readonly notices: Notices
}

/** The server's part: it receives one SetupConnection and sends Success or Error. */
const makeAccept = <In, Out, A, E, R>(
  { notices, options, protocol, spoken }: ServerEnvironment<In, Out>,
  setup: ServerSetup<A, E, R>
) => {
  const { accept, flags = 0, supportedFlags = 0 } = setup
  const timeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")

  const judge = (client: Common.SetupConnection): Refusal | undefined => {
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
    return undefined
  }

  const refuse = (frames: FrameDuplex, { errorCode, flags, reason }: Refusal) =>
    Effect.andThen(
      writeMessages(frames, Common.setup.toClient, [{ _tag: "SetupConnection.Error", flags, errorCode }]),
      Effect.fail(new SetupError({ remote: frames.remote, reason }))
    )

  const decide = (frames: FrameDuplex, client: Common.SetupConnection) => {
    if (accept === undefined) return Effect.succeed<Accepted<A>>({})
    return Effect.catchIf(
      accept(client, frames.remote),
      (error) => error instanceof SetupRefusal,
      ({ errorCode, flags }) => refuse(frames, { errorCode, flags, reason: new RefusedClient({ errorCode, flags }) })
    )
  }

  return Effect.fn("Setup.accept")(function* (frames: FrameDuplex) {
    const { remote } = frames
    let missing: SetupTimeout["missing"] = "the client sent no SetupConnection"
    const agree = Effect.gen(function* () {
      const [first, ...early] = yield* frames.pull
      const client = yield* decodeFirst(Common.setup.toServer, first, "SetupConnection (0x0)", remote)
      const refusal = judge(client)
      if (refusal !== undefined) return yield* refuse(frames, refusal)
      missing = "the server did not decide whether to accept the client"
      const accepted = yield* decide(frames, client)
      const usedVersion = Common.PROTOCOL_VERSION
      yield* writeMessages(frames, Common.setup.toClient, [
        { _tag: "SetupConnection.Success", usedVersion, flags: accepted.flags ?? flags }
      ])
      missing = "the client did not ask for the extensions that the server requires"
      const { extensions = setup.extensions ?? [] } = accepted
      const negotiation = new ServerNegotiation(extensions, setup.requiredExtensions ?? [], remote)
      const behind = negotiation.missing.length === 0 ? early : yield* awaitRequired(frames, negotiation, early)
      return { client, accepted: accepted.with, negotiation, usedVersion, early: behind }
    })
    const { accepted, client, early, negotiation, usedVersion } = yield* Effect.timeoutOrElse(agree, {
      duration: timeout,
      orElse: () => failWith(frames, new SetupTimeout({ seconds: Duration.toSeconds(timeout), missing }))
    })
    const { deviceId, firmware, hardwareVersion, vendor } = client
    const connection = overFrames<In, Out>({
      frames,
      speak: () => {
        // A client may ask again, but not for less than what is required.
        if (negotiation.missing.length > 0) throw missingExtensions(negotiation, remote)
        const { toServer: incoming, toClient: outgoing } = spoken(negotiation.extensions)
        return { incoming, outgoing, extensions: idsOf(negotiation.extensions) }
      },
      answer: (frame) => negotiation.answer(frame),
      setup: { version: usedVersion, flags: client.flags, device: { vendor, hardwareVersion, firmware, deviceId } },
      early,
      limits: options,
      onSlowDown: Effect.suspend(() => {
        const line = `${formatEndpoint(remote)} sends too many messages of unknown types and is read from more slowly`
        return notices.note("too_many_unknown", line, "Warn")
      })
    })
    // Without `with`, `A` is undefined.
    return { connection, accepted: accepted as A }
  })
}

/** The client's part: it sends SetupConnection and receives Success or Error. */
const makeRequest = <In, Out>(protocol: Protocol<Out, In>, options: ClientOptions) => {
  const spoken = makeSpoken(protocol)
  const timeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")
  const expected = "SetupConnection.Success (0x1) or SetupConnection.Error (0x2)"
  const waitFor = (tookMs: number): Duration.Duration =>
    options.extensionsTimeout === undefined
      ? Duration.min(timeout, Duration.millis(Math.max(1000, 5 * tookMs)))
      : Duration.fromInputUnsafe(options.extensionsTimeout)

  return Effect.fn("Setup.request")(function* (
    frames: FrameDuplex,
    server: ServerAddress,
    setup: ClientSetup
  ): Effect.fn.Return<Connection<In, Out>, ConnectionError, Scope.Scope> {
    const { remote } = frames
    const { extensions = [], flags = 0, requiredExtensions = [] } = setup
    const device: Device = { ...SOFTWARE, ...setup.device }
    const begun = yield* Clock.currentTimeMillis
    yield* writeMessages(frames, Common.setup.toServer, [
      {
        _tag: "SetupConnection",
        protocol: protocol.id,
        minVersion: Common.PROTOCOL_VERSION,
        maxVersion: Common.PROTOCOL_VERSION,
        flags,
        endpointHost: server.host,
        endpointPort: server.port,
        ...device
      }
    ])
    const [first, ...early] = yield* Effect.timeoutOrElse(frames.pull, {
      duration: timeout,
      orElse: () => {
        const missing = "the server did not answer SetupConnection"
        return failWith(frames, new SetupTimeout({ seconds: Duration.toSeconds(timeout), missing }))
      }
    })
    const answer = yield* decodeFirst(Common.setup.toClient, first, expected, remote)
    if (answer._tag === "SetupConnection.Error") {
      const { errorCode, flags } = answer
      return yield* failWith(frames, new RefusedByServer({ errorCode, flags }))
    }
    const { usedVersion } = answer
    if (usedVersion !== Common.PROTOCOL_VERSION) {
      return yield* failWith(frames, new VersionMismatch({ minVersion: usedVersion, maxVersion: usedVersion }))
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

const failWith = (frames: FrameDuplex, reason: SetupError["reason"]): Effect.Effect<never, SetupError> =>
  Effect.fail(new SetupError({ remote: frames.remote, reason }))

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
