/**
 * Measures the cryptography of a share without a pool: opening its frame, hashing it, and sealing its part of an
 * acknowledgement, with the functions of @sluice/core that the pool uses too.
 */
import { CipherState, FrameLayout, ShareCheck } from "@sluice/core"
import { jobFromTemplate, withJobId } from "@sluice/channels"
import { Mining, type TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { coinbaseRules } from "./pool-work.ts"

export interface ShareCryptography {
  /** Nanoseconds for the frame's header and payload. */
  readonly open: number
  /** Nanoseconds for the header, and for coinbase and merkle path of an extended share. */
  readonly hash: number
  /** Nanoseconds for one acknowledgement, of any number of shares. */
  readonly seal: number
}

/** Times each of the three for about a second. */
export const measureShareCryptography = (
  share: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended,
  template: TemplateDistribution.NewTemplate
): ShareCryptography => {
  const key = new Uint8Array(32).fill(7)
  const frame = Mining.protocol.toServer.encode(share)
  const payloadLength = frame.length - FrameLayout.FRAME_HEADER_SIZE
  const sealedLength = FrameLayout.ENCRYPTED_HEADER_SIZE + FrameLayout.encryptedPayloadLength(payloadLength)
  const sealer = new CipherState()
  sealer.setKey(key, 0)
  const opener = new CipherState()
  opener.setKey(key, 0)
  const buffer = new Uint8Array(sealedLength * FRAMES)
  const fill = (): void => {
    for (let i = 0; i < FRAMES; i++) sealer.sealFrame(frame, 0, buffer, i * sealedLength)
  }
  const openAll = (): void => {
    for (let at = 0; at < buffer.length; at += sealedLength) {
      if (!opener.openHeader(buffer, at)) throw new Error("the header does not open")
      if (!opener.openPayload(buffer, at + FrameLayout.ENCRYPTED_HEADER_SIZE, payloadLength)) {
        throw new Error("the payload does not open")
      }
    }
  }

  const acknowledgement = Mining.protocol.toClient.encode({
    _tag: "SubmitShares.Success",
    channelId: 2,
    lastSequenceNumber: 1,
    newSubmitsAcceptedCount: 10,
    newSharesSum: 10n
  })
  const sealed = new Uint8Array(128)
  const sealAll = (): void => {
    for (let i = 0; i < FRAMES; i++) sealer.sealFrame(acknowledgement, 0, sealed, 0)
  }

  const hash = shareHasher(share, template)
  const hashAll = (): void => {
    for (let i = 0; i < FRAMES; i++) hash(i)
  }
  return { open: cpuTime(openAll, fill), hash: cpuTime(hashAll), seal: cpuTime(sealAll) }
}

/** The hashes of one share: of its header, and of coinbase and merkle path if it is an extended one. */
export const shareHasher = (
  share: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended,
  template: TemplateDistribution.NewTemplate
): ((nonce: number) => void) => {
  const job = Result.getOrThrow(Result.flatMap(jobFromTemplate(1, template, coinbaseRules), withJobId))
  const check = new ShareCheck()
  const prevHash = new Uint8Array(32).fill(1)
  const prefix = new Uint8Array(12)
  return (nonce) => {
    if (share._tag === "SubmitSharesExtended") {
      const { coinbasePrefix, coinbaseSuffix, merklePath, merklePathBytes } = job
      check.merkleRoot(coinbasePrefix, prefix, share.extranonce, coinbaseSuffix, merklePathBytes, merklePath.length)
    }
    check.hash(share.version, prevHash, check.root, share.ntime, 0x1d00ffff, nonce)
  }
}

const FRAMES = 1000

/** CPU nanoseconds of one of `FRAMES` runs. Wall-clock time would include other work of the machine. */
const cpuTime = (run: () => void, before: () => void = () => {}): number => {
  let [micros, rounds] = [0, 0]
  const started = performance.now()
  while (performance.now() < started + 1000) {
    before()
    const from = process.cpuUsage()
    run()
    const { system, user } = process.cpuUsage(from)
    // The first part is the warm-up.
    if (performance.now() < started + 300) continue
    micros += user + system
    rounds++
  }
  return (micros * 1000) / (rounds * FRAMES)
}
