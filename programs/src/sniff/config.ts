/** What `sluice sniff` can be told. */
import { Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { newFile } from "../config/path.ts"
import { serverUrl } from "../config/stratum.ts"
import { hostPort, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const SniffConfig = {
  program: "sniff",
  schema: Schema.Struct({
    listen: defaulted(hostPort, {
      description: "Where clients connect: miners, proxies, pools.",
      default: "127.0.0.1:13333"
    }),
    connect: required(serverUrl, {
      description: "The server that they mean: a pool, a proxy, a template provider, a job declarator.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    json: defaulted(toggle, { description: "Print lines of JSON, as in a recording.", default: false }),
    record: optional(newFile("the path of a file that is not there yet"), {
      description: "A new file for a recording, lines of JSON.",
      example: "session.ndjson"
    }),
    recordLimit: defaulted(whole("MB", 1, 1_000_000), {
      description: "How long the recording may get, in millions of bytes; it ends there, and connections go on.",
      default: 1000
    }),
    ...securityKeys,
    ...loggingKeys
  }).check(oneSecurity)
}
