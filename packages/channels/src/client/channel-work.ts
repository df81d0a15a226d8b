/**
 * The work that a channel gives its miner (specification, section 5.1): the fixed fields of the header, the fields that the
 * miner may roll, and the target of shares. Plain data, safe to send to a worker thread. Hashes are 32 bytes in internal order,
 * the target is 32 bytes little-endian, as on the wire.
 */

interface WorkBase {
  readonly channelId: number
  readonly jobId: number
  /** nVersion of the job. If `versionRollingAllowed`, the miner may change its bits under core's `VERSION_MASK` (BIP323). */
  readonly version: number
  readonly versionRollingAllowed: boolean
  readonly prevHash: Uint8Array
  readonly nbits: number
  /** First nTime to use, in seconds: the job's own, or the previous hash's if that is later. */
  readonly minNtime: number
  /** nTime of the SetNewPrevHash in force, in seconds. The allowed range begins there and grows with the clock (5.3.11). */
  readonly prevHashNtime: number
  /** When that SetNewPrevHash came, in milliseconds of the clock behind `now`. */
  readonly prevHashReceivedAt: number
  /** A hash at or below the target is a share. The target stays the same for the life of the job (5.3.21). */
  readonly target: Uint8Array
}

/** Work with a fixed merkle root: the miner rolls nonce, version bits and nTime (5.1.1). */
export interface StandardWork extends WorkBase {
  readonly _tag: "StandardWork"
  readonly merkleRoot: Uint8Array
}

/** Work on an extended channel: the coinbase is `prefix || extranoncePrefix || extranonce || suffix` (5.1.2). */
export interface ExtendedWork extends WorkBase {
  readonly _tag: "ExtendedWork"
  readonly coinbasePrefix: Uint8Array
  readonly extranoncePrefix: Uint8Array
  /** How many bytes of extranonce the miner rolls and submits. */
  readonly extranonceSize: number
  readonly coinbaseSuffix: Uint8Array
  /** Hashes to fold into the coinbase's txid, deepest first, 32 bytes each, one after the other. */
  readonly merklePath: Uint8Array
}

export type ChannelWork = StandardWork | ExtendedWork

/**
 * The last nTime that a share of this work may have now, in seconds: the nTime of the previous hash plus the time since it
 * came (5.3.11). If the job begins later than that, its first nTime is also its last until the clock has caught up.
 */
export const latestNtime = (work: ChannelWork, now: number): number =>
  Math.max(work.minNtime, work.prevHashNtime + Math.max(0, Math.floor((now - work.prevHashReceivedAt) / 1000)))
