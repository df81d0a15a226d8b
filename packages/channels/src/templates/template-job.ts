/** Makes jobs of templates (specification, sections 5.1, 5.3.15, 5.3.16 and 7.2), with the coinbase cut around the extranonce. */
import {
  CoinbaseError,
  isWitnessCommitment,
  MAX_COINBASE_SCRIPT_SIZE,
  MAX_TEMPLATE_PREFIX_SIZE,
  type Output,
  parseTemplateCoinbase,
  splitCoinbase
} from "@sluice/bitcoin"
import type { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import type { Job } from "../jobs/job.ts"

/** The template that a job was made of. */
export class TemplateOrigin {
  readonly templateId: bigint
  /** Whether an output commits to witnesses (BIP141). The block's coinbase then has a witness. */
  readonly hasWitness: boolean

  constructor(templateId: bigint, hasWitness: boolean) {
    this.templateId = templateId
    this.hasWitness = hasWitness
  }
}

/** The template of a job that this module made. Throws `TypeError` for a job of another source. */
export const templateOf = ({ id, origin }: Job): TemplateOrigin => {
  if (origin instanceof TemplateOrigin) return origin
  throw new TypeError(`job ${id} was not made of a template`)
}

/** The parts that a server adds to a template's coinbase. */
export interface CoinbaseRules {
  /** Text of the scriptSig after the height, as `coinbaseTags` of @sluice/bitcoin makes it; may be empty. */
  readonly tags: Uint8Array
  /** Size of the full extranonce in bytes, for all channels. */
  readonly extranonceSize: number
  /** Returns the outputs that share the reward, in satoshis. They precede the template's own. Their sum is at most `reward`. */
  readonly payout: (reward: bigint) => ReadonlyArray<Output>
  /** Whether miners may change the bits of BIP323 in the version. */
  readonly versionRollingAllowed: boolean
}

/**
 * Makes a job of a template, without its id in the coinbase (`withJobId`). Fails with `CoinbaseError` of @sluice/bitcoin if
 * `parseTemplateCoinbase` refuses the template, or the scriptSig would be too long.
 */
export const jobFromTemplate = (
  id: number,
  template: TemplateDistribution.NewTemplate,
  rules: CoinbaseRules
): Result.Result<Job, CoinbaseError> =>
  Result.gen(function* () {
    const { height, outputs } = yield* parseTemplateCoinbase(template)
    const { prefix, suffix } = yield* splitCoinbase({
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
    const hasWitness = outputs.some(({ script }) => isWitnessCommitment(script))
    return {
      id,
      height,
      version: template.version,
      versionRollingAllowed: rules.versionRollingAllowed,
      coinbasePrefix: prefix,
      coinbaseSuffix: suffix,
      ...merklePathOf(template),
      origin: new TemplateOrigin(template.templateId, hasWitness)
    }
  })

/** Copies the path once, for the jobs of all payouts: it takes most of a job's memory. */
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
 * Adds the job's id to the coinbase, as the last push of its script, so that no two jobs of a server have a header in common.
 * Without it, jobs of equal templates would have the same shares: after a reorganisation and back, when the channel has
 * forgotten the earlier shares, they would count twice. Fails with `CoinbaseError` if the script would be too long.
 */
export const withJobId = (job: Job): Result.Result<Job, CoinbaseError> => {
  const scriptSize = job.coinbasePrefix[SCRIPT_SIZE_AT]! + 1 + JOB_ID_SIZE
  if (scriptSize > MAX_COINBASE_SCRIPT_SIZE) {
    const message =
      `the scriptSig of a coinbase has at most ${MAX_COINBASE_SCRIPT_SIZE} bytes; height, tags, extranonce and the ` +
      `${1 + JOB_ID_SIZE} bytes for the job's id make ${scriptSize}: shorten the pool's or the miner's tag`
    return Result.fail(new CoinbaseError({ message }))
  }
  const coinbasePrefix = job.coinbasePrefix.slice()
  coinbasePrefix[SCRIPT_SIZE_AT] = scriptSize
  const coinbaseSuffix = new Uint8Array(1 + JOB_ID_SIZE + job.coinbaseSuffix.length)
  coinbaseSuffix[0] = JOB_ID_SIZE
  writeJobId(coinbaseSuffix, job.id)
  coinbaseSuffix.set(job.coinbaseSuffix, 1 + JOB_ID_SIZE)
  return Result.succeed({ ...job, coinbasePrefix, coinbaseSuffix })
}

/** Makes another job of the same template. `job` comes from `withJobId`. */
export const repeatedJob = (job: Job, id: number): Job => {
  const coinbaseSuffix = job.coinbaseSuffix.slice()
  writeJobId(coinbaseSuffix, id)
  return { ...job, id, coinbaseSuffix }
}

/**
 * Checks that the rules leave room for any template, even for one that puts the most bytes (8, section 7.2) at the beginning of
 * the script. Fails with `CoinbaseError` if not.
 */
export const checkCoinbaseRoom = ({
  extranonceSize,
  tags
}: Pick<CoinbaseRules, "tags" | "extranonceSize">): Result.Result<void, CoinbaseError> => {
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
  const rules = { tags, extranonceSize, payout: () => [], versionRollingAllowed: true }
  return Result.map(Result.flatMap(jobFromTemplate(0, template, rules), withJobId), () => undefined)
}

const writeJobId = (coinbaseSuffix: Uint8Array, id: number): void =>
  new DataView(coinbaseSuffix.buffer).setUint32(1, id)

/** The size of the script follows the version, the number of inputs and the outpoint. */
const SCRIPT_SIZE_AT = 4 + 1 + 36
const JOB_ID_SIZE = 4
/** The BIP34 push of height 1. */
const OP_1 = 0x51
