/** The one device of this module. */
import { StandardDevice } from "../../../packages/core/src/device/standard-device"

/** The longest message that every device has to understand, and act 2 of the handshake, are shorter. */
const MIN_PAYLOAD: i32 = 512

let device: StandardDevice | null = null

/** Whether a device may be created now with room for messages of so many bytes. */
export function mayCreate(maxPayload: i32, limit: i32): bool {
  return device === null && maxPayload >= MIN_PAYLOAD && maxPayload <= limit
}

/** Makes it the device of this module. */
export function use(created: StandardDevice): void {
  device = created
}

/** The device; a trap before `create`. */
export function own(): StandardDevice {
  const created = device
  if (created === null) unreachable()
  return created!
}
