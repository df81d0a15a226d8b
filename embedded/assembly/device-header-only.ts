/** Profile header-only: one standard channel with standard jobs, which is what a header-only miner needs. */
import { StandardDevice } from "../../packages/core/src/device/standard-device"
import { mayCreate, use } from "./device/instance"
import { ModuleCurve } from "./device/module-curve"

export * from "./device/exports"

/** Messages of more bytes are refused: none that such a device understands is longer than 300. */
const MAX_PAYLOAD: i32 = 16384

/** Makes the device, once, with room for messages of 512 to 16,384 bytes; false otherwise. */
export function create(maxPayload: i32): bool {
  if (!mayCreate(maxPayload, MAX_PAYLOAD)) return false
  use(new StandardDevice(new ModuleCurve(), maxPayload))
  return true
}
