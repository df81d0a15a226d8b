import { expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { frameOf } from "../src/connections/frames.ts"
import { bytes } from "@sluice/testing/templates"

const prevHash = (channelId: number): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId,
  jobId: 1,
  prevHash: bytes(1),
  minNtime: 1,
  nbits: 1
})

it("a group's message is encoded once for all connections", () => {
  const message = prevHash(1)
  expect(frameOf(message)).toEqual(Mining.protocol.toClient.encode(message))
  expect(frameOf(message)).toBe(frameOf(message))
  expect(frameOf(prevHash(2))).not.toEqual(frameOf(message))
})

it("an acknowledgement is what the protocol says", () => {
  const message: Mining.SubmitSharesSuccess = {
    _tag: "SubmitShares.Success",
    channelId: 7,
    lastSequenceNumber: 8,
    newSubmitsAcceptedCount: 9,
    newSharesSum: 10n
  }
  expect(frameOf(message)).toEqual(Mining.protocol.toClient.encode(message))
})
