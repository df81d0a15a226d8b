/** `sluice node`: the development chain, with the interfaces of Bitcoin Core. */
import { DevNode, JsonRpcServer, ZmqPublisher } from "@sluice/dev-node"
import { Effect, Layer, Stream } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { NodeConfig } from "./config.ts"

export const node = program({
  ...NodeConfig,
  description: summaries.node,
  run: ({ bits, retargetInterval, rpcListen, rpcPassword, rpcUser, zmq }) =>
    log.pipe(
      Layer.provide(JsonRpcServer.layer({ ...rpcListen, user: rpcUser, password: rpcPassword })),
      Layer.provide(ZmqPublisher.layer(zmq)),
      Layer.provide(DevNode.layer({ bits, retargetInterval })),
      Layer.launch
    )
})

/** Logs a line at the start, and one for each block. */
const log = Layer.effectDiscard(
  Effect.gen(function* () {
    const { url } = yield* JsonRpcServer
    const { endpoint } = yield* ZmqPublisher
    const { events } = yield* DevNode
    yield* Effect.logInfo(
      `The development node listens: JSON-RPC at ${url}, ZMQ at ${endpoint}. It is not a real chain`
    )
    yield* events.pipe(
      Stream.runForEach((event) => {
        switch (event._tag) {
          case "BlockAccepted":
            return Effect.logInfo(`Block ${event.height} accepted, ${event.txCount} transactions: ${event.hash}`)
          case "BlockRejected":
            return Effect.logWarning(`Block refused (${event.verdict}): ${event.hash}`)
          default:
            return Effect.void
        }
      }),
      Effect.forkScoped
    )
  })
)
