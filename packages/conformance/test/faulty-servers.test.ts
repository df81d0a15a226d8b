/** Deliberately broken twins of our servers: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { Common, Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import { bytesOf, isOf, receiving, sending, sendingFrame } from "./faults.ts"
import { check, type Fault } from "./worlds.ts"

/** Shares that are refused with this code are accepted instead. */
const accepting = (code: string): Fault => ({
  send: (frame) => {
    if (!isOf(frame, Mining.SubmitSharesError)) return [bytesOf(frame)]
    const { channelId, errorCode, sequenceNumber } = Mining.SubmitSharesError.codec.decode(frame.payload)
    if (errorCode !== code) return [bytesOf(frame)]
    const accepted = { channelId, lastSequenceNumber: sequenceNumber, newSubmitsAcceptedCount: 1, newSharesSum: 0n }
    return [Mining.SubmitSharesSuccess.codec.encode(Mining.SubmitSharesSuccess.make(accepted))]
  }
})

interface Twin {
  readonly fault: string
  readonly makeFault: () => Fault
  /** The rule that is broken by its name; others may fail with it. */
  readonly breaks: string
  /** It shows in what does not come, and little is computed: several of these wait together. */
  readonly waits?: true
}

const miningTwins: ReadonlyArray<Twin> = [
  {
    fault: "chooses a version that was not proposed",
    makeFault: () => sending(Common.SetupConnectionSuccess, (value) => ({ ...value, usedVersion: 3 })),
    breaks: "setup.version"
  },
  {
    fault: "sets the channel bit on SetupConnection.Success",
    makeFault: () => sendingFrame(Common.SetupConnectionSuccess, (frame) => ({ ...frame, extensionType: 0x8000 })),
    breaks: "frames.channel-bit-of-setup"
  },
  {
    fault: "accepts every version",
    makeFault: () => receiving(Common.SetupConnection, (value) => ({ ...value, minVersion: 2, maxVersion: 2 })),
    breaks: "setup.version-too-new"
  },
  {
    fault: "accepts every protocol",
    makeFault: () => receiving(Common.SetupConnection, (value) => ({ ...value, protocol: 0 })),
    breaks: "setup.unknown-protocol"
  },
  {
    fault: "says which flags it does not support one at a time",
    makeFault: () =>
      sending(Common.SetupConnectionError, (value) => ({ ...value, flags: (value.flags & -value.flags) >>> 0 })),
    breaks: "setup.error-lists-flags"
  },
  {
    fault: "leaves out the channel bit on jobs",
    makeFault: () => sendingFrame(Mining.NewExtendedMiningJob, (frame) => ({ ...frame, extensionType: 0 })),
    breaks: "frames.channel-bit"
  },
  {
    fault: "answers with another request id",
    makeFault: () =>
      sending(Mining.OpenExtendedMiningChannelSuccess, (value) => ({ ...value, requestId: value.requestId >>> 1 })),
    breaks: "open.extended"
  },
  {
    fault: "pays no heed to max_target",
    makeFault: () =>
      receiving(Mining.OpenStandardMiningChannel, (value) => ({ ...value, maxTarget: new Uint8Array(32).fill(0xff) })),
    breaks: "open.standard-target"
  },
  {
    fault: "gives less extranonce than asked for",
    makeFault: () => sending(Mining.OpenExtendedMiningChannelSuccess, (value) => ({ ...value, extranonceSize: 3 })),
    breaks: "open.extranonce-size"
  },
  {
    fault: "gives every channel the same prefix",
    makeFault: () =>
      sending(Mining.OpenExtendedMiningChannelSuccess, (value) => ({
        ...value,
        extranoncePrefix: new Uint8Array(value.extranoncePrefix.length)
      })),
    breaks: "channels.unique-prefix"
  },
  {
    fault: "uses a channel's id for its group",
    makeFault: () =>
      sending(Mining.OpenExtendedMiningChannelSuccess, (value) => ({ ...value, groupChannelId: value.channelId })),
    breaks: "groups.unique-id"
  },
  {
    fault: "never sends SetTarget",
    makeFault: () => sending(Mining.SetTarget, () => []),
    breaks: "update.smaller-target",
    waits: true
  },
  {
    fault: "sends the first job as an active one",
    makeFault: () => sending(Mining.NewExtendedMiningJob, (value) => ({ ...value, minNtime: 1 })),
    breaks: "jobs.first-is-future-extended"
  },
  {
    fault: "sends SetNewPrevHash for a job that it never sent",
    makeFault: () => sending(Mining.SetNewPrevHash, (value) => ({ ...value, jobId: (value.jobId + 1) >>> 0 })),
    breaks: "jobs.first-is-future-standard"
  },
  {
    fault: "does not allow version rolling where it is required",
    makeFault: () => sending(Mining.NewExtendedMiningJob, (value) => ({ ...value, versionRollingAllowed: false })),
    breaks: "jobs.version-rolling"
  },
  {
    fault: "leaves the BIP141 fields in the coinbase",
    makeFault: () =>
      sending(Mining.NewExtendedMiningJob, (value) => ({
        ...value,
        coinbaseTxPrefix: new Uint8Array(
          Buffer.concat([
            value.coinbaseTxPrefix.subarray(0, 4),
            Buffer.from("0001", "hex"),
            value.coinbaseTxPrefix.subarray(4)
          ])
        ),
        coinbaseTxSuffix: new Uint8Array(
          Buffer.concat([
            value.coinbaseTxSuffix.subarray(0, -4),
            Buffer.from(`0120${"00".repeat(32)}`, "hex"),
            value.coinbaseTxSuffix.subarray(-4)
          ])
        )
      })),
    breaks: "jobs.coinbase"
  },
  ...(
    [
      ["accepts shares that miss the target", "difficulty-too-low", "shares.difficulty-standard"],
      ["counts a share as often as it comes", "duplicate-share", "shares.duplicate-extended"],
      ["accepts shares for jobs it never sent", "invalid-job-id", "shares.unknown-job"],
      ["accepts shares on channels that are not open", "invalid-channel-id", "shares.unknown-channel"],
      ["takes any size of extranonce", "bad-extranonce-size", "shares.extranonce-too-short"],
      ["takes any time", "invalid-share", "shares.ntime-too-late"],
      ["lets every bit of the version be rolled", "invalid-non-rollable-version-bit", "shares.version-bits"],
      ["accepts shares for blocks of the past", "stale-share", "shares.stale"]
    ] as const
  ).map(([fault, code, breaks]): Twin => ({ fault, makeFault: () => accepting(code), breaks })),
  {
    fault: "counts shares from the beginning rather than for each batch",
    makeFault: () => {
      let count = 0
      return sending(Mining.SubmitSharesSuccess, (value) => ({
        ...value,
        newSubmitsAcceptedCount: (count += value.newSubmitsAcceptedCount + 1)
      }))
    },
    breaks: "shares.accepted-extended"
  },
  {
    fault: "acknowledges with a number of its own",
    makeFault: () => sending(Mining.SubmitSharesSuccess, (value) => ({ ...value, lastSequenceNumber: 1 })),
    breaks: "shares.accepted-standard"
  },
  {
    fault: "acknowledges each batch twice",
    makeFault: () => sending(Mining.SubmitSharesSuccess, (value) => [value, value]),
    breaks: "shares.batch"
  },
  {
    fault: "does not say which share was refused",
    makeFault: () => sending(Mining.SubmitSharesError, (value) => ({ ...value, sequenceNumber: 0 })),
    breaks: "shares.unknown-job"
  },
  {
    fault: "cuts extranonces to the size agreed",
    makeFault: () =>
      receiving(Mining.SubmitSharesExtended, (value) => ({ ...value, extranonce: value.extranonce.subarray(0, 8) })),
    breaks: "shares.extranonce-too-long"
  },
  {
    fault: "takes any hash rate for one",
    makeFault: () => receiving(Mining.UpdateChannel, (value) => ({ ...value, nominalHashRate: 1 })),
    breaks: "update.hash-rate",
    waits: true
  },
  {
    fault: "closes channels but no groups",
    makeFault: () => receiving(Mining.CloseChannel, (value) => ({ ...value, channelId: 0xfffffff0 })),
    breaks: "close.group"
  },
  {
    fault: "refuses custom jobs without saying which",
    makeFault: () => sending(Mining.SetCustomMiningJobError, (value) => ({ ...value, requestId: 0 })),
    breaks: "custom.unknown-token"
  },
  {
    fault: "goes on with the old previous hash after a block",
    makeFault: () => {
      let isFirst = true
      return sending(Mining.SetNewPrevHash, (value) => {
        if (!isFirst) return []
        isFirst = false
        return value
      })
    },
    breaks: "jobs.new-block",
    waits: true
  }
]

const templateTwins: ReadonlyArray<Twin> = [
  {
    fault: "sends its templates as active ones",
    makeFault: () => sending(TemplateDistribution.NewTemplate, (value) => ({ ...value, futureTemplate: false })),
    breaks: "templates.future"
  },
  {
    fault: "names a template that it never sent",
    makeFault: () =>
      sending(TemplateDistribution.SetNewPrevHash, (value) => ({ ...value, templateId: value.templateId + 9n })),
    breaks: "templates.first"
  },
  {
    fault: "counts its outputs wrongly",
    makeFault: () => sending(TemplateDistribution.NewTemplate, (value) => ({ ...value, coinbaseTxOutputsCount: 2 })),
    breaks: "templates.outputs"
  },
  {
    fault: "commits to other witnesses",
    makeFault: () =>
      sending(TemplateDistribution.NewTemplate, (value) => ({
        ...value,
        coinbaseTxOutputs: value.coinbaseTxOutputs.map((byte, at) => (at === 20 ? byte ^ 1 : byte))
      })),
    breaks: "templates.witness-commitment"
  },
  {
    fault: "sends the merkle path from the root on",
    makeFault: () =>
      sending(TemplateDistribution.NewTemplate, (value) => ({ ...value, merklePath: value.merklePath.toReversed() })),
    breaks: "templates.merkle-path"
  },
  {
    fault: "lets every hash be a block",
    makeFault: () =>
      sending(TemplateDistribution.SetNewPrevHash, (value) => ({ ...value, target: new Uint8Array(32).fill(0xff) })),
    breaks: "templates.target"
  },
  {
    fault: "puts the channel bit on everything",
    makeFault: () => ({ send: (frame) => [bytesOf({ ...frame, extensionType: 0x8000 })] }),
    breaks: "frames.no-channel-bit"
  },
  {
    fault: "says of no template which one it is about",
    makeFault: () =>
      sending(TemplateDistribution.RequestTransactionDataError, (value) => ({ ...value, templateId: 0n })),
    breaks: "transactions.unknown"
  }
]

/** A twin that did not even set up a connection would break every rule. */
const KEPT = "setup.answer"

/** The failed ones among the rule and one that every twin keeps. */
const failedOf = (protocol: "mining" | "template-distribution", { breaks, makeFault }: Twin) =>
  Effect.map(check({ protocol, fault: makeFault, only: [breaks, KEPT], answerTimeout: "3 seconds" }), (results) =>
    results.filter(({ verdict }) => verdict._tag === "Failed").map(({ id }) => id)
  )

const finds = (protocol: Parameters<typeof failedOf>[0], twins: ReadonlyArray<Twin>): void => {
  for (const twin of twins) {
    it.live(`${twin.fault} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf(protocol, twin), (failed) => {
        expect(failed).toContain(twin.breaks)
        expect(failed).not.toContain(KEPT)
      })
    )
  }
}

const isWaiting = ({ waits }: Twin): boolean => waits === true

describe("a pool that", () =>
  finds(
    "mining",
    miningTwins.filter((twin) => !isWaiting(twin))
  ))

describe.concurrent("a pool that", () => finds("mining", miningTwins.filter(isWaiting)))

describe("a template provider that", () => finds("template-distribution", templateTwins))
