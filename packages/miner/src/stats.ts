/** Counts of a miner since its start. */
export interface MinerStats {
  readonly state: "connecting" | "mining" | "finished"
  /** `host:port` of the connection, while there is one. */
  readonly server: string | undefined
  readonly channelId: number | undefined
  /** Hashes a second over the last half minute. */
  readonly hashesPerSecond: number
  readonly hashes: number
  readonly submitted: number
  readonly accepted: number
  /** The sum of difficulties of accepted shares, as the servers count. */
  readonly difficultySum: number
  /** Number of refused shares by error code. */
  readonly refused: Readonly<Record<string, number>>
  /** Shares that were found too late to submit. */
  readonly stale: number
  /** Shares from workers whose hash does not meet the target: the machine computes wrongly. */
  readonly faulty: number
  /** Shares whose connection ended before the answer. */
  readonly unanswered: number
  /** Hashes that met the network's target, accepted or not. */
  readonly blocks: number
  readonly jobs: number
  readonly connections: number
}
