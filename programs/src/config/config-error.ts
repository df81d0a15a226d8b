import { Schema } from "effect"

/** The configuration is wrong, and the program was not started. Each problem says where it stands and what was expected. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  program: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}
