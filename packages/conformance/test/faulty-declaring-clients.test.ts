/** Deliberately broken twins of our proxy that declares jobs: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { parseCountedOutputs, serializeCountedOutputs } from "@sluice/bitcoin"
import { Common, JobDeclaration, Mining } from "@sluice/protocol"
import { Effect, Result } from "effect"
import { Conformance } from "../src/index.ts"
import { failedOf, type Twin } from "./client-twins.ts"
import { bytesOf, dropping, isOf, sending } from "./faults.ts"
import type { Fault } from "./worlds.ts"

const {
  AllocateMiningJobToken,
  DeclareMiningJob,
  DeclareMiningJobError,
  DeclareMiningJobSuccess,
  ProvideMissingTransactionsSuccess,
  PushSolution
} = JobDeclaration
const { SetCustomMiningJob } = Mining

/** Sends another frame with each message of this kind, before it or behind it. */
const beside = (message: typeof AllocateMiningJobToken | typeof SetCustomMiningJob, other: Uint8Array): Fault => ({
  send: (frame) =>
    isOf(frame, message)
      ? message === AllocateMiningJobToken
        ? [other, bytesOf(frame)]
        : [bytesOf(frame), other]
      : [bytesOf(frame)]
})

/** The setup of one of the protocols has no flags. */
const withoutFlags = (protocol: number): Fault =>
  sending(Common.SetupConnection, (value) => (value.protocol === protocol ? { ...value, flags: 0 } : value))

const changed = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** The value of the first output is 0. */
const unpaid = (bytes: Uint8Array, valueAt: number): Uint8Array => bytes.slice().fill(0, valueAt, valueAt + 8)

const SOLUTION = PushSolution.codec.encode(
  PushSolution.make({
    extranonce: new Uint8Array(8),
    prevHash: new Uint8Array(32),
    nonce: 0,
    ntime: 0,
    nbits: 0,
    version: 0
  })
)

const SHARE = Mining.SubmitSharesExtended.codec.encode(
  Mining.SubmitSharesExtended.make({
    channelId: 1,
    sequenceNumber: 900,
    jobId: 1_000_000,
    nonce: 0,
    ntime: 0,
    version: 0x2000_0000,
    extranonce: new Uint8Array(8)
  })
)

const twins: ReadonlyArray<Twin> = [
  {
    does: "pushes a solution before it has a token",
    fault: () => beside(AllocateMiningJobToken, SOLUTION),
    breaks: "client-tokens.first"
  },
  {
    does: "asks for two tokens with one id",
    fault: () => sending(AllocateMiningJobToken, (value) => [value, value]),
    breaks: "client-tokens.request-id"
  },
  {
    does: "does not tell the pool of its jobs",
    fault: () => dropping(SetCustomMiningJob),
    shareTimeout: "1 second",
    breaks: "client-custom.set"
  },
  {
    does: "keeps its transactions to itself",
    fault: () => dropping(ProvideMissingTransactionsSuccess),
    answerTimeout: "1 second",
    breaks: "client-missing.answer"
  },
  {
    does: "takes a refusal for a token",
    fault: () => ({
      receive: (frame) => {
        if (!isOf(frame, DeclareMiningJobError)) return [frame]
        const { requestId } = DeclareMiningJobError.codec.decode(frame.payload)
        const success = DeclareMiningJobSuccess.make({ requestId, newMiningJobToken: Uint8Array.of(1, 2, 3) })
        const payload = DeclareMiningJobSuccess.codec.encode(success).subarray(6)
        return [{ ...frame, messageType: DeclareMiningJobSuccess.type, payload }]
      }
    }),
    quietTime: "500 millis",
    breaks: "client-declare.refused"
  },
  {
    does: "declares jobs in coinbase-only mode",
    fault: () => withoutFlags(Common.JOB_DECLARATION_PROTOCOL),
    breaks: "client-declare.flag"
  },
  {
    does: "declares jobs with tokens of its own",
    fault: () => sending(DeclareMiningJob, (value) => ({ ...value, miningJobToken: Uint8Array.of(1) })),
    breaks: "client-declare.token"
  },
  {
    does: "leaves out half a coinbase",
    fault: () => sending(DeclareMiningJob, (value) => ({ ...value, coinbaseTxSuffix: new Uint8Array(0) })),
    breaks: "client-declare.coinbase"
  },
  {
    does: "strips the coinbase that it declares",
    fault: () =>
      sending(DeclareMiningJob, (value) => ({
        ...value,
        coinbaseTxPrefix: new Uint8Array([
          ...value.coinbaseTxPrefix.subarray(0, 4),
          ...value.coinbaseTxPrefix.subarray(6)
        ]),
        coinbaseTxSuffix: new Uint8Array([
          ...value.coinbaseTxSuffix.subarray(0, -38),
          ...value.coinbaseTxSuffix.subarray(-4)
        ])
      })),
    breaks: "client-declare.witness"
  },
  {
    does: "declares a job that pays the pool nothing",
    fault: () =>
      sending(DeclareMiningJob, (value) => ({ ...value, coinbaseTxSuffix: unpaid(value.coinbaseTxSuffix, 4 + 1) })),
    breaks: "client-declare.payout"
  },
  {
    does: "provides transactions of a job that nobody asked about",
    fault: () =>
      sending(ProvideMissingTransactionsSuccess, (value) => ({ ...value, requestId: value.requestId + 1_000 })),
    breaks: "client-missing.request-id"
  },
  {
    does: "provides more transactions than were requested",
    fault: () =>
      sending(ProvideMissingTransactionsSuccess, (value) => ({
        ...value,
        transactionList: [...value.transactionList, ...value.transactionList]
      })),
    breaks: "client-missing.transactions"
  },
  {
    does: "does not ask the pool to select its work",
    fault: () => withoutFlags(Common.MINING_PROTOCOL),
    breaks: "client-custom.flag"
  },
  {
    does: "sets jobs on channels that it has not opened",
    fault: () => sending(SetCustomMiningJob, (value) => ({ ...value, channelId: value.channelId + 100 })),
    breaks: "client-custom.channel"
  },
  {
    does: "sets two jobs with one request",
    fault: () => sending(SetCustomMiningJob, (value) => [value, value]),
    breaks: "client-custom.request-id"
  },
  {
    does: "sets a job with another token",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({ ...value, miningJobToken: changed(value.miningJobToken, 0) })),
    breaks: "client-custom.token"
  },
  {
    does: "sends its outputs without their count",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({ ...value, coinbaseTxOutputs: value.coinbaseTxOutputs.subarray(1) })),
    breaks: "client-custom.outputs"
  },
  {
    does: "sets a job that pays the pool nothing",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({ ...value, coinbaseTxOutputs: unpaid(value.coinbaseTxOutputs, 1) })),
    breaks: "client-custom.payout"
  },
  {
    does: "sets its outputs in another order than it declared",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({
        ...value,
        coinbaseTxOutputs: serializeCountedOutputs(
          Result.getOrThrow(parseCountedOutputs(value.coinbaseTxOutputs)).toReversed()
        )
      })),
    breaks: "client-custom.order"
  },
  {
    does: "sets another lock time than it declared",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({ ...value, coinbaseTxLocktime: value.coinbaseTxLocktime + 1 })),
    breaks: "client-custom.declared"
  },
  {
    does: "sets another script than it declared",
    fault: () =>
      sending(SetCustomMiningJob, (value) => ({ ...value, coinbasePrefix: changed(value.coinbasePrefix, 1) })),
    breaks: "client-custom.prefix"
  },
  {
    does: "submits shares of jobs that the pool has not acknowledged",
    fault: () => beside(SetCustomMiningJob, SHARE),
    breaks: "client-custom.patience"
  }
]

// Each test mostly waits for messages that must not come, so they run at the same time.
describe.concurrent("a proxy that", () => {
  for (const twin of twins) {
    it.live(`${twin.does} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf("job-declaration", twin), (failed) => {
        expect(failed).toContain(twin.breaks)
        expect(failed).not.toContain("client-setup.endpoint")
      })
    )
  }

  it("has a twin for each rule of its own", () => {
    const rules = Conformance.clientRules.filter(({ protocol }) => protocol === "job-declaration").map(({ id }) => id)
    expect(new Set(twins.map(({ breaks }) => breaks))).toEqual(new Set(rules))
  })
})
