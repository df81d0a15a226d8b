/** Makes a SubmitSolution of a block that a miner found (specification, section 7.7). */
import { addWitness } from "@sluice/bitcoin"
import type { TemplateDistribution } from "@sluice/protocol"
import type { SourceShare } from "../jobs/source-share.ts"
import { templateOf } from "./template-job.ts"

/** Makes the solution of a template's job, with the whole coinbase. Throws `TypeError` for a job of another source. */
export const solutionOf = ({
  extranonce,
  job,
  nonce,
  ntime,
  version
}: SourceShare): TemplateDistribution.SubmitSolution => {
  const { hasWitness, templateId } = templateOf(job)
  const stripped = new Uint8Array(Buffer.concat([job.coinbasePrefix, extranonce, job.coinbaseSuffix]))
  return {
    _tag: "SubmitSolution",
    templateId,
    version,
    headerTimestamp: ntime,
    headerNonce: nonce,
    coinbaseTx: hasWitness ? addWitness(stripped) : stripped
  }
}
