/** What `sluice conformance connect` and `sluice conformance serve` can be told. */
import { Conformance } from "@sluice/conformance"
import { Duration, Schema } from "effect"
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

const { runDefaults, serveDefaults } = Conformance

const answerSeconds = (default_: Duration.Duration) =>
  defaulted(whole("N", 1, 600), { description: "How long an answer may take.", default: Duration.toSeconds(default_) })

const json = defaulted(toggle, { description: "Print each verdict as a line of JSON.", default: false })

export const ConnectConfig = {
  program: "conformance connect",
  schema: Schema.Struct({
    protocol: defaulted(protocols, { description: "What the server speaks.", default: "mining" }),
    only,
    user: defaulted(string({ metavar: "NAME", expected: "a user name" }, 255), {
      description: "The user of the channels that are opened.",
      default: runDefaults.userIdentity
    }),
    hashRate: defaulted(whole("N", 0, 2 ** 32), {
      description: "Hashes a second that are announced; the fewer, the easier the shares are found.",
      default: runDefaults.nominalHashRate
    }),
    maxHashes: defaulted(whole("N", 1, 2 ** 32), {
      description: "Hashes to try for one share; a rule without its share is skipped.",
      default: runDefaults.maxHashes
    }),
    answerSeconds: answerSeconds(runDefaults.answerTimeout),
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
      default: serveDefaults.sharesPerMinute
    }),
    connectSeconds: defaulted(whole("N", 1, 3600), {
      description: "How long the client may take to connect, at first and again after each session.",
      default: Duration.toSeconds(serveDefaults.connectTimeout)
    }),
    answerSeconds: answerSeconds(serveDefaults.answerTimeout),
    shareSeconds: defaulted(whole("N", 1, 3600), {
      description: "How long a share, or the solution of a template, may take.",
      default: Duration.toSeconds(serveDefaults.shareTimeout)
    }),
    json,
    ...securityKeys,
    ...loggingKeys
  }).check(oneSecurity, distinctAddresses("listen", "secondListen"))
}
