/**
 * Makes a template without transactions for the height after the current one, ahead of the block in between: everything but
 * its previous hash is known by then (specification, section 7.3: future templates are sent prior to SetNewPrevHash). Where
 * the difficulty, the subsidy or the version may change with the height, nothing is guessed and there is no such template.
 */
import { type BlockTemplate, withoutTransactions } from "@sluice/node"

/** Blocks between two adjustments of the difficulty, and of the version bits (BIP9). */
const RETARGET_INTERVAL = 2_016
/** Blocks between two halvings: on mainnet and the public test networks, and on regtest. */
const HALVING_INTERVALS = [210_000, 150]
const FIRST_SUBSIDY = 5_000_000_000

/** The parts of a `getblockheader` answer that the template for the next height depends on. */
export interface NextBlockHeader {
  /** Display order. */
  readonly hash: string
  readonly previousblockhash?: string
  readonly height: number
  readonly bits: string
  /** The median time past for the next block, in seconds. */
  readonly mediantime: number
  /** 1 for the tip. */
  readonly confirmations: number
}

/**
 * The template for the height after that of `current`, whose fees are `fees` satoshis. Its previous hash is zero until
 * `behindBlock` sets it.
 */
export const nextBlock = (current: BlockTemplate, fees: number): BlockTemplate | undefined => {
  const height = current.height + 1
  const subsidy = subsidyBehind(current.height, current.coinbasevalue - fees)
  if (height % RETARGET_INTERVAL === 0 || subsidy === undefined) return undefined
  const { default_witness_commitment: _, longpollid: __, ...kept } = withoutTransactions(current)
  return { ...kept, height, previousblockhash: "0".repeat(64), coinbasevalue: subsidy }
}

/** The same template once the header of the block before it is known. `curtime` is the node's clock, in seconds. */
export const behindBlock = (next: BlockTemplate, header: NextBlockHeader, curtime: number): BlockTemplate => {
  const mintime = header.mediantime + 1
  return { ...next, previousblockhash: header.hash, mintime, curtime: Math.max(mintime, curtime) }
}

/** Whether the announced block has the height and parent of `current`, and is the node's tip. */
export const isBlockOf = (current: BlockTemplate, header: NextBlockHeader): boolean =>
  header.previousblockhash === current.previousblockhash &&
  header.height === current.height &&
  header.bits === current.bits &&
  header.confirmations === 1

/**
 * The subsidy in satoshis of the block behind one of this height and subsidy. Undefined if the known chains with this subsidy
 * at this height disagree, or if there is no such chain.
 */
export const subsidyBehind = (height: number, subsidy: number): number | undefined => {
  const intervals = HALVING_INTERVALS.filter((interval) => subsidyAt(height, interval) === subsidy)
  const next = new Set(intervals.map((interval) => subsidyAt(height + 1, interval)))
  return next.size === 1 ? [...next][0] : undefined
}

const subsidyAt = (height: number, interval: number): number =>
  Math.floor(FIRST_SUBSIDY / 2 ** Math.floor(height / interval))
