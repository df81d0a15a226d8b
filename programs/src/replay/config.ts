/** What `sluice replay` can be told. */
import { replayDefaults } from "@sluice/sniffer"
import { Duration, Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import { fileToRead } from "../config/path.ts"
import { serverUrl } from "../config/stratum.ts"
import { choice, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const ReplayConfig = {
  program: "replay",
  schema: Schema.Struct({
    recording: required(fileToRead("the path of a recording"), {
      description: "What `sluice sniff` has recorded.",
      example: "session.ndjson"
    }),
    connect: required(serverUrl, {
      description: "The server to which the recorded clients' messages are sent.",
      example: "stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
    }),
    connection: optional(whole("N", 1, 2 ** 32), {
      description: "Replay this connection only; without it, all.",
      example: 1
    }),
    pace: defaulted(choice(["answers", "recorded"]), {
      description:
        "answers: send a message when what was recorded before it has come, in kind. recorded: send each at its time.",
      default: replayDefaults.pace
    }),
    answerSeconds: defaulted(whole("N", 1, 86_400), {
      description: "How long an answer may take.",
      default: Duration.toSeconds(replayDefaults.answerTimeout)
    }),
    ...loggingKeys
  })
}
