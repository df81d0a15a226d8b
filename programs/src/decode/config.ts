/** The configuration of `sluice decode`. */
import { protocolNames } from "@sluice/protocol"
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { choice, file, string, toggle } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const DecodeConfig = {
  program: "decode",
  schema: Schema.Struct({
    in: optional(file("the path of a file"), {
      description: "The file to read. Without it and without INPUT, standard input is read."
    }),
    format: defaulted(choice(["auto", "hex", "base64", "binary"]), {
      description: "The form of the input. Text that can be both hex and base64 is read as hex.",
      default: "auto"
    }),
    protocol: optional(choice(protocolNames), {
      description:
        "The protocol of the connection. A message of another protocol is marked as one that does not belong there."
    }),
    to: optional(choice(["server", "client"]), {
      description: "The receiver of the messages. A message for the other side is marked."
    }),
    payload: optional(string({ metavar: "TYPE", expected: "a message's name or type, such as NewTemplate or 0x71" }), {
      description: "The input is the payload of one message of this name or type, without its header."
    }),
    json: defaulted(toggle, { description: "Print one line of JSON for each message.", default: false }),
    ...loggingKeys
  })
}
