/** What `sluice decode` can be told. */
import { protocolNames } from "@sluice/protocol"
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { choice, file, string, toggle } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const DecodeConfig = {
  program: "decode",
  schema: Schema.Struct({
    in: optional(file("the path of a file"), {
      description: "The file to read; without it and INPUT, standard input."
    }),
    format: defaulted(choice(["auto", "hex", "base64", "binary"]), {
      description: "What the input is; text that can be both hex and base64 is hex.",
      default: "auto"
    }),
    protocol: optional(choice(protocolNames), {
      description: "The protocol of the connection: a message of another is told as one that does not belong there."
    }),
    to: optional(choice(["server", "client"]), {
      description: "Who receives the messages: one that goes the other way is told as such."
    }),
    payload: optional(string({ metavar: "TYPE", expected: "a message's name or type, such as NewTemplate or 0x71" }), {
      description: "The input is the payload of one message of this name or type, without its header."
    }),
    json: defaulted(toggle, { description: "Print one line of JSON for each message.", default: false }),
    ...loggingKeys
  })
}
