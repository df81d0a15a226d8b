/** A share that was accepted, for tests of what is done with it. */
import type { ShareAccepted } from "@sluice/channels"

export const acceptedShare = (sequenceNumber: number, worker?: string): ShareAccepted => ({
  _tag: "ShareAccepted",
  at: 1_700_000_000_000,
  channel: { connectionId: 1, channelId: 2, kind: "standard", userIdentity: "alice\n.rig" },
  sequenceNumber,
  jobId: 3,
  height: 100,
  difficulty: 0.5,
  hashDifficulty: 0.75,
  hash: new Uint8Array(32).fill(sequenceNumber, 31),
  worker,
  isBlock: false
})
