/** SetCustomMiningJob as a client makes it of a template: the whole reward on the pool's payout output. */
import { compactSize, type Output, serializeOutputs } from "@sluice/bitcoin"
import type { Mining, TemplateDistribution } from "@sluice/protocol"

/** A payout output of a pool: P2WPKH. */
export const POOL_SCRIPT = new Uint8Array(Buffer.from("0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc", "hex"))

export interface CustomJobOptions {
  readonly template: TemplateDistribution.NewTemplate
  readonly prevHash: Pick<TemplateDistribution.SetNewPrevHash, "prevHash" | "nbits" | "headerTimestamp">
  readonly token: Uint8Array
  readonly channelId: number
  /** Outputs before the template's own. */
  readonly outputs?: ReadonlyArray<Output>
  /** What stands between the height and the extranonce. */
  readonly tag?: Uint8Array
}

export const customMiningJob = (
  { channelId, outputs, prevHash, tag = new Uint8Array(0), template, token }: CustomJobOptions,
  fields: Partial<Mining.SetCustomMiningJob> = {}
): Mining.SetCustomMiningJob => {
  const own = outputs ?? [{ value: template.coinbaseTxValueRemaining, script: POOL_SCRIPT }]
  return {
    _tag: "SetCustomMiningJob",
    channelId,
    requestId: 1,
    miningJobToken: token,
    version: template.version,
    prevHash: prevHash.prevHash,
    minNtime: prevHash.headerTimestamp,
    nbits: prevHash.nbits,
    coinbaseTxVersion: template.coinbaseTxVersion,
    coinbasePrefix: new Uint8Array([...template.coinbasePrefix, ...tag]),
    coinbaseTxInputNSequence: template.coinbaseTxInputSequence,
    coinbaseTxOutputs: new Uint8Array([
      ...compactSize(own.length + template.coinbaseTxOutputsCount),
      ...serializeOutputs(own),
      ...template.coinbaseTxOutputs
    ]),
    coinbaseTxLocktime: template.coinbaseTxLocktime,
    merklePath: template.merklePath.map((node) => node.slice()),
    ...fields
  }
}

/** The coinbase of a SetCustomMiningJob before and behind the extranonce, as section 5.3.19 puts it together. */
export const customHalves = (
  message: Mining.SetCustomMiningJob,
  extranonceSize: number
): { readonly prefix: Uint8Array; readonly suffix: Uint8Array } => ({
  prefix: new Uint8Array([
    ...u32(message.coinbaseTxVersion),
    1,
    ...new Uint8Array(32),
    ...u32(0xffffffff),
    message.coinbasePrefix.length + extranonceSize,
    ...message.coinbasePrefix
  ]),
  suffix: new Uint8Array([
    ...u32(message.coinbaseTxInputNSequence),
    ...message.coinbaseTxOutputs,
    ...u32(message.coinbaseTxLocktime)
  ])
})

/** The same job as a pool would send it on an extended channel: for test miners. */
export const asPoolsJob = (
  message: Mining.SetCustomMiningJob,
  jobId: number,
  extranonceSize: number
): readonly [Mining.NewExtendedMiningJob, Mining.SetNewPrevHash] => {
  const { channelId, merklePath, minNtime, nbits, prevHash, version } = message
  const { prefix, suffix } = customHalves(message, extranonceSize)
  return [
    {
      _tag: "NewExtendedMiningJob",
      channelId,
      jobId,
      minNtime: undefined,
      version,
      versionRollingAllowed: true,
      merklePath,
      coinbaseTxPrefix: prefix,
      coinbaseTxSuffix: suffix
    },
    { _tag: "SetNewPrevHash", channelId, jobId, prevHash, minNtime, nbits }
  ]
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
