/** What `sluice pool` can be told. */
import { Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { address, serverUrl } from "../config/stratum.ts"
import { decimal, file, hostPort, string, whole } from "../config/value.ts"
import { loggingKeys } from "../logging.ts"

export const PoolConfig = {
  program: "pool",
  schema: Schema.Struct({
    listen: defaulted(hostPort, { description: "Where miners and proxies connect.", default: "127.0.0.1:3333" }),
    templateProvider: required(serverUrl, {
      description: "Where templates come from.",
      example: "stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    coinbaseAddress: required(address, {
      description: "Who is paid for a block.",
      example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    }),
    coinbaseTag: defaulted(string({ metavar: "TEXT", expected: "a short text" }), {
      description: "The pool's name in the blocks it finds.",
      default: "Sluice"
    }),
    sharesPerMinute: defaulted(decimal("N", 0.01, 6000), {
      description: "How many shares a minute each channel's difficulty aims at.",
      default: 6
    }),
    minHashRate: defaulted(decimal("N", 0, 1e18), {
      description:
        "Hashes a second that a channel is taken to have at least, whatever it says: it bounds the easiest target.",
      default: 1000
    }),
    shareBatch: defaulted(whole("N", 1, 10_000), {
      description: "How many accepted shares one acknowledgement covers at most.",
      default: 10
    }),
    shareLog: optional(file("a file to be appended to"), {
      description: "Each accepted share as a line of JSON, written before it is acknowledged.",
      example: "shares.ndjson"
    }),
    ...securityKeys,
    ...loggingKeys
  }).check(oneSecurity)
}
