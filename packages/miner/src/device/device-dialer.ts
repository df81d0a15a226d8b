/**
 * Standard channels on the device module of @sluice/embedded: the WebAssembly of a miner's firmware does the handshake, the
 * setup and the protocol. With this layer, every miner with a standard channel connects through it. Without it, and on
 * extended channels, the miner uses `MiningDialer`.
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

/** As `layer`, with the bytes of the modules from elsewhere, such as from a bundle. */
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
          // A header-only device does not understand extended jobs of a group.
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

/** Connects through the device module. If it cannot be loaded, logs a warning and uses `MiningDialer`. */
export const layer: Layer.Layer<never, never, Dialer> = layerOf(deviceModule)

/** Two coinbase parts of 65,535 bytes and 255 merkle nodes. */
const MAX_EXTENDED_JOB = Mining.NewExtendedMiningJob.maxPayload
