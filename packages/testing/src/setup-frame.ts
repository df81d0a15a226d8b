/** The first frame of a mining client. */
import { Common } from "@sluice/protocol"

/** A frame with SetupConnection of a mining client whose device fields are empty. */
export const setupFrame = (fields: Partial<Common.SetupConnection> = {}): Uint8Array =>
  Common.SetupConnection.codec.encode({
    _tag: "SetupConnection",
    protocol: Common.MINING_PROTOCOL,
    minVersion: 2,
    maxVersion: 2,
    flags: 0,
    endpointHost: "",
    endpointPort: 0,
    vendor: "",
    hardwareVersion: "",
    firmware: "",
    deviceId: "",
    ...fields
  })
