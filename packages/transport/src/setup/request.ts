/** The client's part of SetupConnection (specification, section 3.6). */
import { Common, type Protocol } from "@sluice/protocol"
import { Clock, Duration, Effect, type Scope } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import type { Connection } from "../connection/connection.ts"
import { type MessageLimits, overFrames, writeMessages } from "../connection/message-stream.ts"
import type { ServerAddress } from "../endpoint.ts"
import type { ConnectionError } from "../error.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { decodeFirst, failWith } from "./first-message.ts"
import { ask, type Asked, idsOf, makeSpoken, pullAfter } from "./negotiation.ts"
import { RefusedByServer, SetupTimeout, VersionMismatch } from "./setup-error.ts"
import type { ClientSetup, Device } from "./setup-options.ts"

export interface ClientOptions extends MessageLimits {
  /** How long the server may take to answer SetupConnection. Default 10 seconds. */
  readonly setupTimeout?: Duration.Input
  /**
   * How long the client waits for the answer to its request for extensions before it continues without any. Default five times
   * the time of the answer to SetupConnection, at least 1 second and at most the `setupTimeout`.
   */
  readonly extensionsTimeout?: Duration.Input
}

/** Sends SetupConnection and receives Success or Error. */
export const makeRequest = <In, Out>(protocol: Protocol<Out, In>, options: ClientOptions) => {
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
    const { each: _, ...pulled } = frames
    return overFrames<In, Out>({
      frames: asked.pending === undefined ? frames : { ...pulled, pull: pullAfter(asked.pending, frames) },
      speak: () => ({ incoming, outgoing, extensions: idsOf(asked.extensions) }),
      setup: { version: usedVersion, flags: answer.flags, device },
      early: asked.early,
      limits: options
    })
  })
}

/**
 * The device description of this software. It names vendor and version. `deviceId` is empty, because servers could track the
 * device by it (3.6.1).
 */
export const SOFTWARE: Device = {
  vendor: "Sluice",
  hardwareVersion: "software",
  firmware: `sluice-${packageJson.version}`,
  deviceId: ""
}
