/** The configuration of `sluice sniff`. */
import { Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { securityKeys, securityProblem } from "../config/security.ts"
import { newFile } from "../config/path.ts"
import { miningServerUrl } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { hostPort, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const SniffConfig = {
  program: "sniff",
  schema: Schema.Struct({
    listen: defaulted(hostPort, {
      description: "The address for clients: miners, proxies or pools.",
      default: "127.0.0.1:13333"
    }),
    connect: required(miningServerUrl, {
      description:
        "The server behind the sniffer: a pool, a proxy, a template provider or a job declarator. With stratum+tcp:// or stratum+ssl:// it is one of Stratum V1, and so are the clients, without TLS.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    json: defaulted(toggle, { description: "Print lines of JSON, as in a recording.", default: false }),
    record: optional(newFile("the path of a file that does not exist yet"), {
      description: "A new file for a recording, lines of JSON.",
      example: "session.ndjson"
    }),
    recordLimit: defaulted(whole("MB", 1, 1_000_000), {
      description: "The longest recording, in millions of bytes. The recording ends there, and connections go on.",
      default: 1000
    }),
    ...securityKeys,
    ...trustKeys,
    ...loggingKeys
  }).check(
    Schema.makeFilter((config) => {
      if (config.connect.security._tag !== "v1") return securityProblem(config)
      return config.authoritySecretKey === undefined
        ? undefined
        : "authority-secret-key: clients of Stratum V1 have no Noise; leave it out for a server of Stratum V1"
    })
  )
}
