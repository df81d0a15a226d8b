/** The work of the benchmark's pool: one template with a merkle path of 12 nodes, as on mainnet. */
import { coinbaseTags, scriptForAddress } from "@sluice/bitcoin"
import { type CoinbaseRules, defaultExtranonceLayout } from "@sluice/channels"
import type { PoolOptions } from "@sluice/pool"
import type { Mining, TemplateDistribution } from "@sluice/protocol"

export const COINBASE_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** Every hash is a share for the first job, so that the client need not mine, and no hash is a block. */
export const poolOptions: PoolOptions = {
  coinbaseAddress: COINBASE_ADDRESS,
  // The clients of closed loops wait for their acknowledgements.
  acknowledgeWithin: 0,
  policy: {
    minHashRate: 1,
    sharesPerMinute: 6000,
    maxSharesPerPrevHash: 2 ** 24,
    maxLateShares: 2 ** 24,
    maxSharesPerSecond: 2 ** 24
  }
}

export const coinbaseRules: CoinbaseRules = {
  tags: coinbaseTags("Sluice", ""),
  extranonceSize: defaultExtranonceLayout.fullSize,
  payout: (reward) => [{ value: reward, script: scriptForAddress(COINBASE_ADDRESS, "regtest") }],
  versionRollingAllowed: true
}

export const futureTemplate: TemplateDistribution.NewTemplate = {
  _tag: "NewTemplate",
  templateId: 1n,
  futureTemplate: true,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(3, 0x90, 0x0d, 0x0e),
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxValueRemaining: 315_000_000n,
  coinbaseTxOutputsCount: 1,
  coinbaseTxOutputs: new Uint8Array(
    Buffer.from("0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9", "hex")
  ),
  coinbaseTxLocktime: 920_975,
  merklePath: Array.from({ length: 12 }, (_, index) => new Uint8Array(32).fill(index + 1))
}

/** A new block, after which the pool forgets all earlier shares. */
export const newPrevHash = (number: number): TemplateDistribution.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  templateId: 1n,
  prevHash: new Uint8Array(32).fill(number),
  headerTimestamp: Math.floor(Date.now() / 1000),
  nbits: 0x1d00ffff,
  target: new Uint8Array(32)
})

/** Makes a new share of each nonce: every hash meets the target. */
export const shareOf = (
  channel: "standard" | "extended",
  sequenceNumber: number
): Mining.SubmitSharesStandard | Mining.SubmitSharesExtended => {
  const share = { channelId: 2, sequenceNumber, jobId: 1, nonce: sequenceNumber, ntime: 1, version: 0x20000000 }
  return channel === "standard"
    ? { _tag: "SubmitSharesStandard", ...share }
    : { _tag: "SubmitSharesExtended", ...share, extranonce: new Uint8Array(8) }
}
