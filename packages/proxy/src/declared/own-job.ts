/** Jobs that a proxy makes of its own templates, in the form of an upstream's. */
import { coinbaseOf, type DeclaredCoinbase } from "@sluice/job-declaration"
import type { SourceShare } from "@sluice/channels"
import type { TemplateDistribution } from "@sluice/protocol"
import { originOf, type PlacedUpstreamJob, type UpstreamJob } from "../upstream/upstream-job.ts"
import { creditOf } from "../credit.ts"

/** What the channel at the pool says about its jobs. */
export interface ChannelPart {
  /** Its extranonce prefix. */
  readonly prefix: Uint8Array
  /** The bytes that the proxy may roll behind the prefix. */
  readonly size: number
  readonly versionRollingAllowed: boolean
}

export class OwnJob implements UpstreamJob {
  /** Unique among the jobs of a session. */
  readonly id: number
  readonly template: TemplateDistribution.NewTemplate
  readonly coinbase: DeclaredCoinbase
  /** The prefix of the channel at the pool when the job was made. */
  readonly channelPrefix: Uint8Array
  readonly height: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  readonly extranonceSize: number
  readonly merklePath: ReadonlyArray<Uint8Array>
  readonly merklePathBytes: Uint8Array

  constructor(
    id: number,
    template: TemplateDistribution.NewTemplate,
    coinbase: DeclaredCoinbase,
    { prefix, size, versionRollingAllowed }: ChannelPart
  ) {
    this.id = id
    this.template = template
    this.coinbase = coinbase
    this.channelPrefix = prefix
    this.height = coinbase.height
    this.version = template.version
    this.versionRollingAllowed = versionRollingAllowed
    this.coinbasePrefix = new Uint8Array(Buffer.concat([coinbase.prefix, prefix]))
    this.coinbaseSuffix = coinbase.suffix
    this.extranonceSize = size
    const path = (this.merklePathBytes = new Uint8Array(Buffer.concat(template.merklePath)))
    this.merklePath = template.merklePath.map((_, index) => path.subarray(index * 32, index * 32 + 32))
  }

  /** The job on this previous hash, with the target at which its source takes shares. */
  placedOn(
    { headerTimestamp, nbits, prevHash }: TemplateDistribution.SetNewPrevHash,
    target: Uint8Array
  ): PlacedUpstreamJob {
    return { job: this, prevHash, nbits, minNtime: headerTimestamp, target, difficulty: creditOf(target, nbits) }
  }
}

/** The full extranonce of a share for a job of the proxy's own. */
export const fullExtranonce = (job: OwnJob, found: SourceShare): Uint8Array =>
  new Uint8Array(Buffer.concat([job.channelPrefix, originOf(found.job).salt, found.extranonce]))

/** Makes the solution of a block for the template provider (7.7); `undefined` for a job that was not made of a template here. */
export const solutionFor = (found: SourceShare): TemplateDistribution.SubmitSolution | undefined => {
  const { job } = originOf(found.job)
  if (!(job instanceof OwnJob)) return undefined
  return {
    _tag: "SubmitSolution",
    templateId: job.template.templateId,
    version: found.version,
    headerTimestamp: found.ntime,
    headerNonce: found.nonce,
    coinbaseTx: coinbaseOf(job.coinbase, fullExtranonce(job, found))
  }
}
