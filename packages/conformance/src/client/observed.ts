/** Rules that are judged with every message of every session, by the ledger; they need no script but a client at work. */
import { Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect, Option } from "effect"
import { busy } from "./busy.ts"
import { type ClientKit, type ClientRule, clientRule } from "./kit.ts"
import { RuleSkipped } from "../verdict.ts"

/** Makes rules for clients of the protocol; `never` says why one could not be judged, where nothing came that it is about. */
export const observedIn = (protocol: ClientRule["protocol"], unseen = "no such message came") => {
  const rule = clientRule(protocol)
  return (id: string, section: string, title: string, never = unseen): ClientRule => ({
    ...rule(id, section, title, (kit) =>
      Effect.gen(function* () {
        const isSeen = () => kit.ledger.timesKept(id) > 0 || kit.ledger.breachOf(id) !== undefined
        if (!isSeen()) yield* observe(kit, isSeen)
        if (!isSeen()) return yield* new RuleSkipped({ why: kit.state.hopeless ?? never })
      })
    ),
    observed: true
  })
}

/** Looks on while the client works, until there is something to judge; once in a run for as long as it takes. */
const observe = Effect.fnUntraced(function* (kit: ClientKit, isSeen: () => boolean) {
  if (kit.state.hasObserved === true) return
  const visitor = yield* Effect.option(busy(kit))
  const messages =
    kit.protocol === "mining"
      ? [Mining.SubmitSharesStandard, Mining.SubmitSharesExtended]
      : [TemplateDistribution.SubmitSolution]
  for (let seen = 0; seen < ENOUGH[kit.protocol] && !isSeen() && Option.isSome(visitor); seen++) {
    const next = yield* Effect.option(visitor.value.peer.expectWithin(kit.shareMs, ...messages))
    if (Option.isNone(next)) break
  }
  kit.state.hasObserved = !isSeen()
})

/** Shares, or solutions, after which what did not come will not come by itself. */
const ENOUGH = { mining: 20, "template-distribution": 2 }
