import { DevNode, solveTemplate } from "@sluice/dev-node"
import { NodeRpc } from "@sluice/node"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const node = yield* DevNode
  yield* node.addMadeUpTransactions(3)

  // What a template provider asks of any node; JsonRpcServer and NodeRpcHttp.layer put a socket between.
  const rpc = yield* NodeRpc
  const template = yield* rpc.getBlockTemplate()
  const block = solveTemplate(template)!
  yield* Console.log(`verdict: ${yield* rpc.submitBlock(block)}, once more: ${yield* rpc.submitBlock(block)}`)

  const { height, hash } = yield* node.tip
  const { tx } = yield* rpc.getBlock(hash)
  yield* Console.log(`block ${height} has ${tx.length} transactions`)
})

await Effect.runPromise(
  program.pipe(Effect.provide(DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0 })))
)
