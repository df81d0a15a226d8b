/** What `sluice conformance connect` and `sluice conformance serve` can be told. */
import { Schema } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { choice, hostPort, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

const protocols = choice(["mining", "template-distribution"])

const only = optional(string({ metavar: "ID,...", expected: "beginnings of rules' names" }), {
  description: "Check only the rules whose names begin so.",
  example: "setup.,shares."
})

const answerSeconds = defaulted(whole("N", 1, 600), { description: "How long an answer may take.", default: 5 })

const json = defaulted(toggle, { description: "Print each verdict as a line of JSON.", default: false })

export const ConnectConfig = {
  program: "conformance connect",
  schema: Schema.Struct({
    protocol: defaulted(protocols, { description: "What the server speaks.", default: "mining" }),
    only,
    user: defaulted(string({ metavar: "NAME", expected: "a user name" }, 255), {
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
    answerSeconds,
    json,
    ...loggingKeys
  })
}

export const ServeConfig = {
  program: "conformance serve",
  schema: Schema.Struct({
    listen: defaulted(hostPort, { description: "Where the client connects.", default: "127.0.0.1:3333" }),
    secondListen: optional(hostPort, {
      description: "Where Reconnect sends the client; by default any port at the same host."
    }),
    protocol: defaulted(protocols, { description: "What the client speaks.", default: "mining" }),
    only,
    sharesPerMinute: defaulted(whole("N", 1, 6000), {
      description: "How many shares a minute the targets aim at, by the hash rate that the client names.",
      default: 300
    }),
    connectSeconds: defaulted(whole("N", 1, 3600), {
      description: "How long the client may take to connect, at first and again after each session.",
      default: 60
    }),
    answerSeconds,
    shareSeconds: defaulted(whole("N", 1, 3600), {
      description: "How long a share, or the solution of a template, may take.",
      default: 30
    }),
    json,
    ...securityKeys,
    ...loggingKeys
  }).check(oneSecurity, distinctAddresses("listen", "secondListen"))
}
