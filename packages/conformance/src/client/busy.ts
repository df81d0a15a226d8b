/** A working client of either protocol, and the check that it continues to work. */
import { Effect } from "effect"
import type { ClientKit, Miner, TemplateUser } from "./kit.ts"
import { MiningBooks } from "./mining/mining-books.ts"
import { workingMiner, newJob, sharesOf } from "./mining/mining-visit.ts"
import { solutionOf, workingTemplateUser } from "./template/template-visit.ts"
import { RuleBroken, type RuleSkipped } from "../verdict.ts"

/** Checks that the client continues to work: a miner finds shares of a new job, a template client stays connected. */
export const expectWork = Effect.fnUntraced(function* (
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

/** A working client of the kit's protocol. */
export const workingClient = (kit: ClientKit): Effect.Effect<Miner | TemplateUser, RuleSkipped> =>
  kit.protocol === "mining" ? workingMiner(kit) : workingTemplateUser(kit)
