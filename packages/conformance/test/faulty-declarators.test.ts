/** Deliberately broken twins of our job declarator: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { JobDeclaration } from "@sluice/protocol"
import { Effect } from "effect"
import { Conformance } from "../src/index.ts"
import { bytesOf, isOf, receiving, sending, sendingFrame } from "./faults.ts"
import { check, type Fault } from "./worlds.ts"

const {
  AllocateMiningJobTokenSuccess,
  DeclareMiningJob,
  DeclareMiningJobError,
  DeclareMiningJobSuccess,
  ProvideMissingTransactions,
  PushSolution
} = JobDeclaration

/** Jobs that are refused are accepted instead. */
const accepting: Fault = {
  send: (frame) => {
    if (!isOf(frame, DeclareMiningJobError)) return [bytesOf(frame)]
    const { requestId } = DeclareMiningJobError.codec.decode(frame.payload)
    const success = DeclareMiningJobSuccess.make({ requestId, newMiningJobToken: Uint8Array.of(requestId) })
    return [DeclareMiningJobSuccess.codec.encode(success)]
  }
}

/** All connections get nothing more once one of them has pushed a solution. */
const silentAfterSolution = (): (() => Fault) => {
  let isSilent = false
  return () => ({
    receive: (frame) => {
      isSilent ||= isOf(frame, PushSolution)
      return isSilent ? [] : [frame]
    }
  })
}

/** Behind the sequence and the count comes the first output: its value, the length of its script, the script. */
const FIRST_SCRIPT_AT = 4 + 1 + 8 + 1

const twins: ReadonlyArray<{ readonly fault: string; readonly makeFault: () => Fault; readonly breaks: string }> = [
  {
    fault: "does not say for which request a token is",
    makeFault: () => sending(AllocateMiningJobTokenSuccess, (value) => ({ ...value, requestId: 0 })),
    breaks: "tokens.answer"
  },
  {
    fault: "gives everybody the same token",
    makeFault: () =>
      sending(AllocateMiningJobTokenSuccess, (value) => ({ ...value, miningJobToken: Uint8Array.of(7) })),
    breaks: "tokens.unique"
  },
  {
    fault: "sends its outputs without their count",
    makeFault: () =>
      sending(AllocateMiningJobTokenSuccess, (value) => ({
        ...value,
        coinbaseTxOutputs: value.coinbaseTxOutputs.subarray(1)
      })),
    breaks: "tokens.outputs"
  },
  {
    fault: "asks for a satoshi",
    makeFault: () =>
      sending(AllocateMiningJobTokenSuccess, (value) => ({
        ...value,
        coinbaseTxOutputs: value.coinbaseTxOutputs.map((byte, index) => (index === 1 ? 1 : byte))
      })),
    breaks: "tokens.no-value"
  },
  {
    fault: "sets the channel bit on tokens",
    makeFault: () => sendingFrame(AllocateMiningJobTokenSuccess, (frame) => ({ ...frame, extensionType: 0x8000 })),
    breaks: "tokens.no-channel-bit"
  },
  ...(
    [
      ["takes any token", "declare.unknown-token"],
      ["takes any bytes for a coinbase", "declare.unreadable-coinbase"],
      ["accepts jobs that pay it nothing", "declare.payout"],
      ["lets blind clients declare jobs", "declare.coinbase-only"],
      ["does not compare the transactions that it is sent", "missing.others"],
      ["does not count the transactions that it is sent", "missing.fewer"]
    ] as const
  ).map(([fault, breaks]) => ({ fault, makeFault: () => accepting, breaks })),
  {
    fault: "refuses every job",
    makeFault: () => ({
      send: (frame) => {
        if (!isOf(frame, DeclareMiningJobSuccess)) return [bytesOf(frame)]
        const { requestId } = DeclareMiningJobSuccess.codec.decode(frame.payload)
        const error = { requestId, errorCode: "invalid-job", errorDetails: new Uint8Array(0) }
        return [DeclareMiningJobError.codec.encode(DeclareMiningJobError.make(error))]
      }
    }),
    breaks: "declare.accepted"
  },
  {
    fault: "wants its payout to be the first output",
    makeFault: () =>
      receiving(DeclareMiningJob, (value) => ({
        ...value,
        coinbaseTxSuffix: value.coinbaseTxSuffix[FIRST_SCRIPT_AT] === 0x6a ? new Uint8Array(0) : value.coinbaseTxSuffix
      })),
    breaks: "declare.reordered"
  },
  {
    fault: "gives all accepted jobs one token",
    makeFault: () => sending(DeclareMiningJobSuccess, (value) => ({ ...value, newMiningJobToken: Uint8Array.of(7) })),
    breaks: "declare.new-token"
  },
  {
    fault: "does not say of which job transactions are missing",
    makeFault: () => sending(ProvideMissingTransactions, (value) => ({ ...value, requestId: 0 })),
    breaks: "missing.request"
  },
  {
    fault: "counts the coinbase in its positions",
    makeFault: () =>
      sending(ProvideMissingTransactions, (value) => ({
        ...value,
        unknownTxPositionList: value.unknownTxPositionList.map((position) => position + 1)
      })),
    breaks: "missing.positions"
  },
  {
    fault: "falls silent after a solution of no job",
    makeFault: silentAfterSolution(),
    breaks: "solutions.unknown-job"
  }
]

/** A twin whose connections cannot even be set up would break every rule. */
const KEPT = "setup.answer"

describe.concurrent("a job declarator that", () => {
  for (const { breaks, fault, makeFault } of twins) {
    it.live(`${fault} breaks ${breaks}`, () =>
      Effect.gen(function* () {
        const results = yield* check({
          protocol: "job-declaration",
          fault: makeFault,
          only: [breaks, KEPT],
          concurrency: 1,
          answerTimeout: "2 seconds"
        })
        expect(results.filter(({ verdict }) => verdict._tag !== "Passed").map(({ id }) => id)).toEqual([breaks])
      })
    )
  }

  it("has a twin for each rule of its own", () => {
    const rules = Conformance.serverRules.filter(({ protocol }) => protocol === "job-declaration").map(({ id }) => id)
    expect(new Set(twins.map(({ breaks }) => breaks))).toEqual(new Set(rules))
  })
})
