/** Limits and targets of a server's channels, which an operator may change, with their defaults and reasons. */

export interface ChannelPolicy {
  /** Shares a minute that a channel's target aims at. */
  readonly sharesPerMinute: number
  /**
   * The least hash rate, in hashes a second, that is assumed of a channel. It bounds how easy a target can get, and so how
   * many shares a peer can make the server check. The default is far below any machine's.
   */
  readonly minHashRate: number
  /** The most accepted shares that one acknowledgement covers. The rest is acknowledged at the end of a read. */
  readonly shareBatchSize: number
  /** Channels open at once on one connection. */
  readonly maxChannels: number
  /**
   * Shares that a channel may submit for one previous hash. Those beyond are refused, because the server could not recognise
   * duplicates of them. At six shares a minute the default lasts for a week without a block. A share takes at most 21 bytes.
   */
  readonly maxSharesPerPrevHash: number
  /**
   * Accepted shares a second of one connection, for each of its channels, of which a minute's worth may come at once.
   * Those beyond are refused unless they are blocks. It has to leave room for vardiff, which asks for sixteen times
   * `sharesPerMinute` while it measures; the default is a hundred times that of six a minute.
   */
  readonly maxSharesPerSecond: number
  /**
   * Shares that a channel may submit for one previous hash on jobs which much harder ones have replaced: room for what was
   * on its way then, and the bound of what a client can make of an easier job that it got before.
   */
  readonly maxLateShares: number
  /** Bytes of UTF-8, at most the 255 of the wire. */
  readonly maxUserIdentityBytes: number
  /**
   * How many seconds a share's ntime may be ahead of the previous hash's time plus the time since it came (5.3.11),
   * for miners that roll the time and clocks that differ. Never more than the two hours of consensus.
   */
  readonly ntimeDriftSeconds: number
  /** Called once for each channel. Returns why the user gets none, or `undefined`. It must not block. */
  readonly refuseUser: (userIdentity: string) => "unknown-user" | "invalid-user-identity" | undefined
}

export const defaultChannelPolicy: ChannelPolicy = {
  sharesPerMinute: 6,
  minHashRate: 1000,
  shareBatchSize: 10,
  maxChannels: 4096,
  maxSharesPerPrevHash: 65_536,
  maxSharesPerSecond: 10,
  maxLateShares: 128,
  maxUserIdentityBytes: 255,
  ntimeDriftSeconds: 600,
  refuseUser: () => undefined
}
