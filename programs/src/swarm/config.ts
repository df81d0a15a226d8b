/** The configuration of `sluice swarm`. */
import { isIPv4, isIPv6 } from "node:net"
import { swarmDefaults } from "@sluice/swarm"
import { Result, Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { fileToWrite } from "../config/path.ts"
import { miningServerUrl } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { choice, decimal, string, text, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

/** Bytes of a user identity (5.3.2). */
const MAX_USER_BYTES = 255

const percent = (description: string) =>
  defaulted(decimal("PERCENT", 0, 100), { description: `${description}, in percent.`, default: 0 })

const localAddresses = text({ metavar: "ADDRESS,...", expected: "IP addresses with commas between them" }, (input) => {
  const addresses = input.split(",").map((part) => part.trim())
  const wrong = addresses.find((address) => !isIPv4(address) && !isIPv6(address))
  return wrong === undefined ? Result.succeed(addresses) : Result.fail(`${JSON.stringify(wrong)} is not an IP address`)
})

export const SwarmConfig = {
  program: "swarm",
  schema: Schema.Struct({
    connect: required(miningServerUrl, {
      description: "The pool or proxy to load. With stratum+tcp:// or stratum+ssl:// the miners speak Stratum V1.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    connections: defaulted(whole("N", 1, 1_000_000), { description: "Connections to hold open.", default: 100 }),
    channels: defaulted(whole("N", 1, 65_536), {
      description: "Channels on each connection.",
      default: swarmDefaults.channels
    }),
    channel: defaulted(choice(["standard", "extended"]), {
      description:
        "The kind of the channels. A connection with one standard channel asks for standard jobs, as a device does.",
      default: swarmDefaults.kind
    }),
    user: defaulted(string({ metavar: "NAME", expected: "a user name" }, MAX_USER_BYTES - 6), {
      description: "Connection N has the user identity NAME.N.",
      default: swarmDefaults.user
    }),
    sharesPerMinute: defaulted(decimal("N", 0, 60_000), {
      description: "Shares a minute of each channel at its first target. A harder target later makes them fewer.",
      default: swarmDefaults.sharesPerMinute
    }),
    hashRate: defaulted(decimal("N", 0, 1e18), {
      description: "The hash rate that each channel announces, in hashes a second. A lower rate gets an easier target.",
      default: swarmDefaults.nominalHashRate
    }),
    duration: optional(decimal("SECONDS", 0.1, 1e9), {
      description: "Stop after this time. Without it, Ctrl-C stops the swarm.",
      example: 60
    }),
    concurrency: defaulted(whole("N", 1, 100_000), {
      description: "The most handshakes at the same time.",
      default: swarmDefaults.concurrency
    }),
    connectRate: optional(decimal("N", 0.01, 1e6), {
      description: "The most connections to begin in a second.",
      example: 500
    }),
    localAddresses: optional(localAddresses, {
      description: "Local addresses to connect from, in turns. Each has some 28,000 ports for one server.",
      example: "127.0.0.1,127.0.0.2"
    }),
    stale: percent("Repeated shares of an earlier block"),
    duplicate: percent("Repetitions of the last share"),
    lowDifficulty: percent("Shares whose hash misses the target"),
    garbage: percent(
      "Frames of random bytes in place of shares, for which the server ends the connection (Stratum V2 only)"
    ),
    slow: percent("Connections that read once a minute"),
    report: optional(fileToWrite("a file to be written"), {
      description: "The file for the report, as JSON.",
      example: "swarm.json"
    }),
    acknowledged: optional(fileToWrite("a file to be written"), {
      description:
        "Append each share that the server acknowledged as a line of JSON, to compare with the pool's share log.",
      example: "acknowledged.ndjson"
    }),
    json: defaulted(toggle, {
      description: "Print progress and the report as lines of JSON on stdout.",
      default: false
    }),
    ...trustKeys,
    ...loggingKeys
  }).check(
    Schema.makeFilter(({ duplicate, garbage, lowDifficulty, stale }) => {
      const bad = duplicate + garbage + lowDifficulty + stale
      return bad > 100
        ? `stale, duplicate, low-difficulty, garbage: at most 100 percent of the shares in all; these sum to ${bad}`
        : undefined
    })
  )
}
