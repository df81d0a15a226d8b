/** Messages of a template provider, for tests. */
import type { TemplateDistribution } from "@sluice/protocol"

export const bytes = (fill: number, size = 32): Uint8Array => new Uint8Array(size).fill(fill)
export const ANY_TARGET = bytes(0xff)
export const NO_TARGET = bytes(0)

/** OP_RETURN with BIP141's commitment, value 0. */
export const COMMITMENT_OUTPUT = new Uint8Array(
  Buffer.from("0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9", "hex")
)

export const template = (
  templateId: number,
  fields: Partial<TemplateDistribution.NewTemplate> = {}
): TemplateDistribution.NewTemplate => ({
  _tag: "NewTemplate",
  templateId: BigInt(templateId),
  futureTemplate: false,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(2, 0x9f, 0, 0),
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxValueRemaining: 5_000_000_000n,
  coinbaseTxOutputsCount: 1,
  coinbaseTxOutputs: COMMITMENT_OUTPUT,
  coinbaseTxLocktime: 158,
  merklePath: [bytes(0x11), bytes(0x22)],
  ...fields
})

export const futureTemplate = (
  templateId: number,
  fields: Partial<TemplateDistribution.NewTemplate> = {}
): TemplateDistribution.NewTemplate => template(templateId, { futureTemplate: true, ...fields })

/** No hash is a block by default. */
export const newPrevHash = (
  templateId: number,
  fields: Partial<TemplateDistribution.SetNewPrevHash> = {}
): TemplateDistribution.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  templateId: BigInt(templateId),
  prevHash: bytes(templateId),
  headerTimestamp: 1_800_000_000,
  nbits: 0x1d00ffff,
  target: NO_TARGET,
  ...fields
})
