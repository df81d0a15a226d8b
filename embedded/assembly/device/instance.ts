/** The one device of this module. */
import { StandardDevice } from "../../../packages/core/src/device/standard-device"

/** The least room for messages: more than act 2 and the longest message that every device needs. */
const MIN_PAYLOAD: i32 = 512

let device: StandardDevice | null = null

/** Whether a device with room for messages of this many bytes may be created now. */
export function mayCreate(maxPayload: i32, limit: i32): bool {
  return device === null && maxPayload >= MIN_PAYLOAD && maxPayload <= limit
}

/** Makes it the device of this module. */
export function use(created: StandardDevice): void {
  device = created
}

/** The device. Traps before `create`. */
export function own(): StandardDevice {
  const created = device
  if (created === null) unreachable()
  return created!
}
