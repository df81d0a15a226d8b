/** A client of either protocol at its work, and whether it goes on with it. */
import { Effect } from "effect"
import type { ClientKit, Miner, TemplateUser } from "./kit.ts"
import { MiningBooks } from "./mining/mining-books.ts"
import { atWork, newJob, sharesOf } from "./mining/mining-visit.ts"
import { solutionOf, withTemplates } from "./template/template-visit.ts"
import { RuleBroken, type RuleSkipped } from "../verdict.ts"

/** It goes on as if nothing had happened: a miner with shares of another job, a template client with its connection. */
export const goesOn = Effect.fnUntraced(function* (
  kit: ClientKit,
  visitor: Miner | TemplateUser
): Effect.fn.Return<void, RuleBroken | RuleSkipped> {
  if (visitor.books instanceof MiningBooks) {
    const miner = visitor as Miner
    const { channel, jobId } = yield* newJob(miner)
    return yield* sharesOf(kit, miner, channel.id, jobId)
  }
  const user = visitor as TemplateUser
  const { frame, templateId } = user.books.template()
  yield* user.peer.send(frame)
  if (kit.state.noSolutions !== true) {
    const solved = yield* Effect.result(solutionOf(kit, user, templateId))
    if (solved._tag === "Success" || solved.failure._tag === "RuleBroken") return yield* Effect.fromResult(solved)
  }
  yield* Effect.sleep(kit.quietMs)
  if (user.peer.ended) return yield* new RuleBroken({ expected: "an open connection", came: "its end" })
})

/** A client at its work, of whichever protocol. */
export const busy = (kit: ClientKit): Effect.Effect<Miner | TemplateUser, RuleSkipped> =>
  kit.protocol === "mining" ? atWork(kit) : withTemplates(kit)
