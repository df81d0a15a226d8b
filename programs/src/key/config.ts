/** The configuration of `sluice key`. */
import { Schema } from "effect"
import { fileOfAnother } from "../config/path.ts"
import { defaulted, optional } from "../config/key.ts"
import { toggle } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const KeyConfig = {
  program: "key",
  schema: Schema.Struct({
    json: defaulted(toggle, { description: "Print one line of JSON.", default: false }),
    secretKeyFile: optional(fileOfAnother("the path of a file", { holdsSecret: true }), {
      description:
        "The file that `generate` writes the secret key to instead of printing it, and `show` reads it from.",
      example: "authority.key"
    }),
    keep: defaulted(toggle, {
      description: "If there is a key in secret-key-file, `generate` keeps it and prints its public key.",
      default: false
    }),
    ...loggingKeys
  })
}
