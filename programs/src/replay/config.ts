/** The configuration of `sluice replay`. */
import { replayDefaults } from "@sluice/sniffer"
import { Duration, Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { fileToRead } from "../config/path.ts"
import { miningServerUrl } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { choice, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const ReplayConfig = {
  program: "replay",
  schema: Schema.Struct({
    recording: required(fileToRead("the path of a recording"), {
      description: "A recording of `sluice sniff`.",
      example: "session.ndjson"
    }),
    connect: required(miningServerUrl, {
      description: "The server that gets the recorded messages of the clients.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    connection: optional(whole("N", 1, 2 ** 32), {
      description: "The number of the connection to replay. Default: all connections.",
      example: 1
    }),
    pace: defaulted(choice(["answers", "recorded"]), {
      description:
        "answers: send a message once the answers that were recorded before it have come. recorded: send each at its time.",
      default: replayDefaults.pace
    }),
    answerSeconds: defaulted(whole("N", 1, 86_400), {
      description: "The time limit for an answer.",
      default: Duration.toSeconds(replayDefaults.answerTimeout)
    }),
    ...trustKeys,
    ...loggingKeys
  })
}
