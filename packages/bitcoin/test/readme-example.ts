import {
  coinbasePrefix,
  coinbaseTags,
  coinbaseTxid,
  hashToDisplay,
  scriptForAddress,
  splitCoinbase
} from "@sluice/bitcoin"
import { Result } from "effect"

// The coinbase of block 840,000, cut around the bytes that miners roll.
const { prefix, suffix } = Result.getOrThrow(
  splitCoinbase({
    version: 2,
    prefix: coinbasePrefix(840_000),
    tags: coinbaseTags("My pool", ""),
    extranonceSize: 16,
    sequence: 0xffffffff,
    outputs: [
      { value: 312_500_000n, script: scriptForAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest") }
    ],
    templateOutputs: new Uint8Array(0),
    templateOutputsCount: 0,
    lockTime: 0
  })
)
console.log(`a coinbase of ${prefix.length} + 16 + ${suffix.length} bytes`)

const coinbase = new Uint8Array([...prefix, ...new Uint8Array(16), ...suffix])
console.log(`with an extranonce of zeros its txid is ${hashToDisplay(Result.getOrThrow(coinbaseTxid(coinbase)))}`)
