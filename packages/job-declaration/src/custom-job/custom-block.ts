/** A block that was found on a custom job, with all that the pool knows of it: the header and the coinbase, no transactions. */
import { addWitness, hashToDisplay } from "@sluice/bitcoin"
import { CustomJobOrigin, type SourceShare } from "@sluice/channels"
import type { Token, TokenMode } from "../token/tokens.ts"

export interface CustomBlock {
  /** The serial of the job's token. In full-template mode the declarator has the transactions by it. */
  readonly serial: Uint8Array
  readonly mode: TokenMode
  readonly userIdentity: string
  readonly height: number
  /** The block's hash, 64 hex digits in display order. */
  readonly hash: string
  /** Header fields. Hashes in internal byte order. */
  readonly version: number
  readonly prevHash: Uint8Array
  readonly ntime: number
  readonly nbits: number
  readonly nonce: number
  /** The full extranonce. */
  readonly extranonce: Uint8Array
  /** The whole coinbase; with its witness if an output commits to witnesses (BIP141). */
  readonly coinbase: Uint8Array
}

/** What the pool remembers of an accepted job for its blocks. */
export class CustomJobTicket {
  readonly serial: Uint8Array
  readonly mode: TokenMode
  /** Whether an output commits to witnesses (BIP141). */
  readonly hasWitness: boolean

  constructor({ mode, serial }: Token, hasWitness: boolean) {
    this.serial = serial
    this.mode = mode
    this.hasWitness = hasWitness
  }
}

/** Makes the block of a share; `undefined` if its job is no custom job that this package accepted. */
export const customBlockOf = (found: SourceShare): CustomBlock | undefined => {
  const { extranonce, hash, job, nonce, ntime, userIdentity, version } = found
  const { origin } = job
  if (!(origin instanceof CustomJobOrigin) || !(origin.accepted instanceof CustomJobTicket)) return undefined
  const { nbits, prevHash } = origin
  const { hasWitness, mode, serial } = origin.accepted
  const stripped = new Uint8Array(Buffer.concat([job.coinbasePrefix, extranonce, job.coinbaseSuffix]))
  return {
    serial,
    mode,
    userIdentity,
    height: job.height,
    hash: hashToDisplay(hash),
    version,
    prevHash,
    ntime,
    nbits,
    nonce,
    extranonce,
    coinbase: hasWitness ? addWitness(stripped) : stripped
  }
}
