/** The configurations of `sluice conformance connect` and `sluice conformance serve`. */
import { Conformance } from "@sluice/conformance"
import { Duration, Schema } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { serverUrl } from "../config/stratum.ts"
import { choice, hostPort, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

const protocols = choice(["mining", "job-declaration", "template-distribution"])

const only = optional(string({ metavar: "ID,...", expected: "beginnings of the names of rules" }), {
  description: "Check only the rules whose names begin with one of these.",
  example: "setup.,shares."
})

const { runDefaults, serveDefaults } = Conformance

const answerSeconds = (default_: Duration.Duration) =>
  defaulted(whole("N", 1, 600), { description: "The time limit for an answer.", default: Duration.toSeconds(default_) })

const json = defaulted(toggle, { description: "Print each verdict as a line of JSON.", default: false })

export const ConnectConfig = {
  program: "conformance connect",
  schema: Schema.Struct({
    protocol: defaulted(protocols, { description: "The protocol of the server.", default: "mining" }),
    beside: optional(serverUrl, {
      description:
        "For a pool its job declarator, for a job declarator its pool. Without it, rules about declared jobs are skipped.",
      example: "stratum2+tcp+plain://127.0.0.1:3334"
    }),
    only,
    user: defaulted(string({ metavar: "NAME", expected: "a user name" }, 255), {
      description: "The user identity of the channels that the kit opens.",
      default: runDefaults.userIdentity
    }),
    hashRate: defaulted(whole("N", 0, 2 ** 32), {
      description: "The hash rate that the kit announces, in hashes a second. A lower rate gets an easier target.",
      default: runDefaults.nominalHashRate
    }),
    maxHashes: defaulted(whole("N", 1, 2 ** 32), {
      description: "The most hashes to try for one share. A rule whose share is not found is skipped.",
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
      description: "The address to which Reconnect sends the client. Default: any free port of the same host."
    }),
    poolListen: optional(hostPort, {
      description:
        "With job-declaration, where the kit is the client's pool. Without it, rules about custom jobs are skipped.",
      example: "127.0.0.1:3334"
    }),
    protocol: defaulted(protocols, { description: "The protocol of the client.", default: "mining" }),
    only,
    sharesPerMinute: defaulted(whole("N", 1, 6000), {
      description: "Shares a minute that the targets aim at, for the hash rate that the client announces.",
      default: serveDefaults.sharesPerMinute
    }),
    connectSeconds: defaulted(whole("N", 1, 3600), {
      description: "The time limit for the client to connect, at first and after each session.",
      default: Duration.toSeconds(serveDefaults.connectTimeout)
    }),
    answerSeconds: answerSeconds(serveDefaults.answerTimeout),
    shareSeconds: defaulted(whole("N", 1, 3600), {
      description: "The time limit for a share, or for the solution of a template.",
      default: Duration.toSeconds(serveDefaults.shareTimeout)
    }),
    json,
    ...securityKeys,
    ...loggingKeys
  }).check(oneSecurity, distinctAddresses("listen", "secondListen", "poolListen"))
}
