import { DevNode } from "@sluice/dev-node"
import { NodeRpc } from "@sluice/node"
import { Console, Effect } from "effect"

// For Bitcoin Core instead of the development node:
// NodeRpcHttp.layer({ url: "http://127.0.0.1:8332", credentials: { _tag: "Cookie", path: ".../.bitcoin/.cookie" } })
const node = DevNode.layerInMemory({ transactionsPerSecond: 0 })

const program = Effect.gen(function* () {
  const rpc = yield* NodeRpc
  const { chain } = yield* rpc.getBlockchainInfo
  const { coinbasevalue, height } = yield* rpc.getBlockTemplate()
  yield* Console.log(`${chain}: block ${height} pays ${coinbasevalue} satoshis`)
})

await Effect.runPromise(Effect.provide(program, node))
