/** Deliberately broken twins of our clients: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { Common, Mining, TemplateDistribution } from "@sluice/protocol"
import { NobleCurve } from "@sluice/noise"
import { Effect } from "effect"
import { checkClient, type ClientCheck } from "./client-worlds.ts"
import { bytesOf, both, dropping, receiving, sending, sendingFrame } from "./faults.ts"

interface Twin extends Omit<ClientCheck, "protocol"> {
  /** What it does: the end of the sentence "a client that ...". */
  readonly does: string
  /** The rule that is broken by its name; others may fail with it. */
  readonly breaks: string
}

const WRONG_ID = 0x00f0f0f0

const miningTwins: ReadonlyArray<Twin> = [
  {
    does: "does not wait for SetupConnection.Success",
    fault: () => ({
      send: (frame) =>
        frame.messageType === Common.SetupConnection.type ? [bytesOf(frame), openFrame(77)] : [bytesOf(frame)]
    }),
    breaks: "client-setup.patience"
  },
  {
    does: "opens a channel before all else",
    fault: () => ({
      send: (frame) =>
        frame.messageType === Common.SetupConnection.type ? [openFrame(77), bytesOf(frame)] : [bytesOf(frame)]
    }),
    breaks: "client-setup.first"
  },
  {
    does: "sets up twice",
    fault: () => {
      let setup: Uint8Array | undefined
      return {
        send: (frame) => {
          const bytes = bytesOf(frame)
          if (frame.messageType === Common.SetupConnection.type) setup = bytes
          return frame.messageType === Mining.OpenExtendedMiningChannel.type ? [setup!, bytes] : [bytes]
        }
      }
    },
    breaks: "client-setup.once"
  },
  {
    does: "proposes later versions alone",
    fault: () => sending(Common.SetupConnection, (value) => ({ ...value, minVersion: 3, maxVersion: 4 })),
    breaks: "client-setup.versions"
  },
  {
    does: "sets reserved flags",
    fault: () => sending(Common.SetupConnection, (value) => ({ ...value, flags: 0x80 })),
    breaks: "client-setup.flags"
  },
  {
    does: "does not say who made it",
    fault: () => sending(Common.SetupConnection, (value) => ({ ...value, vendor: "" })),
    breaks: "client-setup.vendor"
  },
  {
    does: "goes on after SetupConnection.Error",
    fault: () => ({
      receive: (frame) => {
        if (frame.messageType !== Common.SetupConnectionError.type) return [frame]
        const success = Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: 0 })
        const { type: messageType, codec } = Common.SetupConnectionSuccess
        return [{ extensionType: 0, messageType, payload: codec.encode(success).subarray(6) }]
      }
    }),
    breaks: "client-setup.error"
  },
  {
    does: "takes any version for its own",
    fault: () => receiving(Common.SetupConnectionSuccess, (value) => ({ ...value, usedVersion: 2 })),
    breaks: "client-setup.version-chosen"
  },
  {
    does: "pays no heed to the server's flags",
    miner: { channel: "standard" },
    fault: () => receiving(Common.SetupConnectionSuccess, (value) => ({ ...value, flags: 0 })),
    breaks: "client-setup.extended-only"
  },
  {
    does: "leaves out the channel bit",
    fault: () => sendingFrame(Mining.SubmitSharesExtended, (frame) => ({ ...frame, extensionType: 0 })),
    breaks: "client-frames.channel-bit"
  },
  {
    does: "sends messages that are the server's",
    fault: () => sendingFrame(Mining.SubmitSharesExtended, (frame) => ({ ...frame, messageType: 0x1c })),
    breaks: "client-frames.direction"
  },
  {
    does: "cuts the end of its messages",
    fault: () =>
      sendingFrame(Mining.SubmitSharesExtended, (frame) => ({ ...frame, payload: frame.payload.subarray(0, -3) })),
    breaks: "client-frames.readable"
  },
  {
    does: "sends messages of an extension that nobody agreed on",
    fault: () => sendingFrame(Mining.SubmitSharesExtended, (frame) => ({ ...frame, extensionType: 0x8002 })),
    breaks: "client-extensions.negotiated"
  },
  {
    does: "hangs up at what it does not know",
    fault: () => ({
      receive: (frame) => {
        const known = Mining.protocol.toClient.find(frame.extensionType, frame.messageType) !== undefined
        return known ? [frame] : [{ ...frame, extensionType: 0, messageType: Mining.SetTarget.type }]
      }
    }),
    breaks: "client-extensions.unknown-message"
  },
  {
    does: "uses a request id twice",
    fault: () => sending(Mining.OpenExtendedMiningChannel, (value) => [value, value]),
    breaks: "client-open.request-id"
  },
  {
    does: "has a hash rate that is no number",
    fault: () =>
      sendingFrame(Mining.OpenExtendedMiningChannel, (frame) => {
        const payload = frame.payload.slice()
        new DataView(payload.buffer).setFloat32(5 + payload[4]!, NaN, true)
        return { ...frame, payload }
      }),
    breaks: "client-open.hash-rate"
  },
  {
    does: "asks for a target that nothing meets",
    fault: () => sending(Mining.OpenExtendedMiningChannel, (value) => ({ ...value, maxTarget: new Uint8Array(32) })),
    breaks: "client-open.max-target"
  },
  {
    does: "asks for extended channels although it needs standard jobs",
    fault: () => sending(Common.SetupConnection, (value) => ({ ...value, flags: Mining.REQUIRES_STANDARD_JOBS })),
    breaks: "client-open.kind"
  },
  {
    does: "opens no channel",
    fault: () => dropping(Mining.OpenExtendedMiningChannel),
    breaks: "client-open.channel"
  },
  {
    does: "opens channels that it was refused",
    fault: () => {
      let isRefused = false
      return {
        receive: (frame) => {
          isRefused ||= frame.messageType === Mining.OpenMiningChannelError.type
          return isRefused ? [] : [frame]
        },
        send: (frame) => [
          bytesOf(frame),
          ...(frame.messageType === Mining.OpenExtendedMiningChannel.type ? [shareFrame()] : [])
        ]
      }
    },
    breaks: "client-open.error"
  },
  {
    does: "submits shares of channels that it does not have",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, channelId: WRONG_ID })),
    breaks: "client-shares.channel"
  },
  {
    does: "submits shares of jobs that it was not given",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, jobId: WRONG_ID })),
    breaks: "client-shares.job"
  },
  {
    does: "submits standard shares on an extended channel",
    fault: () => ({
      send: (frame) => {
        if (frame.messageType !== Mining.SubmitSharesExtended.type) return [bytesOf(frame)]
        const share = Mining.SubmitSharesExtended.codec.decode(frame.payload)
        return [Mining.SubmitSharesStandard.codec.encode({ ...share, _tag: "SubmitSharesStandard" })]
      }
    }),
    breaks: "client-shares.kind"
  },
  {
    does: "numbers all shares alike",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, sequenceNumber: 1 })),
    breaks: "client-shares.sequence"
  },
  {
    does: "rolls bits of the version that it must not",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, version: (value.version ^ 2) >>> 0 })),
    breaks: "client-shares.version-bits"
  },
  {
    does: "rolls the version although the job does not allow it",
    fault: () => receiving(Mining.NewExtendedMiningJob, (value) => ({ ...value, versionRollingAllowed: true })),
    breaks: "client-shares.version-fixed"
  },
  {
    does: "goes by a clock that is late",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, ntime: value.ntime - 600 })),
    breaks: "client-shares.ntime-early"
  },
  {
    does: "goes by a clock that is ahead",
    fault: () => sending(Mining.SubmitSharesExtended, (value) => ({ ...value, ntime: value.ntime + 600 })),
    breaks: "client-shares.ntime-late"
  },
  {
    does: "sends the prefix with the extranonce",
    fault: () =>
      sending(Mining.SubmitSharesExtended, (value) => ({
        ...value,
        extranonce: new Uint8Array([...new Uint8Array(4), ...value.extranonce])
      })),
    breaks: "client-shares.extranonce"
  },
  {
    does: "computes another merkle root",
    fault: () =>
      receiving(Mining.NewExtendedMiningJob, (value) => ({ ...value, merklePath: value.merklePath.toReversed() })),
    breaks: "client-shares.target"
  },
  {
    does: "submits each solution twice",
    fault: () => {
      let sequenceNumber = 0
      return sending(Mining.SubmitSharesExtended, (value) => [
        { ...value, sequenceNumber: ++sequenceNumber },
        { ...value, sequenceNumber: ++sequenceNumber }
      ])
    },
    breaks: "client-shares.once"
  },
  {
    does: "stops at the first share that is refused",
    fault: () => {
      let isRefused = false
      return {
        receive: (frame) => {
          isRefused ||= frame.messageType === Mining.SubmitSharesError.type
          return [frame]
        },
        send: (frame) => (isRefused ? [] : [bytesOf(frame)])
      }
    },
    breaks: "client-shares.after-error"
  },
  {
    does: "goes on with the old previous hash after a block",
    fault: () => {
      let isFirst = true
      return {
        receive: (frame) => {
          if (frame.messageType !== Mining.SetNewPrevHash.type) return [frame]
          const pass = isFirst
          isFirst = false
          return pass ? [frame] : []
        }
      }
    },
    breaks: "client-jobs.named"
  },
  {
    does: "takes the first future job, whichever is named",
    fault: () => {
      let oldest = 0
      const jobs = receiving(Mining.NewExtendedMiningJob, (value) => {
        if (value.minNtime === undefined && oldest === 0) oldest = value.jobId
        return value
      })
      const prevHashes = receiving(Mining.SetNewPrevHash, (value) => {
        const jobId = oldest
        oldest = 0
        return { ...value, jobId }
      })
      return both(jobs, prevHashes)
    },
    breaks: "client-jobs.named"
  },
  {
    does: "mines future jobs at once",
    fault: () => {
      let isFirst = true
      return receiving(Mining.NewExtendedMiningJob, (value) => {
        const isEarly = !isFirst && value.minNtime === undefined
        isFirst = false
        return isEarly ? { ...value, minNtime: 0 } : value
      })
    },
    breaks: "client-jobs.future"
  },
  {
    does: "submits what it found before the block",
    fault: () => {
      const shares: Array<Mining.SubmitSharesExtended> = []
      return sending(Mining.SubmitSharesExtended, (value) => {
        shares.push({ ...value, extranonce: value.extranonce.slice() })
        return [value, shares[0]!]
      })
    },
    breaks: "client-jobs.stale"
  },
  {
    does: "does not know groups",
    fault: () => ({
      receive: (frame) => {
        const isJob = frame.messageType === Mining.NewExtendedMiningJob.type
        return isJob && Mining.NewExtendedMiningJob.codec.decode(frame.payload).channelId >= 0x10000 ? [] : [frame]
      }
    }),
    breaks: "client-jobs.group"
  },
  {
    does: "pays no heed to SetGroupChannel",
    fault: () => ({ receive: (frame) => (frame.messageType === Mining.SetGroupChannel.type ? [] : [frame]) }),
    breaks: "client-groups.changed"
  },
  {
    does: "pays no heed to SetTarget",
    fault: () => ({ receive: (frame) => (frame.messageType === Mining.SetTarget.type ? [] : [frame]) }),
    breaks: "client-target.later-jobs"
  },
  {
    does: "keeps the target that a future job came with",
    fault: () => ({ receive: (frame) => (frame.messageType === Mining.SetTarget.type ? [] : [frame]) }),
    breaks: "client-target.future-jobs"
  },
  {
    does: "pays no heed to SetExtranoncePrefix",
    fault: () => ({ receive: (frame) => (frame.messageType === Mining.SetExtranoncePrefix.type ? [] : [frame]) }),
    breaks: "client-prefix.later-jobs"
  },
  {
    does: "takes a new prefix for the jobs before it too",
    fault: () => {
      const kept: Array<Parameters<NonNullable<ReturnType<NonNullable<ClientCheck["fault"]>>["receive"]>>[0]> = []
      return {
        // Future jobs are held back until a previous hash needs them.
        receive: (frame) => {
          if (frame.messageType === Mining.NewExtendedMiningJob.type) {
            const { minNtime } = Mining.NewExtendedMiningJob.codec.decode(frame.payload)
            if (minNtime !== undefined) return [frame]
            kept.push(frame)
            return []
          }
          return frame.messageType === Mining.SetNewPrevHash.type ? [...kept.splice(0), frame] : [frame]
        }
      }
    },
    breaks: "client-prefix.earlier-jobs"
  },
  {
    does: "goes on with a channel that the server has closed",
    fault: () => ({ receive: (frame) => (frame.messageType === Mining.CloseChannel.type ? [] : [frame]) }),
    answerTimeout: "1 second",
    breaks: "client-close.stops"
  },
  {
    does: "stays when it is asked to reconnect",
    fault: () => ({ receive: (frame) => (frame.messageType === Common.Reconnect.type ? [] : [frame]) }),
    connectTimeout: "2 seconds",
    breaks: "client-reconnect.same"
  },
  {
    does: "stays with its server whatever Reconnect says",
    fault: () => receiving(Common.Reconnect, (value) => ({ ...value, newHost: "", newPort: 0 })),
    connectTimeout: "2 seconds",
    breaks: "client-reconnect.elsewhere"
  },
  {
    does: "does not look who signed the certificate",
    noise: true,
    curve: new (class extends NobleCurve {
      override verify(): boolean {
        return true
      }
    })(),
    breaks: "client-noise.authority"
  },
  {
    does: "follows Reconnect to strangers",
    noise: true,
    curve: new (class extends NobleCurve {
      override verify(): boolean {
        return true
      }
    })(),
    breaks: "client-reconnect.authority"
  },
  {
    does: "does not look until when the certificate holds",
    noise: true,
    clockTolerance: "2 days",
    breaks: "client-noise.expired"
  },
  {
    does: "does not look from when on the certificate holds",
    noise: true,
    clockTolerance: "2 days",
    breaks: "client-noise.not-yet-valid"
  }
]

const { SubmitSolution } = TemplateDistribution

const templateTwins: ReadonlyArray<Twin> = [
  {
    does: "does not say what it will add to the coinbase",
    fault: () => dropping(TemplateDistribution.CoinbaseOutputConstraints),
    answerTimeout: "2 seconds",
    breaks: "client-templates.constraints"
  },
  {
    does: "asks for less room than it takes",
    fault: () =>
      sending(TemplateDistribution.CoinbaseOutputConstraints, (value) => ({
        ...value,
        coinbaseOutputMaxAdditionalSize: 10
      })),
    breaks: "client-solutions.size"
  },
  {
    does: "waits with new templates for a new block",
    fault: () => ({
      receive: (frame) => {
        const isTemplate = frame.messageType === TemplateDistribution.NewTemplate.type
        const { NewTemplate } = TemplateDistribution
        return isTemplate && !NewTemplate.codec.decode(frame.payload).futureTemplate ? [] : [frame]
      }
    }),
    shareTimeout: "2 seconds",
    breaks: "client-templates.active"
  },
  {
    does: "submits solutions of templates that never were",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, templateId: 1_000_000n })),
    breaks: "client-solutions.template"
  },
  {
    does: "strips the witness from the coinbase",
    fault: () =>
      sending(SubmitSolution, (value) => ({
        ...value,
        coinbaseTx: new Uint8Array([
          ...value.coinbaseTx.subarray(0, 4),
          ...value.coinbaseTx.subarray(6, -38),
          ...value.coinbaseTx.subarray(-4)
        ])
      })),
    breaks: "client-solutions.witness"
  },
  {
    does: "submits the coinbase of another height",
    fault: () =>
      sending(SubmitSolution, (value) => ({ ...value, coinbaseTx: changed(value.coinbaseTx, SCRIPT_AT + 2) })),
    breaks: "client-solutions.prefix"
  },
  {
    does: "changes the locktime",
    fault: () =>
      sending(SubmitSolution, (value) => ({
        ...value,
        coinbaseTx: changed(value.coinbaseTx, value.coinbaseTx.length - 1)
      })),
    breaks: "client-solutions.fields"
  },
  {
    does: "pays itself more than there is",
    fault: () =>
      receiving(TemplateDistribution.NewTemplate, (value) => ({
        ...value,
        coinbaseTxValueRemaining: value.coinbaseTxValueRemaining + 1n
      })),
    breaks: "client-solutions.value"
  },
  {
    does: "leaves out the witness commitment",
    fault: () =>
      receiving(TemplateDistribution.NewTemplate, (value) => ({
        ...value,
        coinbaseTxOutputsCount: 0,
        coinbaseTxOutputs: new Uint8Array(0)
      })),
    breaks: "client-solutions.outputs"
  },
  {
    does: "submits what is no block",
    fault: () => sending(SubmitSolution, (value) => [value, ...wrongNonces(value)]),
    breaks: "client-solutions.target"
  },
  {
    does: "goes by a clock that is late",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, headerTimestamp: value.headerTimestamp - 600 })),
    breaks: "client-solutions.time"
  },
  {
    does: "rolls bits of the version that it must not",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, version: (value.version ^ 2) >>> 0 })),
    breaks: "client-solutions.version"
  }
]

/** Behind version, marker and flag, count, outpoint and length. */
const SCRIPT_AT = 4 + 2 + 1 + 36 + 1

const changed = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** One of ten others at the least is no block where half of all are. */
const wrongNonces = (value: TemplateDistribution.SubmitSolution) =>
  Array.from({ length: 10 }, (_, index) => ({ ...value, headerNonce: (value.headerNonce + index + 1) >>> 0 }))

const openFrame = (requestId: number): Uint8Array =>
  Mining.OpenExtendedMiningChannel.codec.encode(
    Mining.OpenExtendedMiningChannel.make({
      requestId,
      userIdentity: "early",
      nominalHashRate: 1,
      maxTarget: new Uint8Array(32).fill(0xff),
      minExtranonceSize: 4
    })
  )

const shareFrame = (): Uint8Array =>
  Mining.SubmitSharesExtended.codec.encode(
    Mining.SubmitSharesExtended.make({
      channelId: 1,
      sequenceNumber: 1,
      jobId: 1,
      nonce: 0,
      ntime: 0,
      version: 0,
      extranonce: new Uint8Array(8)
    })
  )

/** A twin that could not even be watched would break every rule. */
const KEPT = "client-setup.endpoint"

/** The failed ones among the rule and one that every twin keeps. */
const failedOf = (protocol: ClientCheck["protocol"], { breaks, ...client }: Twin) =>
  Effect.map(
    checkClient({
      protocol,
      answerTimeout: "3 seconds",
      shareTimeout: "3 seconds",
      connectTimeout: "3 seconds",
      only: [breaks, KEPT],
      ...client
    }),
    (results) => results.filter(({ verdict }) => verdict._tag === "Failed").map(({ id }) => id)
  )

// What is broken shows in what does not come, for which each of them waits: so several wait together.
describe.concurrent("a miner that", () => {
  for (const twin of miningTwins) {
    it.live(`${twin.does} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf("mining", twin), (failed) => {
        expect(failed).toEqual([twin.breaks])
      })
    )
  }
})

describe.concurrent("a pool that", () => {
  for (const twin of templateTwins) {
    it.live(`${twin.does} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf("template-distribution", twin), (failed) => {
        expect(failed).toEqual([twin.breaks])
      })
    )
  }
})
