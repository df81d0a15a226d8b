/** Deliberately broken twins of our pool with a job declarator beside it: each fault is found by the rule about custom jobs that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { Effect } from "effect"
import { Conformance } from "../src/index.ts"
import { bytesOf, isOf, receiving, sending } from "./faults.ts"
import { check, type Fault } from "./worlds.ts"

const { SetCustomMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess } = Mining

/** Custom jobs that are refused are accepted instead. */
const accepting: Fault = {
  send: (frame) => {
    if (!isOf(frame, SetCustomMiningJobError)) return [bytesOf(frame)]
    const { channelId, requestId } = SetCustomMiningJobError.codec.decode(frame.payload)
    return [SetCustomMiningJobSuccess.codec.encode(SetCustomMiningJobSuccess.make({ channelId, requestId, jobId: 1 }))]
  }
}

/** Sends a job of the pool behind every channel that it opens. */
const withOrdinaryJobs: Fault = {
  send: (frame) => {
    const { NewExtendedMiningJob, OpenExtendedMiningChannelSuccess } = Mining
    if (!isOf(frame, OpenExtendedMiningChannelSuccess)) return [bytesOf(frame)]
    const { channelId } = OpenExtendedMiningChannelSuccess.codec.decode(frame.payload)
    const job = NewExtendedMiningJob.make({
      channelId,
      jobId: 0xffff_0000,
      minNtime: undefined,
      version: 0x2000_0000,
      versionRollingAllowed: true,
      merklePath: [],
      ...coinbaseHalves(16)
    })
    return [bytesOf(frame), NewExtendedMiningJob.codec.encode(job)]
  }
}

/** Behind the count comes the first output: its value, the length of its script, the script. */
const FIRST_SCRIPT_AT = 1 + 8 + 1

const twins: ReadonlyArray<{ readonly fault: string; readonly makeFault: () => Fault; readonly breaks: string }> = [
  {
    fault: "does not say which job it accepts",
    makeFault: () => sending(SetCustomMiningJobSuccess, (value) => ({ ...value, requestId: 0 })),
    breaks: "custom.accepted"
  },
  {
    fault: "gives all custom jobs one id",
    makeFault: () => sending(SetCustomMiningJobSuccess, (value) => ({ ...value, jobId: 7 })),
    breaks: "custom.job-id"
  },
  {
    fault: "refuses shares of jobs that it has acknowledged",
    makeFault: () => ({
      send: (frame) => {
        const { SubmitSharesError, SubmitSharesSuccess } = Mining
        if (!isOf(frame, SubmitSharesSuccess)) return [bytesOf(frame)]
        const { channelId, lastSequenceNumber } = SubmitSharesSuccess.codec.decode(frame.payload)
        const error = { channelId, sequenceNumber: lastSequenceNumber, errorCode: "invalid-job-id" }
        return [SubmitSharesError.codec.encode(SubmitSharesError.make(error))]
      }
    }),
    breaks: "custom.shares"
  },
  {
    fault: "wants its payout to be the first output",
    makeFault: () =>
      receiving(SetCustomMiningJob, (value) => ({
        ...value,
        coinbaseTxOutputs:
          value.coinbaseTxOutputs[FIRST_SCRIPT_AT] === 0x6a ? new Uint8Array(0) : value.coinbaseTxOutputs
      })),
    breaks: "custom.reordered"
  },
  {
    fault: "sends jobs of its own to those who select their work",
    makeFault: () => withOrdinaryJobs,
    breaks: "custom.no-ordinary-jobs"
  },
  ...(
    [
      ["takes jobs of clients that did not ask to select them", "custom.needs-flag"],
      ["takes jobs on any block", "custom.prev-hash"],
      ["takes jobs of any difficulty", "custom.nbits"],
      ["takes jobs that pay it nothing", "custom.payout"],
      ["takes jobs without outputs", "custom.no-outputs"],
      ["takes jobs with any token", "custom.unknown-token"],
      ["takes jobs for channels that are not open", "custom.unknown-channel"]
    ] as const
  ).map(([fault, breaks]) => ({ fault, makeFault: () => accepting, breaks }))
]

/** A twin whose connections cannot even be set up would break every rule. */
const KEPT = "setup.answer"

describe.concurrent("a pool that", () => {
  for (const { breaks, fault, makeFault } of twins) {
    it.live(`${fault} breaks ${breaks}`, () =>
      Effect.gen(function* () {
        const results = yield* check({
          protocol: "mining",
          fault: makeFault,
          only: [breaks, KEPT],
          answerTimeout: "3 seconds"
        })
        expect(results.filter(({ verdict }) => verdict._tag !== "Passed").map(({ id }) => id)).toEqual([breaks])
      })
    )
  }

  it("has a twin for each rule about custom jobs", () => {
    const rules = Conformance.serverRules.map(({ id }) => id).filter((id) => id.startsWith("custom."))
    expect(new Set(twins.map(({ breaks }) => breaks))).toEqual(new Set(rules))
  })
})
