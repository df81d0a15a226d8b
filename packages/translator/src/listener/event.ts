/** What the machine of a miner tells its shell. */

/** A limit of the miner's firmware, or a fault of the role above: for the log. `kind` is one of a few constants. */
export interface Warned {
  readonly _tag: "Warned"
  readonly kind: string
  readonly message: string
}

/** The miner sent something that was refused before it was a share. */
export interface LineRefused {
  readonly _tag: "LineRefused"
  readonly message: string
}

/** The last event: the lines are to be sent and the connection closed. */
export interface Ended {
  readonly _tag: "Ended"
  readonly message: string
}

export type MinerEvent = Warned | LineRefused | Ended
