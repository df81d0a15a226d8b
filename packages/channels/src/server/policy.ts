/** The limits of a server's channels and the share rate that it aims at. An operator may change them. */

export interface ChannelPolicy {
  /** The number of shares a minute that a channel's target aims at. */
  readonly sharesPerMinute: number
  /**
   * The least hash rate, in hashes a second, that the server assumes for a channel. It limits how easy a target can get, and so
   * how many shares a peer can make the server check. The default is far below the rate of any machine.
   */
  readonly minHashRate: number
  /** The most accepted shares that one acknowledgement covers. The machine acknowledges the rest at the end of a read. */
  readonly shareBatchSize: number
  /** The most channels that are open at once on one connection. */
  readonly maxChannels: number
  /**
   * The most shares that a channel may submit for one previous hash. The server refuses more, because it could not recognise
   * their duplicates. At six shares a minute the default lasts for a week without a block. A share takes at most 21 bytes.
   */
  readonly maxSharesPerPrevHash: number
  /**
   * The accepted shares a second of one connection, for each of its channels. The shares of one minute may come at once. The
   * server refuses more unless they are blocks. The limit must leave room for vardiff, which asks for sixteen times
   * `sharesPerMinute` while it measures. The default is a hundred times six shares a minute.
   */
  readonly maxSharesPerSecond: number
  /**
   * The most shares that a channel may submit for one previous hash on jobs that much harder jobs have replaced. It leaves room
   * for shares that were on their way at that moment, and limits how long a client can profit from an easier job.
   */
  readonly maxLateShares: number
  /** The most bytes of UTF-8 in a user identity; the wire carries 255. */
  readonly maxUserIdentityBytes: number
  /**
   * How many seconds a share's ntime may be ahead of the previous hash's time plus the time since it came (5.3.11). Miners
   * that roll the time need it, and clocks that differ. A share is never two hours ahead of the clock (consensus).
   */
  readonly ntimeDriftSeconds: number
  /** Called once for each channel. Returns the error code that refuses the user, or `undefined`. It must not block. */
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
