/**
 * The block after the next one, with no transactions: all of its template but the previous hash is known before that block
 * is found (specification, section 7.3: future templates are sent prior to SetNewPrevHash). What is not certain of it is
 * not guessed: where the difficulty, the subsidy or the version may change with the height, there is none.
 */
import { type BlockTemplate, withoutTransactions } from "@sluice/node"

/** Blocks between two adjustments of the difficulty, and of the version bits (BIP9). */
const RETARGET_INTERVAL = 2_016
/** Blocks between two halvings: mainnet and the public test networks, and regtest. */
const HALVING_INTERVALS = [210_000, 150]
const FIRST_SUBSIDY = 5_000_000_000

/** What `getblockheader` says of the block that was announced, as far as the one behind it depends on it. */
export interface NextBlockHeader {
  /** Display order. */
  readonly hash: string
  readonly previousblockhash?: string
  readonly height: number
  readonly bits: string
  /** Seconds: the median time past that holds for the block behind it. */
  readonly mediantime: number
  /** One for the tip. */
  readonly confirmations: number
}

/**
 * The template behind the block that `current` is a template of. `fees` are the satoshis of fees in `current`. Its previous
 * hash is zero until `behindBlock` tells it.
 */
export const nextBlock = (current: BlockTemplate, fees: number): BlockTemplate | undefined => {
  const height = current.height + 1
  const subsidy = subsidyBehind(current.height, current.coinbasevalue - fees)
  if (height % RETARGET_INTERVAL === 0 || subsidy === undefined) return undefined
  const { default_witness_commitment: _, longpollid: __, ...kept } = withoutTransactions(current)
  return { ...kept, height, previousblockhash: "0".repeat(64), coinbasevalue: subsidy }
}

/** The same template now that the block before it is there. `curtime` is the node's clock, in seconds. */
export const behindBlock = (next: BlockTemplate, header: NextBlockHeader, curtime: number): BlockTemplate => {
  const mintime = header.mediantime + 1
  return { ...next, previousblockhash: header.hash, mintime, curtime: Math.max(mintime, curtime) }
}

/** Whether the block that was announced is the one that `current` is a template of, and the node's tip. */
export const isBlockOf = (current: BlockTemplate, header: NextBlockHeader): boolean =>
  header.previousblockhash === current.previousblockhash &&
  header.height === current.height &&
  header.bits === current.bits &&
  header.confirmations === 1

/**
 * The subsidy of the block behind one of this height and subsidy, both in satoshis; undefined if the chains that have this
 * subsidy at this height do not agree, or there is none that we know.
 */
export const subsidyBehind = (height: number, subsidy: number): number | undefined => {
  const intervals = HALVING_INTERVALS.filter((interval) => subsidyAt(height, interval) === subsidy)
  const next = new Set(intervals.map((interval) => subsidyAt(height + 1, interval)))
  return next.size === 1 ? [...next][0] : undefined
}

const subsidyAt = (height: number, interval: number): number =>
  Math.floor(FIRST_SUBSIDY / 2 ** Math.floor(height / interval))
