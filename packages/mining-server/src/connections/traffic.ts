/**
 * How much one connection may send. The server does not refuse messages beyond the rate: it reads from the connection later, so that
 * only that peer waits. It ends a connection that causes too many errors, because they cost the server work for nothing.
 * Both limits are a `TokenBucket` of @sluice/transport, which lets ten seconds' worth pass at once.
 */

export interface TrafficLimits {
  /** Messages a second of one connection; the server reads more slowly from a peer that sends more. Default 5,000. */
  readonly maxMessagesPerSecond: number
  /**
   * Errors a second that one connection may cause; the server ends a connection that causes more. Default 100. Stale shares do
   * not count (each new block causes some), nor do shares beyond `maxSharesPerSecond` (they come until the difficulty rises).
   */
  readonly maxErrorsPerSecond: number
}

export const defaultTrafficLimits: TrafficLimits = { maxMessagesPerSecond: 5_000, maxErrorsPerSecond: 100 }
