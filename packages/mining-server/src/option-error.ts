/** An option of a server that cannot be used. A program says which of its keys sets the option. */
import { Effect, Schema } from "effect"

export class OptionError extends Schema.TaggedError<OptionError>("sluice/mining-server/OptionError")("OptionError", {
  /** The option's name, as in the options' interface. */
  option: Schema.String,
  message: Schema.String
}) {
  static readonly of = (option: string, message: string): OptionError =>
    new OptionError({ option, message: `${option}: ${message}` })

  /** Runs code that checks an option by throwing an error with a message. */
  static readonly attempt = <A>(option: string, check: () => A): Effect.Effect<A, OptionError> =>
    Effect.try({
      try: check,
      catch: (error) => OptionError.of(option, error instanceof Error ? error.message : String(error))
    })
}
