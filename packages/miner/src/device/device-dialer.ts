/**
 * Standard channels on the device module of @sluice/embedded: the bytes that run in a miner's firmware do the handshake, the
 * setup and the protocol here too. With the layer, every miner with a standard channel dials this way; without it, and on
 * extended channels, it takes the connections of `MiningDialer`.
 */
import { deviceModule, type DeviceProfile } from "@sluice/embedded"
import { entropy } from "@sluice/noise"
import { Mining } from "@sluice/protocol"
import { Dialer, type ConnectionError, type Device, type DialError, type ServerAddress } from "@sluice/transport"
import { Context, Effect, Layer, type Scope } from "effect"
import { dialDevice } from "./device-session.ts"
import type { Session, SessionFailure, SessionOptions } from "../session.ts"

export interface DeviceDialerShape {
  /**
   * Connects and agrees with the server, whose answer to the request for a channel is then the session's first event.
   * Closing the Scope closes the connection.
   */
  readonly dial: (
    server: ServerAddress,
    options: SessionOptions,
    device: Partial<Device>
  ) => Effect.Effect<Effect.Effect<Session, SessionFailure>, DialError | ConnectionError | SessionFailure, Scope.Scope>
}

export const DeviceDialer: Context.Reference<DeviceDialerShape | undefined> = Context.Reference(
  "sluice/miner/DeviceDialer",
  { defaultValue: (): DeviceDialerShape | undefined => undefined }
)

/** Dials with modules whose bytes come from elsewhere, such as from a bundle; see `layer`. */
export const layerOf = (
  load: (profile: DeviceProfile) => Promise<Uint8Array<ArrayBuffer>>
): Layer.Layer<never, never, Dialer> =>
  Layer.effect(
    DeviceDialer,
    Effect.gen(function* () {
      const dialer = yield* Dialer
      const random = yield* entropy
      const [headerOnly, extended] = yield* Effect.tryPromise(() =>
        Promise.all([load("header-only"), load("extended")])
      )
      return {
        dial: (server, options, device) => {
          // A group's extended jobs are more than a header-only device understands.
          const module = options.requiresStandardJobs
            ? { bytes: headerOnly, maxPayload: 16_384 }
            : { bytes: extended, maxPayload: MAX_EXTENDED_JOB }
          return dialDevice(dialer, random, module, server, options, device)
        }
      } satisfies DeviceDialerShape
    }).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning("The device module cannot be loaded; mining without it", error.cause), undefined)
      )
    )
  )

/** Dials with the device module; where that cannot be loaded, a line in the log says so and nothing changes. */
export const layer: Layer.Layer<never, never, Dialer> = layerOf(deviceModule)

/** Two coinbase parts of 65,535 bytes and 255 merkle nodes. */
const MAX_EXTENDED_JOB = Mining.NewExtendedMiningJob.maxPayload
