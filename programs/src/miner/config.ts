/** The configuration of `sluice miner`. */
import { Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { miningServerUrl, v1PasswordKey } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { choice, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const MinerConfig = {
  program: "miner",
  schema: Schema.Struct({
    connect: required(miningServerUrl, {
      description: "The pool or proxy to mine for.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    user: required(string({ metavar: "NAME", expected: "a user name" }, 255), {
      description: "The user that the shares are for, as the pool knows it.",
      example: "alice.miner1"
    }),
    ...v1PasswordKey,
    worker: optional(string({ metavar: "NAME", expected: "a name of at most 32 bytes" }, 32), {
      description: "The worker name, sent with each share of an extended channel.",
      example: "rig-7"
    }),
    channel: defaulted(choice(["standard", "extended"]), {
      description:
        "The kind of channel. On a standard one the miner searches headers only, on an extended one it also rolls the extranonce.",
      default: "standard"
    }),
    threads: defaulted(whole("N", 1, 256), { description: "Worker threads that hash.", default: 1 }),
    shares: optional(whole("N", 1, 2 ** 32), { description: "Stop after this many accepted shares.", example: 100 }),
    json: defaulted(toggle, { description: "Print each event as a line of JSON on stdout.", default: false }),
    ...trustKeys,
    ...loggingKeys
  }).check(
    Schema.makeFilter(({ channel, worker }) =>
      worker !== undefined && channel !== "extended"
        ? "worker needs channel extended: shares of a standard channel carry no name"
        : undefined
    )
  )
}
