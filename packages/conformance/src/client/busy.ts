/** A working client of either protocol, and the check that it continues to work. */
import { Effect } from "effect"
import { DeclarationBooks } from "./declaration/declaration-books.ts"
import { workingDeclarer } from "./declaration/declaration-visit.ts"
import type { ClientKit, Declarer, Miner, TemplateUser, Visitor } from "./kit.ts"
import { MiningBooks } from "./mining/mining-books.ts"
import { workingMiner, newJob, sharesOf } from "./mining/mining-visit.ts"
import { solutionOf, workingTemplateUser } from "./template/template-visit.ts"
import { RuleBroken, type RuleSkipped } from "../verdict.ts"

/** Checks that the client continues to work: a miner finds shares of a new job, the others stay connected. */
export const expectWork = Effect.fnUntraced(function* (
  kit: ClientKit,
  visitor: Miner | Declarer | TemplateUser
): Effect.fn.Return<void, RuleBroken | RuleSkipped> {
  if (visitor.books instanceof MiningBooks) {
    const miner = visitor as Miner
    const { channel, jobId } = yield* newJob(miner)
    return yield* sharesOf(kit, miner, channel.id, jobId)
  }
  if (visitor.books instanceof DeclarationBooks) return yield* staysConnected(kit, visitor)
  const user = visitor as TemplateUser
  const { frame, templateId } = user.books.template()
  yield* user.peer.send(frame)
  if (kit.state.noSolutions !== true) {
    const solved = yield* Effect.result(solutionOf(kit, user, templateId))
    if (solved._tag === "Success" || solved.failure._tag === "RuleBroken") return yield* Effect.fromResult(solved)
  }
  yield* staysConnected(kit, user)
})

const staysConnected = Effect.fnUntraced(function* (kit: ClientKit, { peer }: Visitor) {
  yield* Effect.sleep(kit.quietMs)
  if (peer.ended) return yield* new RuleBroken({ expected: "an open connection", came: "its end" })
})

/** A working client of the kit's protocol. */
export const workingClient = (kit: ClientKit): Effect.Effect<Miner | Declarer | TemplateUser, RuleSkipped> => {
  switch (kit.protocol) {
    case "mining":
      return workingMiner(kit)
    case "job-declaration":
      return workingDeclarer(kit)
    case "template-distribution":
      return workingTemplateUser(kit)
  }
}
