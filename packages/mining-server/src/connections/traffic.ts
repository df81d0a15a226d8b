/**
 * How much one connection may send. The server does not refuse messages beyond the rate: it reads from the connection later, so that
 * only that peer waits. It ends a connection that causes too many errors, because they cost the server work for nothing.
 * Both limits are a `TokenBucket` of @sluice/transport, which lets ten seconds' worth pass at once.
 */
import type { Mining } from "@sluice/protocol"

export interface TrafficLimits {
  /**
   * Messages a second of one connection; the server reads more slowly from a peer that sends more. A SetCustomMiningJob counts as
   * many messages (`loadOf`). Default 5,000.
   */
  readonly maxMessagesPerSecond: number
  /**
   * Errors a second that one connection may cause; the server ends a connection that causes more. Default 100. Stale shares do
   * not count (each new block causes some), nor custom jobs for the block before, nor shares beyond `maxSharesPerSecond` (they
   * come until the difficulty rises).
   */
  readonly maxErrorsPerSecond: number
}

/**
 * The messages of a read as `maxMessagesPerSecond` counts them. To check a SetCustomMiningJob takes as long as many shares, the more
 * the larger it is: 3 ms for 64 KB of outputs.
 */
export const loadOf = (batch: ReadonlyArray<Mining.ToServer>): number => {
  let load = batch.length
  for (const message of batch) {
    if (message._tag === "SetCustomMiningJob") load += 20 + Math.ceil(message.coinbaseTxOutputs.length / 128)
  }
  return load
}

export const defaultTrafficLimits: TrafficLimits = { maxMessagesPerSecond: 5_000, maxErrorsPerSecond: 100 }
