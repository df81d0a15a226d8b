/**
 * Which block a solution (specification, section 7.7) makes with the template that it is for. Each block is given out once
 * at a tip.
 */
import {
  addWitness,
  CoinbaseError,
  coinbaseTxid,
  compactSize,
  doubleSha256,
  hashToDisplay,
  merkleRootFromPath
} from "@sluice/bitcoin"
import { Header, Target } from "@sluice/core"
import type { TemplateDistribution } from "@sluice/protocol"
import type { Template } from "../templates/node-template.ts"

/** What a solution came to. */
export type SolutionOutcome =
  /** A block to submit; `hash` in display order. */
  | { readonly _tag: "Block"; readonly hash: string; readonly height: number; readonly block: string }
  | { readonly _tag: "Refused"; readonly reason: SolutionRefusal }

export type SolutionRefusal =
  | { readonly _tag: "UnknownTemplate" }
  | { readonly _tag: "BadCoinbase"; readonly message: string }
  | { readonly _tag: "HighHash"; readonly hash: string }
  | { readonly _tag: "Repeated"; readonly hash: string }

export class Solutions {
  /** Hashes of the blocks that were given out since the tip changed, display order. */
  readonly #submitted: Array<string> = []

  /** To be called when the tip has changed. */
  clear(): void {
    this.#submitted.length = 0
  }

  onSolution(template: Template | undefined, solution: TemplateDistribution.SubmitSolution): SolutionOutcome {
    if (template === undefined) return refused({ _tag: "UnknownTemplate" })
    const { node, work } = template
    let root: Uint8Array
    try {
      root = merkleRootFromPath(coinbaseTxid(solution.coinbaseTx), work.merklePath)
    } catch (error) {
      if (error instanceof CoinbaseError) return refused({ _tag: "BadCoinbase", message: error.message })
      throw error
    }
    const header = new Uint8Array(Header.HEADER_SIZE)
    const { headerNonce, headerTimestamp, version } = solution
    Header.writeHeader(header, 0, version, node.prevHash, 0, root, 0, headerTimestamp, node.nbits, headerNonce)
    const hashBytes = doubleSha256(header)
    const hash = hashToDisplay(hashBytes)
    if (Target.compareU256(hashBytes, 0, node.target, 0) > 0) return refused({ _tag: "HighHash", hash })
    if (this.#submitted.includes(hash)) return refused({ _tag: "Repeated", hash })
    this.#submitted.push(hash)
    if (this.#submitted.length > MAX_SUBMITTED) this.#submitted.shift()
    // The node's own hex of the transactions goes back as it came.
    const block = [
      hex(header),
      hex(compactSize(work.transactions.length + 1)),
      hex(addWitness(solution.coinbaseTx)),
      ...work.transactions.map(({ data }) => data)
    ].join("")
    return { _tag: "Block", hash, height: node.height, block }
  }
}

const refused = (reason: SolutionRefusal): SolutionOutcome => ({ _tag: "Refused", reason })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Blocks remembered as given out at a tip; more than one is a test network, or two at the same moment. */
const MAX_SUBMITTED = 64
