/** Why a device gave its connection up. */
import { Schema } from "effect"

/** The server broke a rule, or did not answer; `rule` is of `DEVICE_RULES` of @sluice/embedded. */
export class DeviceError extends Schema.TaggedError<DeviceError>("sluice/miner/DeviceError")("DeviceError", {
  rule: Schema.String,
  message: Schema.String
}) {}
