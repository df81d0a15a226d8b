import { scriptForAddress, serializeCountedOutputs } from "@sluice/bitcoin"
import { DeclarationClient } from "@sluice/job-declaration"

// A miner in full-template mode. The server's messages stand here in its place.
const miner = new DeclarationClient({ mode: "full-template", userIdentifier: "alice" }, Date.now())
console.log(miner.takeMessages().map(({ _tag }) => _tag))

const payout = scriptForAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest")
const token = {
  _tag: "AllocateMiningJobToken.Success",
  requestId: 1,
  miningJobToken: Uint8Array.of(7),
  coinbaseTxOutputs: serializeCountedOutputs([{ value: 0n, script: payout }])
} as const
console.log(miner.receive([token], Date.now()))

// The job of a template with one transaction. `declaredCoinbase` and `wholeHalves` make the halves of the coinbase.
const requestId = miner.declare(
  {
    token: miner.takeToken(Date.now())!,
    version: 0x20000000,
    coinbasePrefix: new Uint8Array(50),
    coinbaseSuffix: new Uint8Array(80),
    wtxids: [new Uint8Array(32)],
    transactions: [new Uint8Array(200)],
    excessData: new Uint8Array(0)
  },
  Date.now()
)
const question = { _tag: "ProvideMissingTransactions", requestId, unknownTxPositionList: [1] } as const
for (const event of miner.receive([question], Date.now())) {
  if (event._tag === "Failed") console.log(event.fault.message)
}
