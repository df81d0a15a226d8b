/** The part of the limits that each of several workers has. */
import type { MiningServerConfig } from "../server/mining-server.ts"
import type { Start } from "./messages.ts"
import { segmentOf } from "./share-segment.ts"
import { defaultHandshakeThreads } from "../server/curve.ts"

type PartOf = Pick<Start, "number" | "workers">

/**
 * The configuration of one of several workers. The primary counts connections; all other limits on what all peers do together are
 * divided, rounded up.
 */
export const partOf = <Config extends MiningServerConfig>(config: Config, { number, workers }: PartOf): Config => {
  const part = (limit: number): number => Math.ceil(limit / workers)
  const { maxChannelsPerAddress, shareLog } = config
  const threads = config.handshakeThreads ?? defaultHandshakeThreads
  return {
    ...config,
    maxHandshakesPerSecond: part(config.maxHandshakesPerSecond),
    maxChannelsInAll: part(config.maxChannelsInAll),
    ...(maxChannelsPerAddress === undefined ? {} : { maxChannelsPerAddress: part(maxChannelsPerAddress) }),
    handshakeThreads: part(threads),
    ...(shareLog === undefined ? {} : { shareLog: segmentOf(shareLog, number) })
  }
}
