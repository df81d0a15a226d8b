/** Answers of `getblocktemplate` for the tests: a recorded one, and ones made from it. */
import type { BlockTemplate, TemplateTransaction } from "@sluice/node"
import recorded from "./vectors/getblocktemplate.json" with { type: "json" }

export const RECORDED: BlockTemplate = recorded

/** A target that any hash meets but one in two. */
const EASY = { bits: "207fffff", target: `7fffff${"00".repeat(29)}` }

/** The recorded answer at another place: its transactions, a previous hash made from the height, and easy to mine. */
export const templateAt = (height: number, changes: Partial<BlockTemplate> = {}): BlockTemplate => ({
  ...RECORDED,
  ...EASY,
  height,
  previousblockhash: height.toString(16).padStart(64, "0"),
  longpollid: `poll-${height}`,
  ...changes
})

/** A template of these transactions alone, with their fees in its value; the node gives no commitment for it. */
export const templateOf = (transactions: ReadonlyArray<TemplateTransaction>, height = 100): BlockTemplate => {
  const { default_witness_commitment: _, ...template } = templateAt(height)
  return { ...template, transactions, coinbasevalue: SUBSIDY + transactions.reduce((sum, { fee }) => sum + fee, 0) }
}

export const SUBSIDY = 2_441_406
