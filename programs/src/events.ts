/** Events of the roles on stdout, one line of JSON each: for machines that watch a program. */
import { Clock, Console, Effect } from "effect"

/** Prints an event as `{"role": ..., "event": ..., "at": milliseconds since 1970, ...}`. */
export const printEvent = (role: string, event: { readonly _tag: string }): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { _tag, ...fields } = event
    return Console.log(JSON.stringify({ role, event: _tag, at: now, ...fields }, plain))
  })

/** JSON has no bigint; amounts and ids are written as decimal text. */
const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value)
