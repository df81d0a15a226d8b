/**
 * Extension 0x0002, Worker-Specific Hashrate Tracking (extensions/0x0002-worker-specific-hashrate-tracking.md): every share of
 * an extended channel names the worker that found it.
 */
import { Extension } from "../extension.ts"
import { SubmitSharesExtended } from "./mining.ts"
import { Tlv } from "../tlv/tlv.ts"
import { RestText } from "../codec/wire.ts"

/** The worker's name, at most 32 bytes. */
export const UserIdentity = Tlv.make("UserIdentity", {
  extension: 0x0002,
  type: 0x01,
  on: [SubmitSharesExtended],
  spec: "0x0002, 1.1",
  fields: { userIdentity: RestText(32) }
})
export type UserIdentity = typeof UserIdentity.Type

export const extension = Extension.make({
  id: 0x0002,
  name: "Worker-Specific Hashrate Tracking",
  spec: "extensions/0x0002-worker-specific-hashrate-tracking.md",
  tlvs: [UserIdentity]
})
