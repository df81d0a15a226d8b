/** What `sluice encode` can be told. */
import { protocolNames } from "@sluice/protocol"
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { choice, file, toggle } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const EncodeConfig = {
  program: "encode",
  schema: Schema.Struct({
    in: optional(file("the path of a file"), { description: "The file to read; without it and JSON, standard input." }),
    out: optional(file("the path of a file"), {
      description: "The file to write, which must not be there; without it, standard output."
    }),
    format: defaulted(choice(["hex", "base64", "binary"]), {
      description: "What to write: hex, a line for each frame; base64, or the bytes themselves, of all of them.",
      default: "hex"
    }),
    protocol: optional(choice(protocolNames), {
      description: "The protocol of messages whose line does not say, where two have one of that name."
    }),
    payload: defaulted(toggle, { description: "Leave out the frames' headers.", default: false }),
    ...loggingKeys
  })
}
