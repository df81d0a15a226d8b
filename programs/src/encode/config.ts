/** The configuration of `sluice encode`. */
import { protocolNames } from "@sluice/protocol"
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { choice, file, toggle } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const EncodeConfig = {
  program: "encode",
  schema: Schema.Struct({
    in: optional(file("the path of a file"), {
      description: "The file to read. Without it and without JSON, standard input is read."
    }),
    out: optional(file("the path of a file"), {
      description: "The file to write, which must not exist yet. Default: standard output."
    }),
    format: defaulted(choice(["hex", "base64", "binary"]), {
      description:
        "The form of the output: hex with a line for each frame, or base64 or binary of all frames together.",
      default: "hex"
    }),
    protocol: optional(choice(protocolNames), {
      description:
        "The protocol of messages whose line does not name one, if two protocols have a message of that name."
    }),
    payload: defaulted(toggle, {
      description: "Write the payloads of the frames without their headers.",
      default: false
    }),
    ...loggingKeys
  })
}
