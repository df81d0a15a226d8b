/**
 * The layer that makes a Stratum V1 pool look like a server of Stratum V2: it provides `MiningDialer` over a `Dialer`. Whatever
 * mines or proxies above it does not know.
 */
import { Common, ErrorCode, Mining } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionDialer,
  DialError,
  Dialer,
  MiningDialer,
  makeThrottledLog,
  MissingExtensions,
  RefusedByServer,
  type ServerAddress,
  Setup,
  SetupError
} from "@sluice/transport"
import { Duration, Effect, Layer, type Scope, Stream } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import { type CredentialPatterns, credentialsOf } from "./credentials.ts"
import { openChannelLinks } from "./channel-links.ts"
import { openPoolLink } from "./pool-link.ts"
import type { PoolMachineOptions } from "./pool-machine.ts"

export interface DialerOptions extends CredentialPatterns {
  /** The name that the pool is told in mining.subscribe. Default this software and its version. */
  readonly userAgent?: string
  /**
   * Whether client.reconnect may lead to any host. Default false: only to hosts that differ in the first label of their name, as
   * cgminer does, because a connection to a V1 pool is not authenticated.
   */
  readonly followAnywhere?: boolean
  /**
   * Whether each channel gets a connection to the pool of its own, for pools that take one worker a connection. Default false: all
   * channels of a connection share one, with its difficulty, and divide its extranonce2.
   */
  readonly connectionPerChannel?: boolean
  /** How long the pool may take to answer mining.subscribe. Default 10 seconds. */
  readonly setupTimeout?: Duration.Input
  /** How long the pool may take to send the first job after a worker's authorization was requested. Default 30 seconds. */
  readonly jobTimeout?: Duration.Input
  /** How long the pool may take to answer a share. Default 1 minute. */
  readonly answerTimeout?: Duration.Input
  /** How long the pool may send no line at all. Default 5 minutes. */
  readonly silenceTimeout?: Duration.Input
}

/** Provides `MiningDialer` for V1 pools. It refuses the addresses of V2 servers. */
export const dialer = (options: DialerOptions = {}): Layer.Layer<MiningDialer, never, Dialer> =>
  Layer.effect(
    MiningDialer,
    makeDialer(options, (server) => Effect.fail(new DialError({ endpoint: endpointOf(server), code: "SECURITY" })))
  )

/** Provides `MiningDialer` for servers of both protocols, over the one for V2 servers: the address decides. */
export const eitherDialer = (options: DialerOptions = {}): Layer.Layer<MiningDialer, never, Dialer | MiningDialer> =>
  Layer.effect(
    MiningDialer,
    Effect.flatMap(MiningDialer, ({ dial }) => makeDialer(options, dial))
  )

type MiningDial = ConnectionDialer<Mining.ToClient, Mining.ToServer>["dial"]

const makeDialer = Effect.fnUntraced(function* (
  options: DialerOptions,
  dialV2: MiningDial
): Effect.fn.Return<MiningDialer["Service"], never, Dialer | Scope.Scope> {
  const bytes = yield* Dialer
  const throttled = yield* makeThrottledLog()
  const setupTimeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")

  const dialV1 = Effect.fn("Translator.dial")(function* (
    server: ServerAddress,
    { device, flags = 0, requiredExtensions = [] }: NonNullable<Parameters<MiningDial>[1]>
  ) {
    const remote = endpointOf(server)
    if (requiredExtensions.length > 0) {
      const reason = new MissingExtensions({ requiredBy: "client", extensions: requiredExtensions })
      return yield* new SetupError({ remote, reason })
    }
    const open = openPoolLink(bytes, server, machineOptions(options, server, flags), setupTimeout, throttled)
    const link = yield* options.connectionPerChannel === true ? openChannelLinks(open) : open
    const serverFlags = link.flags
    const isFixed = (serverFlags & Mining.REQUIRES_FIXED_VERSION) !== 0
    const unsupported = flags & (Mining.REQUIRES_WORK_SELECTION | (isFixed ? Mining.REQUIRES_VERSION_ROLLING : 0))
    if (unsupported !== 0) {
      const errorCode = ErrorCode.setup.unsupportedFeatureFlags
      return yield* new SetupError({ remote, reason: new RefusedByServer({ flags: unsupported, errorCode }) })
    }
    const connection: Connection<Mining.ToClient, Mining.ToServer> = {
      receive: Stream.fromPull(Effect.succeed(link.pull)),
      send: link.send,
      setup: {
        version: Common.PROTOCOL_VERSION,
        flags: serverFlags,
        extensions: [],
        device: { ...Setup.SOFTWARE, ...device }
      },
      remote
    }
    return connection
  })
  return MiningDialer.of({
    dial: (server, setup = {}) => (server.security._tag === "v1" ? dialV1(server, setup) : dialV2(server, setup))
  })
})

const endpointOf = ({ host, port }: ServerAddress) => ({ host, port })

const machineOptions = (options: DialerOptions, server: ServerAddress, setupFlags: number): PoolMachineOptions => {
  const { answerTimeout = "1 minute", jobTimeout = "30 seconds", silenceTimeout = "5 minutes" } = options
  // One group; the channels get the ids after it.
  let id = 0
  return {
    setupFlags,
    host: server.host,
    credentials: (userIdentity) => credentialsOf(userIdentity, options),
    followAnywhere: options.followAnywhere ?? false,
    nextId: () => ++id,
    jobWithinMs: millis(jobTimeout),
    client: {
      userAgent: options.userAgent ?? `sluice/${packageJson.version}`,
      answerWithinMs: millis(answerTimeout),
      silenceMs: millis(silenceTimeout)
    }
  }
}

const millis = (duration: Duration.Input): number => Duration.toMillis(duration)
