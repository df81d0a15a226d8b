/** Rules for a client of Template Distribution: a pool or a job declarator (7). */
import { ExtensionsNegotiation, Frame, TemplateDistribution } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import { type ClientRule, clientRule } from "../kit.ts"
import { observedIn } from "../observed.ts"
import { setUpTemplateUser, solutionOf, workingTemplateUser } from "./template-visit.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

const rule = clientRule("template-distribution")
const observed = observedIn("template-distribution", "no solution came")

const NO_REQUEST = "the client requested no transactions"

export const clientTemplateRules: ReadonlyArray<ClientRule> = [
  rule("client-templates.constraints", "7", "The client sends CoinbaseOutputConstraints right after the setup", (kit) =>
    Effect.gen(function* () {
      const user = yield* setUpTemplateUser(kit)
      yield* user.peer.expect(TemplateDistribution.CoinbaseOutputConstraints)
      const isNegotiation = (frame: Frame) => Frame.extension(frame) === ExtensionsNegotiation.EXTENSION
      const others = user.peer.seen.slice(1, -1).filter((frame) => !isNegotiation(frame))
      if (others.length > 0) {
        const came = `${others.length} messages before it`
        return yield* new RuleBroken({ expected: "CoinbaseOutputConstraints first", came })
      }
      kit.state.templateUser = user
    })
  ),
  rule("client-templates.first", "7.3", "The client works on the template that SetNewPrevHash names", (kit) =>
    Effect.gen(function* () {
      const user = yield* workingTemplateUser(kit)
      const { frame, templateId } = user.books.template({ future: true })
      const now = yield* Clock.currentTimeMillis
      yield* user.peer.send(frame, user.books.newPrevHash(templateId, now))
      yield* solutionOf(kit, user, templateId)
    })
  ),
  rule(
    "client-templates.active",
    "7.2",
    "The client works at once on a template that is not a future template",
    (kit) =>
      Effect.gen(function* () {
        const user = yield* workingTemplateUser(kit)
        const { frame, templateId } = user.books.template()
        yield* user.peer.send(frame)
        yield* solutionOf(kit, user, templateId)
      })
  ),
  rule(
    "client-templates.named",
    "7.3",
    "Of several future templates the client works on the one that SetNewPrevHash names",
    (kit) =>
      Effect.gen(function* () {
        const user = yield* workingTemplateUser(kit)
        const { books } = user
        const [first, second, third] = [1, 2, 3].map(() => books.template({ future: true }))
        const now = yield* Clock.currentTimeMillis
        const named = second!.templateId
        yield* user.peer.send(first!.frame, second!.frame, third!.frame, books.newPrevHash(named, now))
        yield* solutionOf(kit, user, named)
        yield* solutionOf(kit, user, named)
      })
  ),
  rule(
    "client-templates.stale",
    "7.3",
    "After SetNewPrevHash the client submits no solution of an earlier template",
    (kit) =>
      Effect.gen(function* () {
        const user = yield* workingTemplateUser(kit)
        const { frame, templateId } = user.books.template({ future: true })
        const now = yield* Clock.currentTimeMillis
        yield* user.peer.send(frame, user.books.newPrevHash(templateId, now))
        for (let solutions = 0; solutions < 3; solutions++) yield* solutionOf(kit, user, templateId)
      })
  ),
  observed(
    "client-transactions.known",
    "7.4",
    "The client requests transactions only of templates that were sent",
    NO_REQUEST
  ),
  rule(
    "client-transactions.error",
    "7.6",
    "After RequestTransactionData.Error the client continues to work on templates",
    (kit) =>
      Effect.gen(function* () {
        const user = yield* workingTemplateUser(kit)
        const { books, peer } = user
        books.refuseNext = 1
        const { frame, templateId } = books.template({ future: true })
        const now = yield* Clock.currentTimeMillis
        yield* peer.send(frame, books.newPrevHash(templateId, now))
        const request = yield* peer.maybe(TemplateDistribution.RequestTransactionData)
        books.refuseNext = 0
        if (request === undefined) return yield* new RuleSkipped({ why: NO_REQUEST })
        const next = books.template()
        yield* peer.send(next.frame)
        yield* solutionOf(kit, user, next.templateId)
      })
  ),
  observed("client-solutions.template", "7.7", "Solutions are for templates that were sent"),
  observed("client-solutions.target", "7.7", "The hash of a solution meets the target of SetNewPrevHash"),
  observed("client-solutions.version", "7.7", "Only version bits of BIP323 differ from the template's"),
  observed(
    "client-solutions.time",
    "7.7",
    "header_timestamp is that of SetNewPrevHash, or later by the time that has passed"
  ),
  observed("client-solutions.coinbase", "7.7", "coinbase_tx is a transaction"),
  observed("client-solutions.prefix", "7.2", "The coinbase's script begins with the template's coinbase_prefix"),
  observed("client-solutions.script", "7.1", "The coinbase's script has at most 100 bytes"),
  observed("client-solutions.fields", "7.2", "The coinbase has the template's version, sequence and locktime"),
  observed("client-solutions.outputs", "7.2", "The coinbase's last outputs are the template's"),
  observed("client-solutions.value", "7.2", "The client's outputs spend no more than coinbase_tx_value_remaining"),
  observed("client-solutions.size", "7.1", "The client's outputs take no more bytes than its constraints say"),
  observed("client-solutions.witness", "3.7.3", "The coinbase has its BIP141 fields")
]
