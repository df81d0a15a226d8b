/** The numbers of a miner, since it began. */
export interface MinerStats {
  readonly state: "connecting" | "mining" | "finished"
  /** `host:port` of the connection, while there is one. */
  readonly server: string | undefined
  readonly channelId: number | undefined
  /** Over the last half minute. */
  readonly hashesPerSecond: number
  readonly hashes: number
  readonly submitted: number
  readonly accepted: number
  /** Of all accepted shares, as the servers count. */
  readonly difficultySum: number
  /** How many were refused, by error code. */
  readonly refused: Readonly<Record<string, number>>
  /** Found too late to be submitted. */
  readonly stale: number
  /** Handed in by a worker although the hash is no share: the machine miscalculates. */
  readonly faulty: number
  /** Submitted on connections that ended before an answer. */
  readonly unanswered: number
  /** Hashes that met the network's target, accepted or not. */
  readonly blocks: number
  readonly jobs: number
  readonly connections: number
}
