/** Rules for a mining server with a job declarator beside it: custom jobs and their shares (5.3.18 to 5.3.20). */
import { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { type Rule, serverRule } from "../rule.ts"
import { RuleBroken } from "../verdict.ts"
import {
  customJobFrame,
  type CustomWork,
  customWork,
  type Plan,
  poolOf,
  strippedCoinbase
} from "./declaration-session.ts"
import { mine, openOn, setUpFor, shareFrame } from "./mining-session.ts"
import { expectThat } from "./setup-session.ts"

const rule = serverRule("mining")

const { SetCustomMiningJobError, SetCustomMiningJobSuccess } = Mining

/** Sets the job, and fails unless the pool accepts it. */
const accepted = Effect.fnUntraced(function* (
  { opened, peer }: CustomWork,
  plan: Plan,
  token: Uint8Array,
  requestId = 1
) {
  yield* peer.send(customJobFrame(plan, token, opened.channelId, requestId))
  const answer = yield* peer.expect(SetCustomMiningJobSuccess, SetCustomMiningJobError)
  if (answer._tag === "SetCustomMiningJob.Success") return answer
  return yield* new RuleBroken({
    expected: "SetCustomMiningJob.Success",
    came: `SetCustomMiningJob.Error "${answer.errorCode}"`
  })
})

/** A rule that the pool refuses the job with this change, although its token is good. */
const refusedJob = (id: string, section: string, title: string, change: (plan: Plan) => Plan): Rule =>
  rule(id, section, title, (kit) =>
    Effect.gen(function* () {
      const { opened, peer, plan, token } = yield* customWork(kit)
      yield* peer.send(customJobFrame(change(plan), token, opened.channelId, 815))
      const answer = yield* peer.expect(SetCustomMiningJobError, SetCustomMiningJobSuccess)
      yield* expectThat(answer._tag === "SetCustomMiningJob.Error", "SetCustomMiningJob.Error", answer._tag)
      yield* expectThat(answer.requestId === 815, "the request's id, 815", `${answer.requestId}`)
    })
  )

export const customJobRules: ReadonlyArray<Rule> = [
  rule("custom.accepted", "5.3.19", "A custom job with a token of the declarator gets Success with its ids", (kit) =>
    Effect.gen(function* () {
      const work = yield* customWork(kit)
      const { channelId, requestId } = yield* accepted(work, work.plan, work.token, 0xfffffffe)
      yield* expectThat(requestId === 0xfffffffe, "request_id 4294967294", `${requestId}`)
      yield* expectThat(channelId === work.opened.channelId, `channel_id ${work.opened.channelId}`, `${channelId}`)
    })
  ),

  rule("custom.job-id", "5.3.19", "Every custom job has a job_id of its own", (kit) =>
    Effect.gen(function* () {
      const work = yield* customWork(kit)
      const first = yield* accepted(work, work.plan, work.token, 1)
      const second = yield* accepted(work, work.plan, yield* work.another(), 2)
      yield* expectThat(first.jobId !== second.jobId, "two different job ids", `${first.jobId} twice`)
    })
  ),

  rule("custom.shares", "5.3.19", "A share for an accepted custom job is accepted", (kit) =>
    Effect.gen(function* () {
      const work = yield* customWork(kit)
      const { opened, peer, plan } = work
      const { jobId } = yield* accepted(work, plan, work.token)
      const share = yield* mine(work.kit, minable(work, jobId))
      yield* peer.send(shareFrame("extended", share))
      const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
      if (answer._tag === "SubmitShares.Error") {
        return yield* expectThat(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
      }
      yield* expectThat(answer.channelId === opened.channelId, `channel_id ${opened.channelId}`, `${answer.channelId}`)
    })
  ),

  rule("custom.reordered", "6.4.3", "The client may reorder the pool's outputs and add others without value", (kit) =>
    Effect.gen(function* () {
      const work = yield* customWork(kit)
      const own = { value: 0n, script: Uint8Array.of(0x6a, 1, 0x42) }
      const plan = { ...work.plan, outputs: [own, ...work.plan.outputs.toReversed()] }
      yield* accepted(work, plan, yield* work.another(plan))
    })
  ),

  rule(
    "custom.no-ordinary-jobs",
    "5.3.1",
    "A connection with REQUIRES_WORK_SELECTION gets no jobs of the pool",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* customWork(kit)
        yield* peer.expectNone(Mining.NewMiningJob, Mining.NewExtendedMiningJob)
      })
  ),

  rule("custom.needs-flag", "5.3.18", "A connection without REQUIRES_WORK_SELECTION gets no custom job", (kit) =>
    Effect.gen(function* () {
      const { plan, token } = yield* customWork(kit)
      const pool = yield* poolOf(kit)
      const { peer } = yield* setUpFor(pool, "extended")
      const { channelId } = yield* openOn(pool, peer, "extended")
      yield* peer.send(customJobFrame(plan, token, channelId, 1))
      const answer = yield* peer.maybe(SetCustomMiningJobSuccess, SetCustomMiningJobError)
      yield* expectThat(answer?._tag !== "SetCustomMiningJob.Success", "no Success", "SetCustomMiningJob.Success")
    })
  ),

  refusedJob("custom.prev-hash", "5.3.20", "A custom job on another previous hash is refused", (plan) => ({
    ...plan,
    prevHash: plan.prevHash.map((byte) => byte ^ 0x5a)
  })),
  refusedJob("custom.nbits", "5.3.20", "A custom job with an easier nbits is refused", (plan) => ({
    ...plan,
    nbits: 0x207fffff === plan.nbits ? 0x207ffffe : 0x207fffff
  })),
  refusedJob("custom.payout", "6.4.3", "A custom job that pays nothing to the pool's output is refused", (plan) => ({
    ...plan,
    outputs: [
      ...plan.outputs.map((output) => ({ ...output, value: 0n })),
      { value: 100_000n, script: Uint8Array.of(0x51) }
    ]
  })),
  refusedJob("custom.no-outputs", "5.3.18", "A custom job whose coinbase has no outputs is refused", (plan) => ({
    ...plan,
    outputs: []
  }))
]

/** The accepted custom job as one that the kit's miner can mine on. */
const minable = ({ opened, peer, plan }: CustomWork, jobId: number) => {
  const { prefix, suffix } = strippedCoinbase(plan)
  return {
    peer,
    kind: "extended" as const,
    opened,
    channelId: opened.channelId,
    extranonceSize: plan.extranonceSize - opened.extranoncePrefix.length,
    job: Mining.NewExtendedMiningJob.make({
      channelId: opened.channelId,
      jobId,
      minNtime: plan.minNtime,
      version: plan.version,
      versionRollingAllowed: true,
      merklePath: plan.merklePath,
      coinbaseTxPrefix: prefix,
      coinbaseTxSuffix: suffix
    }),
    prevHash: Mining.SetNewPrevHash.make({
      channelId: opened.channelId,
      jobId,
      prevHash: plan.prevHash,
      minNtime: plan.minNtime,
      nbits: plan.nbits
    }),
    serverFlags: 0
  }
}
