/** The configuration of `sluice node`. */
import { DEFAULT_BITS } from "@sluice/dev-node"
import { Schema } from "effect"
import { defaulted, required } from "../config/key.ts"
import { compactBits, hostPort, password, string, whole, zmqEndpoint } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const NodeConfig = {
  program: "node",
  schema: Schema.Struct({
    rpcListen: defaulted(hostPort, { description: "The address of the JSON-RPC server.", default: "127.0.0.1:18443" }),
    rpcUser: required(string({ metavar: "USER", expected: "a user name" }), {
      description: "The user name for JSON-RPC.",
      example: "sluice"
    }),
    rpcPassword: required(password, { description: "The password for JSON-RPC." }),
    zmq: defaulted(zmqEndpoint, {
      description: "The ZeroMQ endpoint that publishes new blocks and changes of the mempool.",
      default: "tcp://127.0.0.1:28332"
    }),
    bits: defaulted(compactBits, {
      description: "The difficulty of the chain as nBits. A laptop finds a block at 1e03ffff every few seconds.",
      default: DEFAULT_BITS.toString(16)
    }),
    retargetInterval: defaulted(whole("N", 0, 1_000_000), {
      description:
        "The number of blocks after which the difficulty is adjusted to ten minutes a block (Bitcoin Core: 2016). 0 means never.",
      default: 0
    }),
    ...loggingKeys
  })
}
