/** Work to try things on, and the hash of a share by libraries that Sluice does not mine with. */
import type { ExtendedWork, StandardWork, ChannelWork } from "@sluice/channels"
import { sha256 } from "@noble/hashes/sha2.js"
import { createHash } from "node:crypto"
import type { FoundShare } from "../src/index.ts"

export const bytes = (fill: number, size = 32): Uint8Array => new Uint8Array(size).fill(fill)

const fixed = {
  channelId: 3,
  jobId: 11,
  version: 0x20000000,
  versionRollingAllowed: true,
  prevHash: bytes(0x11),
  nbits: 0x1d00ffff,
  minNtime: 1_700_000_000,
  prevHashNtime: 1_700_000_000,
  prevHashReceivedAt: 0,
  target: bytes(0xff)
}

export const standardWork: StandardWork = { _tag: "StandardWork", ...fixed, merkleRoot: bytes(0x22) }

export const extendedWork: ExtendedWork = {
  _tag: "ExtendedWork",
  ...fixed,
  coinbasePrefix: bytes(0x33, 41),
  extranoncePrefix: bytes(0x44, 6),
  extranonceSize: 8,
  coinbaseSuffix: bytes(0x55, 60),
  merklePath: Uint8Array.of(...bytes(0x66), ...bytes(0x77))
}

/** The share's hash, internal order, by node:crypto, which must agree with @noble/hashes. */
export const hashOf = (work: ChannelWork, share: FoundShare): Uint8Array => {
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setUint32(0, share.version, true)
  header.set(work.prevHash, 4)
  header.set(rootOf(work, share.extranonce), 36)
  view.setUint32(68, share.ntime, true)
  view.setUint32(72, work.nbits, true)
  view.setUint32(76, share.nonce, true)
  const hash = doubleSha256(header)
  if (Buffer.compare(hash, sha256(sha256(header))) !== 0) throw new Error("node:crypto and @noble/hashes disagree")
  return hash
}

const rootOf = (work: ChannelWork, extranonce: Uint8Array): Uint8Array => {
  if (work._tag === "StandardWork") return work.merkleRoot
  const coinbase = Buffer.concat([work.coinbasePrefix, work.extranoncePrefix, extranonce, work.coinbaseSuffix])
  let root = doubleSha256(coinbase)
  for (let at = 0; at < work.merklePath.length; at += 32) {
    root = doubleSha256(Buffer.concat([root, work.merklePath.subarray(at, at + 32)]))
  }
  return root
}

const doubleSha256 = (data: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(createHash("sha256").update(data).digest()).digest())
