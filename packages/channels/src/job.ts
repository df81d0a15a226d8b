/**
 * Jobs from templates (specification, sections 5.1, 5.3.15, 5.3.16 and 7.2): the coinbase is cut around the extranonce
 * once, and everything that is sent to miners or checked of their shares comes from that.
 */
import {
  addWitness,
  CoinbaseError,
  isWitnessCommitment,
  MAX_COINBASE_SCRIPT_SIZE,
  MAX_TEMPLATE_PREFIX_SIZE,
  type Output,
  parseTemplateCoinbase,
  splitCoinbase
} from "@sluice/bitcoin"
import { Mining, type TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"

/** One template as work. Everything in it is the same for all channels; bytes are copies, not views on a read buffer. */
export interface Job {
  /** `job_id`, the same on every channel. */
  readonly id: number
  readonly templateId: bigint
  /** Height of the block to be found, from the template's BIP34 push. */
  readonly height: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  /** Stripped of BIP141 fields, as NewExtendedMiningJob carries it. */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  /** Whether the block's coinbase has a witness: it has if an output commits to witnesses (BIP141). */
  readonly hasWitness: boolean
  /** Deepest first, 32 bytes each, internal byte order. */
  readonly merklePath: ReadonlyArray<Uint8Array>
  /** The same hashes one after the other. */
  readonly merklePathBytes: Uint8Array
}

/** What a server puts into the coinbase. */
export interface CoinbaseRules {
  /** Text of the scriptSig behind the height, as `coinbaseTags` of @sluice/bitcoin makes it; may be empty. */
  readonly tags: Uint8Array
  /** Size of the full extranonce in bytes, for all channels. */
  readonly extranonceSize: number
  /** Who gets the reward (satoshis): the outputs that go before the template's own. Their sum is at most `reward`. */
  readonly payout: (reward: bigint) => ReadonlyArray<Output>
  /** Whether miners may change the bits of BIP323 in the version. */
  readonly versionRollingAllowed: boolean
}

/**
 * Makes a job of a template, all but what `withJobId` adds. Throws `CoinbaseError` of @sluice/bitcoin if the template has no
 * parts of a coinbase (`parseTemplateCoinbase`), or the scriptSig would be too long.
 */
export const jobFromTemplate = (id: number, template: TemplateDistribution.NewTemplate, rules: CoinbaseRules): Job => {
  const { height, outputs } = Result.getOrThrow(parseTemplateCoinbase(template))
  const { prefix, suffix } = splitCoinbase({
    version: template.coinbaseTxVersion,
    prefix: template.coinbasePrefix,
    tags: rules.tags,
    extranonceSize: rules.extranonceSize,
    sequence: template.coinbaseTxInputSequence,
    outputs: rules.payout(template.coinbaseTxValueRemaining),
    templateOutputs: template.coinbaseTxOutputs,
    templateOutputsCount: template.coinbaseTxOutputsCount,
    lockTime: template.coinbaseTxLocktime
  })
  return {
    id,
    templateId: template.templateId,
    height,
    version: template.version,
    versionRollingAllowed: rules.versionRollingAllowed,
    coinbasePrefix: prefix,
    coinbaseSuffix: suffix,
    hasWitness: outputs.some(({ script }) => isWitnessCommitment(script)),
    ...merklePathOf(template)
  }
}

/** Copied once: the jobs of all payouts share it, and it is most of what a job takes in memory. */
const merklePathOf = (template: TemplateDistribution.NewTemplate): MerklePath => {
  let known = merklePaths.get(template)
  if (known === undefined) {
    const merklePathBytes = new Uint8Array(Buffer.concat(template.merklePath))
    const merklePath = template.merklePath.map((_, index) => merklePathBytes.subarray(index * 32, index * 32 + 32))
    merklePaths.set(template, (known = { merklePath, merklePathBytes }))
  }
  return known
}

type MerklePath = Pick<Job, "merklePath" | "merklePathBytes">
const merklePaths = new WeakMap<TemplateDistribution.NewTemplate, MerklePath>()

/**
 * The job with its id as the last push of the coinbase's script. So no two jobs of a server have a header in common, be their
 * templates the same: a share of one is never one of another, also where the other's previous hash is that of earlier, whose
 * shares are forgotten (a reorganisation and back), and a miner that begins anew does not find the same shares again.
 * Throws `CoinbaseError` if the script would be too long.
 */
export const withJobId = (job: Job): Job => {
  const scriptSize = job.coinbasePrefix[SCRIPT_SIZE_AT]! + 1 + JOB_ID_SIZE
  if (scriptSize > MAX_COINBASE_SCRIPT_SIZE) {
    throw new CoinbaseError({
      message:
        `the scriptSig of a coinbase has at most ${MAX_COINBASE_SCRIPT_SIZE} bytes; height, tags, extranonce and the ` +
        `${1 + JOB_ID_SIZE} bytes for the job's id make ${scriptSize}: shorten the pool's or the miner's tag`
    })
  }
  const coinbasePrefix = job.coinbasePrefix.slice()
  coinbasePrefix[SCRIPT_SIZE_AT] = scriptSize
  const coinbaseSuffix = new Uint8Array(1 + JOB_ID_SIZE + job.coinbaseSuffix.length)
  coinbaseSuffix[0] = JOB_ID_SIZE
  writeJobId(coinbaseSuffix, job.id)
  coinbaseSuffix.set(job.coinbaseSuffix, 1 + JOB_ID_SIZE)
  return { ...job, coinbasePrefix, coinbaseSuffix }
}

/** The same template as another job; `job` is one of `withJobId`. */
export const repeatedJob = (job: Job, id: number): Job => {
  const coinbaseSuffix = job.coinbaseSuffix.slice()
  writeJobId(coinbaseSuffix, id)
  return { ...job, id, coinbaseSuffix }
}

/**
 * Whether jobs can be made with these rules whatever the template: with the 8 bytes that one may begin the script with
 * (7.2). Throws `CoinbaseError` if not.
 */
export const checkCoinbaseRoom = ({ extranonceSize, tags }: Pick<CoinbaseRules, "tags" | "extranonceSize">): void => {
  const template: TemplateDistribution.NewTemplate = {
    _tag: "NewTemplate",
    templateId: 0n,
    futureTemplate: true,
    version: 0,
    coinbaseTxVersion: 0,
    coinbasePrefix: new Uint8Array(MAX_TEMPLATE_PREFIX_SIZE).with(0, OP_1),
    coinbaseTxInputSequence: 0,
    coinbaseTxValueRemaining: 0n,
    coinbaseTxOutputsCount: 0,
    coinbaseTxOutputs: new Uint8Array(0),
    coinbaseTxLocktime: 0,
    merklePath: []
  }
  withJobId(jobFromTemplate(0, template, { tags, extranonceSize, payout: () => [], versionRollingAllowed: true }))
}

const writeJobId = (coinbaseSuffix: Uint8Array, id: number): void =>
  new DataView(coinbaseSuffix.buffer).setUint32(1, id)

/** Behind the version, the number of inputs, and the outpoint that a coinbase has. */
const SCRIPT_SIZE_AT = 4 + 1 + 36
const JOB_ID_SIZE = 4
/** The height of the first block. */
const OP_1 = 0x51

/** NewExtendedMiningJob for a channel or a group; without `minNtime` a future job. */
export const extendedJobMessage = (
  job: Job,
  channelId: number,
  minNtime: number | undefined
): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId,
  jobId: job.id,
  minNtime,
  version: job.version,
  versionRollingAllowed: job.versionRollingAllowed,
  merklePath: job.merklePath,
  coinbaseTxPrefix: job.coinbasePrefix,
  coinbaseTxSuffix: job.coinbaseSuffix
})

/** NewMiningJob for a standard channel, whose merkle root this is; without `minNtime` a future job. */
export const standardJobMessage = (
  job: Job,
  channelId: number,
  minNtime: number | undefined,
  merkleRoot: Uint8Array
): Mining.NewMiningJob => ({
  _tag: "NewMiningJob",
  channelId,
  jobId: job.id,
  minNtime,
  version: job.version,
  merkleRoot
})

/** The whole coinbase of a block that was found with this extranonce, with witness where the block has one. */
export const blockCoinbase = (job: Job, extranoncePrefix: Uint8Array, extranonce: Uint8Array): Uint8Array => {
  const stripped = new Uint8Array(Buffer.concat([job.coinbasePrefix, extranoncePrefix, extranonce, job.coinbaseSuffix]))
  return job.hasWitness ? addWitness(stripped) : stripped
}
