/**
 * How much one connection may say. Messages beyond the rate are not refused: the connection is read from later, so that its
 * own window fills and nobody else waits for it. A peer most of whose messages are wrong is ended: what it sends costs
 * work and gives none. Both limits are an `Allowance` of @sluice/transport, which lets ten seconds' worth pass at once.
 */

export interface TrafficLimits {
  /** Messages a second of one connection, above which it is read from more slowly; 5,000. */
  readonly maxMessagesPerSecond: number
  /**
   * Answers with an error a second to one connection, above which it is ended; 100. Stale shares do not count, which come
   * with each new block, nor shares beyond `maxSharesPerSecond`, which come until the difficulty has followed.
   */
  readonly maxErrorsPerSecond: number
}

export const defaultTrafficLimits: TrafficLimits = { maxMessagesPerSecond: 5_000, maxErrorsPerSecond: 100 }
