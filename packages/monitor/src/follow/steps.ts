/** Long loops in steps, so that the server answers shares between them. */
import { Effect } from "effect"

/** How many items one turn of the event loop looks at: about a millisecond. */
const AT_ONCE = 500

/** Calls `look` for each item in order. */
export const inSteps = Effect.fnUntraced(function* <A>(items: Iterable<A>, look: (item: A) => void) {
  let looked = 0
  for (const item of items) {
    look(item)
    if (++looked % AT_ONCE === 0) yield* Effect.yieldNow
  }
})
