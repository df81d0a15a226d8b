/**
 * The chain of hashes over all shares: the hash of a slice covers the hash of the slice before it and each of its shares, so whoever
 * knows the hash of one slice can show that no earlier share was changed, added or left out.
 */
import { createHash, type Hash } from "node:crypto"

export interface HashedShare {
  readonly seq: number
  readonly at: number
  readonly user: string
  readonly worker: string
  /** In decimal. */
  readonly workText: string
  readonly height: number
  /** 32 bytes in internal order. */
  readonly hash: Uint8Array
  readonly isBlock: boolean
}

/** The hash before the first slice. */
export const NO_SLICE = new Uint8Array(32)

/** SHA-256 over the hash of the slice before, and a line of JSON for each share. */
export const beginSlice = (before: Uint8Array): Hash => createHash("sha256").update(before)

/** A line of JSON: `[seq, at, user, worker, work, height, hash, isBlock]`, the work and the hash as text. */
export const lineOfShare = ({ at, hash, height, isBlock, seq, user, workText, worker }: HashedShare): string =>
  `[${seq},${at},${JSON.stringify(user)},${JSON.stringify(worker)},"${workText}",${height},"${hex(hash)}",${isBlock}]\n`

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")
