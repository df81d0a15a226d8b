/** Messages to frames, those that go to many connections only once. */
import { Mining } from "@sluice/protocol"

/** Group messages are one object for all connections: this knows what became of the last of them. */
const encoded = new WeakMap<Mining.ToClient, Uint8Array>()

/** The frame of a message; the same bytes for the same object where a message is for a group. They are not to be changed. */
export const frameOf = (message: Mining.ToClient): Uint8Array => {
  switch (message._tag) {
    case "SubmitShares.Success":
      return Mining.SubmitSharesSuccess.codec.encode(message)
    case "NewMiningJob":
      return Mining.NewMiningJob.codec.encode(message)
    case "NewExtendedMiningJob":
    case "SetNewPrevHash": {
      const known = encoded.get(message)
      if (known !== undefined) return known
      const frame = Mining.protocol.toClient.encode(message)
      encoded.set(message, frame)
      return frame
    }
    default:
      return Mining.protocol.toClient.encode(message)
  }
}
