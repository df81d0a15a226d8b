/** Rules for a job declarator server (6). */
import { isWitnessCommitment } from "@sluice/bitcoin"
import { Frame, JobDeclaration } from "@sluice/protocol"
import { Effect, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import { type Kit, type Rule, serverRule } from "../rule.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"
import {
  allocate,
  declared,
  declareFrame,
  type Plan,
  planJob,
  poolOf,
  setUpFullTemplate
} from "./declaration-session.ts"
import { openChannel } from "./mining-session.ts"
import { ask, expectThat, setUp } from "./setup-session.ts"

const {
  AllocateMiningJobTokenSuccess,
  DeclareMiningJobError,
  DeclareMiningJobSuccess,
  ProvideMissingTransactions,
  ProvideMissingTransactionsSuccess,
  PushSolution
} = JobDeclaration

const rule = serverRule("job-declaration")

/** Sets up a connection in the mode that the server has: coinbase-only if it can be, which asks for less. */
const anyMode = Effect.fnUntraced(function* (kit: Kit) {
  const { answer, peer } = yield* ask(kit, { flags: 0 })
  return answer._tag === "SetupConnection.Success" ? peer : (yield* setUp(kit, JobDeclaration.DECLARE_TX_DATA)).peer
})

/** A connection in full-template mode with a token, and a job without transactions on the pool's tip. */
const declarable = Effect.fnUntraced(function* (
  kit: Kit
): Effect.fn.Return<
  { readonly peer: Peer; readonly plan: Plan; readonly token: Uint8Array },
  RuleBroken | RuleSkipped,
  Scope.Scope
> {
  const pool = yield* poolOf(kit)
  const { peer } = yield* setUpFullTemplate(kit)
  const allocated = yield* allocate(kit, peer)
  const work = yield* openChannel(pool, "extended")
  return { peer, plan: yield* planJob(work, allocated, "empty"), token: allocated.token }
})

/** Checks that the job is refused, with its request_id. */
const expectRefused = Effect.fnUntraced(function* (peer: Peer, requestId: number) {
  const answer = yield* peer.expect(DeclareMiningJobError, DeclareMiningJobSuccess)
  yield* expectThat(answer._tag === "DeclareMiningJob.Error", "DeclareMiningJob.Error", answer._tag)
  yield* expectThat(answer.requestId === requestId, `request_id ${requestId}`, `${answer.requestId}`)
})

/** Declares a job with transactions that nobody has, and waits for the server's request. */
const missing = Effect.fnUntraced(function* (kit: Kit) {
  const { peer, plan, token } = yield* declarable(kit)
  const wtxidList = Array.from({ length: UNKNOWN }, (_, index) => new Uint8Array(32).fill(index + 1))
  yield* peer.send(declareFrame(plan, token, 21, { wtxidList }))
  const answer = yield* peer.expect(ProvideMissingTransactions, DeclareMiningJobError, DeclareMiningJobSuccess)
  if (answer._tag === "ProvideMissingTransactions") return { peer, request: answer }
  return yield* new RuleBroken({
    expected: "ProvideMissingTransactions for transactions that nobody has",
    came: answer._tag === "DeclareMiningJob.Error" ? `${answer._tag} "${answer.errorCode}"` : answer._tag
  })
})

const UNKNOWN = 5

/** A transaction that spends nothing known: well-formed, and not the one that was declared. */
const OTHER_TRANSACTION = new Uint8Array(
  Buffer.from(`0200000001${"07".repeat(32)}0000000000ffffffff01e80300000000000001${"51"}00000000`, "hex")
)

export const declarationRules: ReadonlyArray<Rule> = [
  rule("tokens.answer", "6.4.3", "AllocateMiningJobToken gets Success with its request_id", (kit) =>
    Effect.gen(function* () {
      const peer = yield* anyMode(kit)
      const { requestId } = yield* allocate(kit, peer, 0xfffffffe)
      yield* expectThat(requestId === 0xfffffffe, "request_id 4294967294", `${requestId}`)
    })
  ),

  rule("tokens.unique", "6.4.3", "No two tokens are the same, on one connection or on two", (kit) =>
    Effect.gen(function* () {
      const [first, second] = [yield* anyMode(kit), yield* anyMode(kit)]
      const tokens: Array<string> = []
      for (const [requestId, peer] of [first, first, second].entries()) {
        tokens.push(hexOf((yield* allocate(kit, peer, requestId)).token))
      }
      yield* expectThat(new Set(tokens).size === tokens.length, "three different tokens", tokens.join(", "))
    })
  ),

  rule("tokens.outputs", "6.4.3", "coinbase_tx_outputs has an output, the pool's payout, behind its count", (kit) =>
    Effect.gen(function* () {
      const { outputs } = yield* allocate(kit, yield* anyMode(kit))
      yield* expectThat(outputs.length > 0, "an output", "none")
      yield* expectThat(outputs[0]!.script.length > 0, "a script to pay the pool", "an empty script")
      yield* expectThat(!isWitnessCommitment(outputs[0]!.script), "a script to pay the pool", "a witness commitment")
    })
  ),

  rule("tokens.no-value", "6.4.3", "The outputs of AllocateMiningJobToken.Success have no value as yet", (kit) =>
    Effect.gen(function* () {
      const { outputs } = yield* allocate(kit, yield* anyMode(kit))
      const values = outputs.map(({ value }) => value)
      yield* expectThat(
        values.every((value) => value === 0n),
        "outputs of 0 satoshis",
        values.join(", ")
      )
    })
  ),

  rule("declare.unknown-token", "6.4.6", "A job with a token that the server never issued is refused", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const other = token.map((byte, index) => (index === token.length - 1 ? byte ^ 1 : byte))
      yield* peer.send(declareFrame(plan, other, 31))
      yield* expectRefused(peer, 31)
    })
  ),

  rule("declare.unreadable-coinbase", "6.4.4", "A job whose coinbase cannot be read is refused", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const garbage = { coinbaseTxPrefix: new Uint8Array(9).fill(0xee), coinbaseTxSuffix: new Uint8Array(3) }
      yield* peer.send(declareFrame(plan, token, 32, garbage))
      yield* expectRefused(peer, 32)
    })
  ),

  rule("declare.payout", "6.4.3", "A job that pays nothing to the pool's output is refused", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const own = { value: 100_000n, script: Uint8Array.of(0x51) }
      const unpaid = plan.outputs.map((output) => ({ ...output, value: 0n }))
      yield* peer.send(declareFrame({ ...plan, outputs: [...unpaid, own] }, token, 33))
      yield* expectRefused(peer, 33)
    })
  ),

  rule("declare.accepted", "6.4.5", "A valid job without transactions gets Success with its request_id", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const { requestId } = yield* declared(peer, plan, token, 0xfffffffe)
      yield* expectThat(requestId === 0xfffffffe, "request_id 4294967294", `${requestId}`)
    })
  ),

  rule("declare.reordered", "6.4.3", "The client may reorder the pool's outputs and add others", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const own = { value: 0n, script: Uint8Array.of(0x6a, 1, 0x42) }
      yield* declared(peer, { ...plan, outputs: [own, ...plan.outputs.toReversed()] }, token, 34)
    })
  ),

  rule("declare.new-token", "6.4.5", "Every accepted job has a token of its own", (kit) =>
    Effect.gen(function* () {
      const { peer, plan, token } = yield* declarable(kit)
      const first = yield* declared(peer, plan, token, 1)
      const again = yield* allocate(kit, peer, 2)
      const second = yield* declared(peer, plan, again.token, 3)
      const tokens = [first, second].map(({ newMiningJobToken }) => hexOf(newMiningJobToken))
      yield* expectThat(tokens[0] !== tokens[1], "two different tokens", tokens.join(", "))
    })
  ),

  rule("declare.coinbase-only", "6.3.1", "Without DECLARE_TX_DATA the server accepts no DeclareMiningJob", (kit) =>
    Effect.gen(function* () {
      const { answer, peer } = yield* ask(kit, { flags: 0 })
      if (answer._tag === "SetupConnection.Error") {
        return yield* new RuleSkipped({ why: "the server refuses connections without DECLARE_TX_DATA" })
      }
      const work = yield* openChannel(yield* poolOf(kit), "extended")
      const allocated = yield* allocate(kit, peer)
      const plan = yield* planJob(work, allocated, "empty")
      yield* peer.send(declareFrame(plan, allocated.token, 35))
      const accepted = yield* peer.maybe(DeclareMiningJobSuccess, DeclareMiningJobError)
      yield* expectThat(
        accepted?._tag !== "DeclareMiningJob.Success",
        "no DeclareMiningJob.Success",
        `${accepted?._tag}`
      )
    })
  ),

  rule(
    "missing.request",
    "6.4.7",
    "The server requests transactions that it does not have, with the job's request_id",
    (kit) =>
      Effect.gen(function* () {
        const { requestId } = (yield* missing(kit)).request
        yield* expectThat(requestId === 21, "request_id 21", `${requestId}`)
      })
  ),

  rule(
    "missing.positions",
    "6.4.7",
    "It requests each position of wtxid_list at most once, from 0 and without the coinbase",
    (kit) =>
      Effect.gen(function* () {
        const { unknownTxPositionList } = (yield* missing(kit)).request
        const all = Array.from({ length: UNKNOWN }, (_, index) => index)
        const sorted = unknownTxPositionList.toSorted((a, b) => a - b)
        yield* expectThat(sorted.join() === all.join(), `positions ${all.join(", ")}`, sorted.join(", ") || "none")
      })
  ),

  ...(
    [
      ["missing.others", "Transactions that are not the declared ones do not get the job accepted", (count) => count],
      ["missing.fewer", "Fewer transactions than requested do not get the job accepted", (count) => count - 1]
    ] as ReadonlyArray<[string, string, (count: number) => number]>
  ).map(([id, title, countOf]) =>
    rule(id, "6.4.8", title, (kit) =>
      Effect.gen(function* () {
        const { peer, request } = yield* missing(kit)
        const transactionList = Array.from(
          { length: countOf(request.unknownTxPositionList.length) },
          () => OTHER_TRANSACTION
        )
        yield* peer.send(
          ProvideMissingTransactionsSuccess.codec.encode(
            ProvideMissingTransactionsSuccess.make({ requestId: request.requestId, transactionList })
          )
        )
        yield* expectRefused(peer, request.requestId)
      })
    )
  ),

  rule(
    "solutions.unknown-job",
    "6.4.9",
    "A solution of no declared job does not stop the tokens of other clients",
    (kit) =>
      Effect.gen(function* () {
        const peer = yield* anyMode(kit)
        const solution = {
          extranonce: new Uint8Array(8),
          prevHash: new Uint8Array(32),
          nonce: 0,
          ntime: 0,
          nbits: 0,
          version: 0
        }
        yield* peer.send(PushSolution.codec.encode(PushSolution.make(solution)))
        yield* allocate(kit, yield* anyMode(kit))
      })
  ),

  rule("tokens.no-channel-bit", "3.2.1", "No message of Job Declaration has the channel bit", (kit) =>
    Effect.gen(function* () {
      const peer = yield* anyMode(kit)
      yield* allocate(kit, peer)
      const answer = peer.seen.find(({ messageType }) => messageType === AllocateMiningJobTokenSuccess.type)
      const bit = answer !== undefined && Frame.isChannelMessage(answer)
      yield* expectThat(!bit, "no channel bit", "one on AllocateMiningJobToken.Success")
    })
  )
]

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
