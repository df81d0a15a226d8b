/** What `sluice key` can be told. */
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { file, toggle } from "../config/value.ts"
import { loggingKeys } from "../logging.ts"

export const KeyConfig = {
  program: "key",
  schema: Schema.Struct({
    json: defaulted(toggle, { description: "Print one line of JSON.", default: false }),
    secretKeyFile: optional(file("the path of a file"), {
      description:
        "The file that `generate` writes the secret key to instead of printing it, and `show` reads it from.",
      example: "authority.key"
    }),
    ...loggingKeys
  })
}
