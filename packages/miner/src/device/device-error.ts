/** Why the device module ended its connection. */
import { Schema } from "effect"

/** The server broke a rule or did not answer. `rule` is a name in `DEVICE_RULES` of @sluice/embedded. */
export class DeviceError extends Schema.TaggedError<DeviceError>("sluice/miner/DeviceError")("DeviceError", {
  rule: Schema.String,
  message: Schema.String
}) {}
