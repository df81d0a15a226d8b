/** The configuration of `sluice job-declarator`. */
import { type PayoutOptions, payoutOf } from "@sluice/mining-server"
import { Result, Schema, Struct } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { networks, reconnectTarget } from "../config/stratum.ts"
import { hostPort, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { handshakeKeys } from "../server/curve.ts"
import { canDeclare, declarationKeys, MAX_DECLARATION_CONNECTIONS, tokenKey } from "../server/job-declaration.ts"
import { metricsKeys } from "../server/metrics.ts"
import { nodeKeys, wholeNode } from "../server/node.ts"
import { chainKey, payoutKeys } from "../server/payout.ts"

const fields = Schema.Struct({
  listen: defaulted(hostPort, { description: "The address for clients that declare jobs.", default: "127.0.0.1:3334" }),
  jobDeclarationTokenKey: required(tokenKey, {
    description: "The secret key of tokens, the same as the pool's: 64 hex digits.",
    usual: true
  }),
  ...payoutKeys,
  ...chainKey,
  ...nodeKeys,
  ...declarationKeys,
  reconnectTo: optional(reconnectTarget, {
    description:
      "The declarator that clients are sent to when this one stops: one with the same authority key, or here for this one again.",
    example: "declarator2.example:3334"
  }),
  maxConnections: defaulted(whole("N", 1, 100_000), {
    description: "The most open connections.",
    default: MAX_DECLARATION_CONNECTIONS
  }),
  maxConnectionsPerAddress: optional(whole("N", 1, 100_000), {
    description:
      "The most open connections of one address. IPv6 addresses count by their first 64 bits; addresses of this machine have no limit. Default: half of max-connections.",
    example: 64
  }),
  proxyProtocol: optional(networks, {
    description:
      "The addresses or networks of load balancers that send headers of the PROXY protocol, version 1 or 2. Limits and logs then have the addresses of their clients.",
    example: ["10.0.0.0/28", "fd00::7"]
  }),
  ...handshakeKeys,
  ...metricsKeys,
  ...securityKeys,
  ...loggingKeys
})

/** The outputs that the pool demands. */
export const payoutOptionsOf = (config: typeof fields.Type): PayoutOptions => {
  const { chain } = config
  return {
    ...Struct.pick(config, ["coinbaseAddress", "coinbaseOutputs"]),
    ...(chain === undefined ? {} : { chain: chain === "testnet4" ? "test" : chain })
  }
}

/** A check: all outputs can be paid. */
const canPay = Schema.makeFilter((config: typeof fields.Type) =>
  Result.match(payoutOf(payoutOptionsOf(config)), {
    onFailure: ({ message }) => `coinbase-address, coinbase-outputs: ${message.replace(/^\w+: /, "")}`,
    onSuccess: () => undefined
  })
)

export const JobDeclaratorConfig = {
  program: "job-declarator",
  schema: fields.check(oneSecurity, canPay, wholeNode, canDeclare, distinctAddresses("listen", "metricsListen"))
}
