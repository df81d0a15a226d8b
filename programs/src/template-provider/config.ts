/** What `sluice template-provider` can be told. */
import { Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { file, hostPort, httpUrl, password, string, zmqEndpoint } from "../config/value.ts"
import { loggingKeys } from "../logging.ts"

export const TemplateProviderConfig = {
  program: "template-provider",
  schema: Schema.Struct({
    listen: defaulted(hostPort, { description: "Where pools and proxies connect.", default: "127.0.0.1:18447" }),
    rpcUrl: required(httpUrl, { description: "The node's JSON-RPC.", example: "http://127.0.0.1:18443" }),
    rpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
      description: "The node's rpcuser; or give rpc-cookie.",
      example: "sluice",
      usual: true
    }),
    rpcPassword: optional(password, { description: "The node's rpcpassword.", usual: true }),
    rpcCookie: optional(file("the path of the node's .cookie file"), {
      description: "The file in which the node writes a user and password of its own at each start.",
      example: "/home/bitcoin/.bitcoin/.cookie"
    }),
    zmq: optional(zmqEndpoint, {
      description:
        "Where the node publishes hashblock and sequence (zmqpubhashblock, zmqpubsequence); without it the node is asked.",
      example: "tcp://127.0.0.1:28332",
      usual: true
    }),
    ...securityKeys,
    ...loggingKeys
  }).check(
    oneSecurity,
    Schema.makeFilter(({ rpcUser, rpcPassword, rpcCookie }) => {
      if (rpcCookie !== undefined) {
        return rpcUser === undefined && rpcPassword === undefined
          ? undefined
          : "give rpc-cookie, or rpc-user and rpc-password, not both"
      }
      if (rpcUser !== undefined && rpcPassword !== undefined) return undefined
      return "--rpc-user with --rpc-password (or --rpc-password-file), or --rpc-cookie is missing: the node wants to know us"
    })
  )
}
