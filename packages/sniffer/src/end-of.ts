/** Why a connection ended, for its event. */
import { Cause, Option, Predicate } from "effect"
import type { Closed, Side } from "./event.ts"

/** The end that closed a connection, and the reason. `by` is the end that an error belongs to. */
export const endOf = (cause: Cause.Cause<unknown>, by: Side): readonly [Closed["by"], string] => {
  const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (Predicate.hasProperty(failure, "message")) return [by, String(failure.message)]
  return ["here", Cause.hasInterruptsOnly(cause) ? "it was interrupted" : "it failed"]
}
