/** An option of a server that cannot be used. A program says which of its keys sets the option. */
import { Effect, type Result, Schema } from "effect"

export class OptionError extends Schema.TaggedError<OptionError>("sluice/mining-server/OptionError")("OptionError", {
  /** The option's name, as in the options' interface. */
  option: Schema.String,
  message: Schema.String
}) {
  static readonly of = (option: string, message: string): OptionError =>
    new OptionError({ option, message: `${option}: ${message}` })

  /** The value of an option, or an `OptionError` with the error's message. */
  static readonly fromResult = <A>(
    option: string,
    value: Result.Result<A, { readonly message: string }>
  ): Effect.Effect<A, OptionError> =>
    Effect.mapError(Effect.fromResult(value), ({ message }) => OptionError.of(option, message))
}
