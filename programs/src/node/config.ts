/** What `sluice node` can be told. */
import { DEFAULT_BITS } from "@sluice/dev-node"
import { Schema } from "effect"
import { defaulted, required } from "../config/key.ts"
import { compactBits, hostPort, password, string, whole, zmqEndpoint } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const NodeConfig = {
  program: "node",
  schema: Schema.Struct({
    rpcListen: defaulted(hostPort, { description: "Where JSON-RPC is served.", default: "127.0.0.1:18443" }),
    rpcUser: required(string({ metavar: "USER", expected: "a user name" }), {
      description: "The user that JSON-RPC asks for.",
      example: "sluice"
    }),
    rpcPassword: required(password, { description: "The password that JSON-RPC asks for." }),
    zmq: defaulted(zmqEndpoint, {
      description: "Where new blocks and changes of the mempool are published.",
      default: "tcp://127.0.0.1:28332"
    }),
    bits: defaulted(compactBits, {
      description: "The chain's difficulty as nBits; 1e03ffff is a block every few seconds on a laptop.",
      default: DEFAULT_BITS.toString(16)
    }),
    retargetInterval: defaulted(whole("N", 0, 1_000_000), {
      description:
        "Blocks after which the difficulty is adjusted towards ten minutes a block, as Core's is after 2016; 0 is never.",
      default: 0
    }),
    ...loggingKeys
  })
}
