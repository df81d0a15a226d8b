/** One channel at an upstream that stands behind a miner's channel, for as long as the connection there lasts. */
import type { ForeignMessage, Mining } from "@sluice/protocol"
import type { SourceShare } from "@sluice/channels"

/** The connection to an upstream, as its channels use it. */
export interface ChannelSession {
  /** The upstream's place in the list of preference. */
  readonly index: number
  /** Submits a share, and returns the upstream's sequence number. `undefined` if its job is stale there. */
  readonly submit: (channel: UpstreamChannel, jobId: number, found: SourceShare, now: number) => number | undefined
  readonly update: (channel: UpstreamChannel, nominalHashRate: number, maxTarget: Uint8Array) => void
  readonly close: (channel: UpstreamChannel, reason: string) => void
  readonly forward: (message: ForeignMessage) => void
}

export interface SubmittedShare {
  /** As in `Via`. */
  readonly key: number | undefined
  /** Of the target that it had to meet. */
  readonly difficulty: number
}

/** `Miner` is the channel of the miner, which this module does not know. */
export class UpstreamChannel<Miner = unknown> {
  readonly session: ChannelSession
  readonly miner: Miner
  /** The upstream's `channel_id`. */
  readonly id: number
  /** The bytes of extranonce that the upstream gives beyond those that the miner rolls. They are zero in all shares. */
  readonly padding: number
  readonly extranoncePrefix: Uint8Array
  /** The target of later jobs. */
  target: Uint8Array
  /** The shares without a verdict, by the upstream's sequence numbers. */
  readonly shares = new Map<number, SubmittedShare>()
  isOpen = true

  constructor(
    session: ChannelSession,
    miner: Miner,
    opened: Pick<Mining.OpenExtendedMiningChannelSuccess, "channelId" | "target" | "extranoncePrefix">,
    padding: number
  ) {
    this.session = session
    this.miner = miner
    this.id = opened.channelId
    this.padding = padding
    this.extranoncePrefix = opened.extranoncePrefix
    this.target = opened.target
  }
}
