import { describe, expect, it } from "@effect/vitest"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { bytes } from "@sluice/testing/templates"
import { payoutCheck } from "../src/upstream/payout-check.ts"
import type { UpstreamJob } from "../src/upstream/upstream-job.ts"

const job: UpstreamJob = {
  id: 1,
  height: 100,
  version: 0,
  versionRollingAllowed: true,
  coinbasePrefix: bytes(0),
  coinbaseSuffix: bytes(0),
  extranonceSize: 16,
  merklePath: [],
  merklePathBytes: bytes(0, 0)
}

describe("the payout of a job", () => {
  // One output of 50 bitcoins to a script of bytes 7.
  const { coinbaseTxPrefix, coinbaseTxSuffix } = coinbaseHalves(16, { mark: 7 })
  const paying = { ...job, coinbasePrefix: coinbaseTxPrefix, coinbaseSuffix: coinbaseTxSuffix }
  const script = bytes(7, 42)

  it("must be to the script, and be enough of the whole", () => {
    expect(payoutCheck(script, "us", 100)(paying)).toBeUndefined()
    expect(payoutCheck(bytes(8, 42), "us")(paying)).toBe("its coinbase pays nothing to us")
    const second = Uint8Array.of(...coinbaseTxSuffix.slice(0, 4), 2)
    const output = coinbaseTxSuffix.slice(5, -4)
    const other = Uint8Array.from(output).fill(9, 9)
    const both = Uint8Array.of(...second, ...output, ...other, ...coinbaseTxSuffix.slice(-4))
    const half = { ...paying, coinbaseSuffix: both }
    expect(payoutCheck(script, "us", 50)(half)).toBeUndefined()
    expect(payoutCheck(script, "us", 98)(half)).toBe("its coinbase pays 50.00 % to us; expected 98 % or more")
  })
})
