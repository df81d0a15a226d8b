import { coinbasePrefix, coinbaseTags, DevNode, NodeRpc, scriptForAddress, splitCoinbase } from "@sluice/bitcoin"
import { Console, Effect } from "effect"

// The coinbase of the next block, cut around the bytes that miners roll. For Bitcoin Core instead of the development node:
// NodeRpc.layerHttp({ url: "http://127.0.0.1:8332", credentials: { _tag: "Cookie", path: ".../.bitcoin/.cookie" } })
const program = Effect.gen(function* () {
  const rpc = yield* NodeRpc
  const { chain } = yield* rpc.getBlockchainInfo
  const template = yield* rpc.getBlockTemplate()
  const { prefix, suffix } = splitCoinbase({
    version: 2,
    prefix: coinbasePrefix(template.height),
    tags: coinbaseTags("My pool", ""),
    extranonceSize: 16,
    sequence: 0xffffffff,
    outputs: [
      {
        value: BigInt(template.coinbasevalue),
        script: scriptForAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest")
      }
    ],
    templateOutputs: new Uint8Array(0),
    templateOutputsCount: 0,
    lockTime: 0
  })
  yield* Console.log(`${chain}: block ${template.height} pays ${template.coinbasevalue} satoshis`)
  yield* Console.log(`a coinbase of ${prefix.length} + 16 + ${suffix.length} bytes`)
})

await Effect.runPromise(program.pipe(Effect.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 }))))
