/** Whether this process logs where clients connect. Of several that serve at one address, one does. */
import { Context, Effect } from "effect"

export const Announces: Context.Reference<boolean> = Context.Reference("sluice/server/Announces", {
  defaultValue: () => true
})

/** Logs the line, at debug level if another process logs it for people. */
export const announce = (...line: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.flatMap(Announces, (announces) => (announces ? Effect.logInfo(...line) : Effect.logDebug(...line)))
