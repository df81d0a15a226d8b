/** A share of the ledger. */

/** A share before it has its place in the order. */
export interface NewShare {
  readonly at: number
  readonly user: string
  readonly worker: string
  readonly work: bigint
  readonly height: number
  readonly hash: Uint8Array
  readonly isBlock: boolean
}

export interface StoredShare extends NewShare {
  readonly seq: number
  /** The work in decimal. */
  readonly workText: string
}
