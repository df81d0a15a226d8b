/**
 * The chain of hashes over all shares: the hash of a slice covers the hash of the slice before it and each of its shares, so whoever
 * knows the hash of one slice can show that no earlier share was changed, added or left out.
 */
import { createHash, type Hash } from "node:crypto"

/** The hash before the first slice. */
export const NO_SLICE = new Uint8Array(32)

/** SHA-256 over the hash of the slice before, and the lines of the batches of this one. */
export const beginSlice = (before: Uint8Array): Hash => createHash("sha256").update(before)
