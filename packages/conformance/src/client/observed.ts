/** Rules that are judged with every message of every session, by the ledger; they need no script but a client at work. */
import { Effect } from "effect"
import { RuleSkipped } from "../rule.ts"
import type { ClientRule } from "./kit.ts"
import { busy } from "./visit.ts"

/** `never` says why it could not be judged, where nothing came that it is about. */
export const observed = (
  id: string,
  section: string,
  protocol: ClientRule["protocol"],
  title: string,
  never: string
): ClientRule => ({
  id,
  section,
  title,
  side: "client",
  protocol,
  observed: true,
  check: (kit) =>
    Effect.gen(function* () {
      const isSeen = () => kit.ledger.timesKept(id) > 0 || kit.ledger.breachOf(id) !== undefined
      if (!isSeen()) yield* Effect.ignore(busy(kit))
      if (!isSeen()) return yield* new RuleSkipped({ why: kit.state.hopeless ?? never })
    })
})
