/** Solves a template, as a pool and its miners would: makes a coinbase and finds a nonce whose hash meets the target. */
import { addWitness, coinbaseTags, coinbaseTxid, merkleRootFromPath, splitCoinbase } from "@sluice/bitcoin"
import { Header } from "@sluice/core"
import { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"

/** A whole coinbase for a template, which pays everything to OP_TRUE. */
export const coinbaseFor = (template: TemplateDistribution.NewTemplate, extranonce = 0): Uint8Array => {
  const { prefix, suffix } = Result.getOrThrow(
    splitCoinbase({
      version: template.coinbaseTxVersion,
      prefix: template.coinbasePrefix,
      tags: coinbaseTags("test", ""),
      extranonceSize: 8,
      sequence: template.coinbaseTxInputSequence,
      outputs: [{ value: template.coinbaseTxValueRemaining, script: new Uint8Array([0x51]) }],
      templateOutputs: template.coinbaseTxOutputs,
      templateOutputsCount: template.coinbaseTxOutputsCount,
      lockTime: template.coinbaseTxLocktime
    })
  )
  const bytes = new Uint8Array(8)
  bytes[0] = extranonce
  return addWitness(new Uint8Array(Buffer.concat([prefix, bytes, suffix])))
}

/** Throws if none of a million nonces meets the target. */
export const solve = (
  template: TemplateDistribution.NewTemplate,
  prevHash: TemplateDistribution.SetNewPrevHash,
  options: { readonly version?: number; readonly extranonce?: number } = {}
): TemplateDistribution.SubmitSolution => {
  const coinbaseTx = coinbaseFor(template, options.extranonce)
  const root = merkleRootFromPath(Result.getOrThrow(coinbaseTxid(coinbaseTx)), template.merklePath)
  const version = options.version ?? template.version
  const header = new Uint8Array(Header.HEADER_SIZE)
  Header.writeHeader(header, 0, version, prevHash.prevHash, 0, root, 0, prevHash.headerTimestamp, prevHash.nbits, 0)
  const hasher = new Header.HeaderHasher()
  hasher.load(header, 0)
  const headerNonce = hasher.search(0, 1_000_000, prevHash.target, 0)
  if (headerNonce < 0) throw new Error("no nonce in a million")
  return TemplateDistribution.SubmitSolution.make({
    templateId: template.templateId,
    version,
    headerTimestamp: prevHash.headerTimestamp,
    headerNonce,
    coinbaseTx
  })
}
