/**
 * The node of the benchmark of block switches, in its own process: a development node with a full mempool behind
 * JSON-RPC and ZMQ. On each message it finds a block without transactions, so that the mempool stays unchanged.
 */
import { DevNode, JsonRpcServer, solveTemplate, ZmqPublisher } from "@sluice/dev-node"
import { Effect, Layer, Logger, Redacted } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** The first message to the parent. */
export interface NodeReady {
  readonly url: string
  readonly zmq: string
  readonly transactions: number
}

/** Above the height of the first halving of other development chains, where a provider waits for the node's template. */
const FIRST_HEIGHT = 200

const TRANSACTIONS = Number(process.argv[2] ?? 4_000)

setFlagsFromString("--expose_gc")
const collectGarbage = runInNewContext("gc") as () => void

const program = Effect.gen(function* () {
  const node = yield* DevNode
  const { url } = yield* JsonRpcServer
  const { endpoint } = yield* ZmqPublisher
  /** The next block, without transactions. */
  const solve = Effect.map(node.getBlockTemplate(), (full) => {
    const { default_witness_commitment: _, ...template } = full
    const fees = template.transactions.reduce((sum, { fee }) => sum + fee, 0)
    return solveTemplate({ ...template, transactions: [], coinbasevalue: template.coinbasevalue - fees })!
  })
  const mine = Effect.gen(function* () {
    const block = yield* solve
    // Bitcoin Core has no garbage to collect while it announces a block.
    collectGarbage()
    yield* node.submitBlock(block)
  })
  for (let height = 0; height < FIRST_HEIGHT; height++) yield* Effect.flatMap(solve, node.submitBlock)
  const txids = yield* node.addMadeUpTransactions(TRANSACTIONS)
  process.on("message", () => void Effect.runPromise(Effect.ignore(mine)))
  process.on("disconnect", () => process.exit(0))
  process.send!({ url, zmq: endpoint, transactions: txids.length } satisfies NodeReady)
  yield* Effect.never
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      Layer.merge(
        JsonRpcServer.layer({ port: 0, user: "bench", password: Redacted.make("bench") }),
        ZmqPublisher.layer("tcp://127.0.0.1:*")
      ).pipe(
        Layer.provideMerge(
          DevNode.layer({
            bits: 0x207fffff,
            transactionsPerSecond: 0,
            maxMempoolTransactions: TRANSACTIONS,
            // A real node does not answer a long poll because of its mempool within this time either.
            longPollFirstCheck: "1 minute"
          })
        )
      )
    ),
    Effect.provide(Logger.layer([])),
    Effect.scoped
  )
)
