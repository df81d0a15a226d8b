/** Rules for a job declaration client (6, 5.3.18). */
import { ExtensionsNegotiation, Frame, JobDeclaration } from "@sluice/protocol"
import { Effect } from "effect"
import { type ClientRule, clientRule } from "../kit.ts"
import { observedIn } from "../observed.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"
import { booksOf, customJobAfter, newDeclarer, nextJob, setUpDeclarer, workingDeclarer } from "./declaration-visit.ts"

const rule = clientRule("job-declaration")
const observed = observedIn("job-declaration", "the client declared no job")

const NO_CUSTOM_JOB = "the client set no custom job"

export const clientDeclarationRules: ReadonlyArray<ClientRule> = [
  rule("client-tokens.first", "6.4.2", "The client requests a token before it declares a job", (kit) =>
    Effect.gen(function* () {
      const declarer = yield* setUpDeclarer(kit)
      yield* declarer.peer.expect(JobDeclaration.AllocateMiningJobToken)
      const isNegotiation = (frame: Frame) => Frame.extension(frame) === ExtensionsNegotiation.EXTENSION
      const before = declarer.peer.seen.slice(1, -1).filter((frame) => !isNegotiation(frame))
      if (before.length > 0) {
        const came = `${before.length} messages before it`
        return yield* new RuleBroken({ expected: "AllocateMiningJobToken first", came })
      }
      kit.state.declarer = declarer
    })
  ),
  observed("client-tokens.request-id", "6.4.2", "Every request has a request_id of its own"),

  rule("client-custom.set", "5.3.18", "The client sets a custom job at the pool", (kit) =>
    Effect.gen(function* () {
      if (!kit.hasPool) return yield* new RuleSkipped({ why: "the kit serves no pool beside" })
      const { customJobs } = booksOf(kit)
      yield* newDeclarer(kit)
      yield* customJobAfter(kit, customJobs)
    })
  ),

  rule("client-missing.answer", "6.4.8", "The client provides all transactions that the server requests", (kit) =>
    Effect.gen(function* () {
      const declarer = yield* newDeclarer(kit)
      declarer.books.requestNext = 1
      yield* Effect.ensuring(
        Effect.gen(function* () {
          const { wtxidList } = yield* nextJob(kit, declarer)
          if (wtxidList.length === 0) return yield* new RuleSkipped({ why: "the declared job has no transactions" })
          yield* declarer.peer.expect(JobDeclaration.ProvideMissingTransactionsSuccess)
        }),
        Effect.sync(() => {
          declarer.books.requestNext = 0
        })
      )
    })
  ),

  rule(
    "client-declare.refused",
    "6.2",
    "After DeclareMiningJob.Error the client sets no job with the refused token",
    (kit) =>
      Effect.gen(function* () {
        const declarer = yield* workingDeclarer(kit)
        declarer.books.refuseNext = 1
        const { customJobs } = declarer.books
        yield* nextJob(kit, declarer)
        yield* Effect.sleep(kit.quietMs)
        const breach = kit.ledger.breachOf("client-custom.token")
        if (breach !== undefined) return yield* new RuleBroken(breach)
        if (declarer.books.customJobs > customJobs && declarer.books.refuseNext > 0) {
          return yield* new RuleBroken({ expected: "no custom job", came: "SetCustomMiningJob" })
        }
      })
  ),

  observed("client-declare.flag", "6.3.1", "The client declares jobs only with DECLARE_TX_DATA"),
  observed("client-declare.token", "6.4.4", "Jobs are declared with tokens that were allocated"),
  observed("client-declare.coinbase", "6.4.4", "The halves around the extranonce are a coinbase transaction"),
  observed("client-declare.witness", "6.4.4", "A segwit coinbase is declared with its BIP141 fields"),
  observed("client-declare.payout", "6.4.3", "A declared job has all outputs of the pool, and a value on its payout"),
  observed(
    "client-missing.request-id",
    "6.4.8",
    "ProvideMissingTransactions.Success has the request_id of the request"
  ),
  observed("client-missing.transactions", "6.4.8", "It has the requested transactions in the order of the request"),
  observed("client-custom.flag", "5.3.18", "Custom jobs are set only with REQUIRES_WORK_SELECTION", NO_CUSTOM_JOB),
  observed("client-custom.channel", "5.3.18", "Custom jobs are set on channels that are open", NO_CUSTOM_JOB),
  observed("client-custom.request-id", "5.3.18", "Every SetCustomMiningJob has a request_id of its own", NO_CUSTOM_JOB),
  observed(
    "client-custom.token",
    "6.4.5",
    "A custom job has the token of its mode: declared, or allocated",
    NO_CUSTOM_JOB
  ),
  observed("client-custom.outputs", "5.3.18", "coinbase_tx_outputs has outputs behind their count", NO_CUSTOM_JOB),
  observed(
    "client-custom.payout",
    "6.4.3",
    "A custom job has all outputs of the pool, and a value on its payout",
    NO_CUSTOM_JOB
  ),
  observed(
    "client-custom.order",
    "6.4.3",
    "A custom job has the outputs of the declared one in the same order",
    NO_CUSTOM_JOB
  ),
  observed("client-custom.declared", "6.4.4", "A custom job has the fields of the declared one", NO_CUSTOM_JOB),
  observed(
    "client-custom.prefix",
    "5.3.18",
    "coinbase_prefix is the beginning of the declared coinbase's script",
    NO_CUSTOM_JOB
  ),
  observed(
    "client-custom.patience",
    "5.3.19",
    "Shares of a custom job come only after its Success",
    "no share of a custom job came"
  )
]
