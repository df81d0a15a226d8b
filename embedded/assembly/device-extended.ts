/** Profile extended: header-only, and extended channels and group jobs, for which it computes merkle roots. */
import { ExtendedDevice } from "../../packages/core/src/device/extended-device"
import { mayCreate, use } from "./device/instance"
import { ModuleCurve } from "./device/module-curve"

export * from "./device/exports"
export * from "./device/extended-exports"

/** The longest NewExtendedMiningJob: two coinbase parts of 65,535 bytes and 255 merkle nodes. */
const MAX_PAYLOAD: i32 = 139255

/** Makes the device, once, with room for messages of 512 to 139,255 bytes, for which it takes about four times as much
 * memory; false otherwise. */
export function create(maxPayload: i32): bool {
  if (!mayCreate(maxPayload, MAX_PAYLOAD)) return false
  use(new ExtendedDevice(new ModuleCurve(), maxPayload))
  return true
}
