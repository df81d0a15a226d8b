/** Makes blocks from solutions (specification, section 7.7) and their templates. Each block is given out once at a tip. */
import { addWitness, coinbaseTxid, compactSize, doubleSha256, hashToDisplay, merkleRootFromPath } from "@sluice/bitcoin"
import { Header, Target } from "@sluice/core"
import type { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import type { Template } from "../templates/node-template.ts"

/** The result of a solution. */
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
  /** Hashes of the blocks that were given out since the tip changed, in display order. */
  readonly #submitted: Array<string> = []

  /** Call it when the tip has changed. */
  clear(): void {
    this.#submitted.length = 0
  }

  onSolution(template: Template | undefined, solution: TemplateDistribution.SubmitSolution): SolutionOutcome {
    if (template === undefined) return refused({ _tag: "UnknownTemplate" })
    const { node, work } = template
    const txid = coinbaseTxid(solution.coinbaseTx)
    if (Result.isFailure(txid)) return refused({ _tag: "BadCoinbase", message: txid.failure.message })
    const root = merkleRootFromPath(txid.success, work.merklePath)
    const header = new Uint8Array(Header.HEADER_SIZE)
    const { headerNonce, headerTimestamp, version } = solution
    Header.writeHeader(header, 0, version, node.prevHash, 0, root, 0, headerTimestamp, node.nbits, headerNonce)
    const hashBytes = doubleSha256(header)
    const hash = hashToDisplay(hashBytes)
    if (Target.compareU256(hashBytes, 0, node.target, 0) > 0) return refused({ _tag: "HighHash", hash })
    if (this.#submitted.includes(hash)) return refused({ _tag: "Repeated", hash })
    this.#submitted.push(hash)
    if (this.#submitted.length > MAX_SUBMITTED) this.#submitted.shift()
    // The transactions go back in the node's own hex.
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

/** Hashes remembered at a tip. There is seldom more than one outside of test networks. */
const MAX_SUBMITTED = 64
