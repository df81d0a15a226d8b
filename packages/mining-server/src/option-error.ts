/** The error for an option that a server cannot use. A program shows the configuration key that sets the option. */
import { Effect, type Result, Schema } from "effect"

export class OptionError extends Schema.TaggedError<OptionError>("sluice/mining-server/OptionError")("OptionError", {
  /** The option's name as in the interface of the options. */
  option: Schema.String,
  message: Schema.String
}) {
  static readonly of = (option: string, message: string): OptionError =>
    new OptionError({ option, message: `${option}: ${message}` })

  /** Succeeds with the value, or fails with an `OptionError` that has the message of the failure. */
  static readonly fromResult = <A>(
    option: string,
    value: Result.Result<A, { readonly message: string }>
  ): Effect.Effect<A, OptionError> =>
    Effect.mapError(Effect.fromResult(value), ({ message }) => OptionError.of(option, message))
}
