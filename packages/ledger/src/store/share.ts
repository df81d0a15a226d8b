/** A share of the ledger. */
import { Schema } from "effect"

/** Shares of one user, worker and work in a slice. */
export interface Rollup {
  readonly user: string
  readonly worker: string
  readonly work: bigint
  shares: number
}

/** Who found shares: what is known of a user and worker, so that each share of theirs need not search for it. */
export interface Owner {
  readonly user: string
  readonly worker: string
  /** Both names as JSON in UTF-8, with a comma between them. */
  readonly json: Uint8Array
  /** The sums of their shares in the slice that begins with this share. */
  sums: { readonly slice: number; readonly rollups: Array<Rollup> } | undefined
}

/** A share before it has its place in the order. */
export interface NewShare {
  readonly at: number
  readonly user: string
  readonly worker: string
  readonly work: bigint
  readonly height: number
  readonly hash: Uint8Array
  readonly isBlock: boolean
  /** Absent in shares that come from elsewhere than a server's channels. */
  readonly owner?: Owner | undefined
}

export interface StoredShare extends NewShare {
  /** Its place in the order; 0 until it has one. */
  seq: number
  /** As of `NewShare`, but never before that of the share before it. */
  at: number
  /** The work in decimal. */
  readonly workText: string
}

/** Copies that get their places later. */
export const unplaced = (shares: ReadonlyArray<NewShare>): Array<StoredShare> => {
  let workText = ""
  return shares.map(({ at, hash, height, isBlock, owner, user, work, worker }, index) => {
    // Most shares have the work of the one before, and text of a large number is made slowly.
    if (index === 0 || work !== shares[index - 1]!.work) workText = work.toString()
    return { seq: 0, at, user, worker, work, workText, height, hash, isBlock, owner }
  })
}

/** A share as JSON, without its place in the order: `[at, user, worker, work, height, hash, isBlock]`, the work in decimal, the hash in hex. */
export const shareFields = [
  Schema.Int,
  Schema.String,
  Schema.String,
  Schema.BigIntFromString,
  Schema.Int,
  Schema.Uint8ArrayFromHex,
  Schema.Boolean
] as const
