/** Rules that the ledger judges with every message of every session. They need a working client and no script. */
import { JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect, Option } from "effect"
import { workingClient } from "./busy.ts"
import { type ClientKit, type ClientRule, clientRule } from "./kit.ts"
import { RuleSkipped } from "../verdict.ts"

/** Makes such rules for clients of the protocol. A rule is skipped with `never` if no message came that it is about. */
export const observedIn = (protocol: ClientRule["protocol"], unseen = "no such message came") => {
  const rule = clientRule(protocol)
  return (id: string, section: string, title: string, never = unseen): ClientRule => ({
    ...rule(id, section, title, (kit) =>
      Effect.gen(function* () {
        const isSeen = () => kit.ledger.timesKept(id) > 0 || kit.ledger.breachOf(id) !== undefined
        if (!isSeen()) yield* watch(kit, isSeen)
        if (!isSeen()) return yield* new RuleSkipped({ why: kit.state.hopeless ?? never })
      })
    ),
    observed: true
  })
}

/** Watches the working client until the ledger has something to judge. Watches for the full time once in a run. */
const watch = Effect.fnUntraced(function* (kit: ClientKit, isSeen: () => boolean) {
  if (kit.state.hasObserved === true) return
  const visitor = yield* Effect.option(workingClient(kit))
  for (let seen = 0; seen < ENOUGH[kit.protocol] && !isSeen() && Option.isSome(visitor); seen++) {
    const next = yield* Effect.option(visitor.value.peer.expectWithin(kit.shareMs, ...WORK[kit.protocol]))
    if (Option.isNone(next)) break
  }
  kit.state.hasObserved = !isSeen()
})

/** The messages that show a client at work. */
const WORK = {
  mining: [Mining.SubmitSharesStandard, Mining.SubmitSharesExtended],
  "job-declaration": [JobDeclaration.AllocateMiningJobToken, JobDeclaration.DeclareMiningJob],
  "template-distribution": [TemplateDistribution.SubmitSolution]
}

/** How many of these after which other messages are not worth waiting for. */
const ENOUGH = { mining: 20, "job-declaration": 6, "template-distribution": 2 }
