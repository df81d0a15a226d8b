/** Profile header-only: one standard channel with standard jobs. */
import { StandardDevice } from "../../packages/core/src/device/standard-device"
import { mayCreate, use } from "./device/instance"
import { ModuleCurve } from "./device/module-curve"

export * from "./device/exports"

/** The most room for messages. No message that such a device handles is longer than 300 bytes. */
const MAX_PAYLOAD: i32 = 16384

/** Makes the device, once, with room for messages of 512 to 16,384 bytes; false otherwise. */
export function create(maxPayload: i32): bool {
  if (!mayCreate(maxPayload, MAX_PAYLOAD)) return false
  use(new StandardDevice(new ModuleCurve(), maxPayload))
  return true
}
