/** What `sluice conformance connect` can be told. */
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { choice, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../logging.ts"

export const ConformanceConfig = {
  program: "conformance",
  schema: Schema.Struct({
    protocol: defaulted(choice(["mining", "template-distribution"]), {
      description: "What the server speaks.",
      default: "mining"
    }),
    only: optional(string({ metavar: "ID,...", expected: "beginnings of rules' names" }), {
      description: "Check only the rules whose names begin so.",
      example: "setup.,shares."
    }),
    user: defaulted(string({ metavar: "NAME", expected: "a user name" }), {
      description: "The user of the channels that are opened.",
      default: "conformance"
    }),
    hashRate: defaulted(whole("N", 0, 2 ** 32), {
      description: "Hashes a second that are announced; the fewer, the easier the shares are found.",
      default: 1
    }),
    maxHashes: defaulted(whole("N", 1, 2 ** 32), {
      description: "Hashes to try for one share; a rule without its share is skipped.",
      default: 20_000_000
    }),
    answerSeconds: defaulted(whole("N", 1, 600), { description: "How long an answer may take.", default: 5 }),
    json: defaulted(toggle, { description: "Print each verdict as a line of JSON.", default: false }),
    ...loggingKeys
  })
}
