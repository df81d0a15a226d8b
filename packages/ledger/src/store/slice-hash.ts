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

/**
 * A line of JSON for each share: `[seq, at, user, worker, work, height, hash, isBlock]`, the work and the hash as text. All hashes become
 * text in one call, which takes a quarter of the time of a call for each.
 */
export const linesOfShares = (shares: ReadonlyArray<HashedShare>): string => {
  const hashes = Buffer.allocUnsafe(shares.length * HASH)
  for (let index = 0; index < shares.length; index++) hashes.set(shares[index]!.hash, index * HASH)
  const hex = hashes.toString("hex")
  let lines = ""
  let place = 0
  for (const { at, height, isBlock, seq, user, workText, worker } of shares) {
    const hash = hex.slice(place, (place += 2 * HASH))
    lines += `[${seq},${at},${jsonOf(user)},${jsonOf(worker)},"${workText}",${height},"${hash}",${isBlock}]\n`
  }
  return lines
}

const HASH = 32

/** A name as JSON. Names come again and again. */
const jsonOf = (name: string): string => {
  let json = known.get(name)
  if (json === undefined) {
    json = JSON.stringify(name)
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(name, json)
  }
  return json
}

const known = new Map<string, string>()
const MAX_KNOWN = 20_000
