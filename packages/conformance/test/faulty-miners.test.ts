/** Deliberately broken twins of our miner: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { NobleCurve } from "@sluice/noise"
import { Common, type Frame, Mining, Protocol } from "@sluice/protocol"
import { Effect } from "effect"
import { failedOf, type Twin } from "./client-twins.ts"
import { checkClient } from "./client-worlds.ts"
import { both, bytesOf, dropping, isOf, receiving, sending, sendingFrame } from "./faults.ts"
import type { Fault } from "./worlds.ts"

const WRONG_ID = 0x00f0f0f0

const withSetup = Protocol.extend(Mining.protocol, Common.setupMessages)

const twins: ReadonlyArray<Twin> = [
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
    quietTime: "1 second",
    breaks: "client-setup.error"
  },
  {
    does: "takes any version for its own",
    fault: () => receiving(Common.SetupConnectionSuccess, (value) => ({ ...value, usedVersion: 2 })),
    quietTime: "1 second",
    breaks: "client-setup.version-chosen"
  },
  {
    does: "pays no heed to the server's flags",
    miner: { channel: "standard" },
    fault: () => receiving(Common.SetupConnectionSuccess, (value) => ({ ...value, flags: 0 })),
    quietTime: "1 second",
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
        const known = withSetup.toClient.find(frame.extensionType, frame.messageType) !== undefined
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
    quietTime: "1 second",
    breaks: "client-open.error"
  },
  {
    does: "asks for more extranonce than there is",
    fault: () => sending(Mining.OpenExtendedMiningChannel, (value) => ({ ...value, minExtranonceSize: 40 })),
    breaks: "client-open.extranonce-size"
  },
  {
    does: "does not mine",
    fault: () => dropping(Mining.SubmitSharesExtended),
    breaks: "client-jobs.started"
  },
  {
    does: "updates channels that it does not have, to hash rates that are none",
    fault: () => withEachShare(updateFrame(WRONG_ID)),
    breaks: "client-update.channel"
  },
  {
    does: "updates its hash rate to one that is none",
    fault: () => withEachShare(updateFrame(1)),
    breaks: "client-update.hash-rate"
  },
  {
    does: "gives reasons that steer a terminal",
    fault: () => withEachShare(closeFrame(1, "\u001b[2J")),
    breaks: "client-close.reason"
  },
  {
    does: "closes channels that it does not have",
    fault: () => withEachShare(closeFrame(WRONG_ID, "done")),
    breaks: "client-close.channel"
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
      const kept: Array<Frame> = []
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
    answerTimeout: "2 seconds",
    quietTime: "1 second",
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

const updateFrame = (channelId: number): Uint8Array => {
  const update = { channelId, nominalHashRate: 1, maximumTarget: new Uint8Array(32).fill(0xff) }
  const frame = Mining.UpdateChannel.codec.encode(Mining.UpdateChannel.make(update))
  // F32, behind the header and channel_id.
  new DataView(frame.buffer).setFloat32(10, NaN, true)
  return frame
}

const closeFrame = (channelId: number, reasonCode: string): Uint8Array =>
  Mining.CloseChannel.codec.encode(Mining.CloseChannel.make({ channelId, reasonCode }))

/** The frame goes behind each share. */
const withEachShare = (extra: Uint8Array): Fault => ({
  send: (frame) => (isOf(frame, Mining.SubmitSharesExtended) ? [bytesOf(frame), extra] : [bytesOf(frame)])
})

// Each test mostly waits for messages that must not come, so they run at the same time.
describe.concurrent("a miner that", () => {
  for (const twin of twins) {
    it.live(`${twin.does} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf("mining", twin), (failed) => {
        expect(failed).toEqual([twin.breaks])
      })
    )
  }
})

it.live("a proxy that closes a channel instead of changing its prefix breaks no rule", () =>
  Effect.gen(function* () {
    let isClosing = false
    const results = yield* checkClient({
      protocol: "mining",
      answerTimeout: "3 seconds",
      shareTimeout: "3 seconds",
      only: ["client-prefix.later-jobs"],
      fault: () => ({
        receive: (frame) => {
          isClosing ||= isOf(frame, Mining.SetExtranoncePrefix)
          return isOf(frame, Mining.SetExtranoncePrefix) ? [] : [frame]
        },
        send: (frame) => {
          if (!isClosing || !isOf(frame, Mining.SubmitSharesExtended)) return [bytesOf(frame)]
          isClosing = false
          const { channelId } = Mining.SubmitSharesExtended.codec.decode(frame.payload)
          const close = Mining.CloseChannel.make({ channelId, reasonCode: "miner disconnected" })
          return [Mining.CloseChannel.codec.encode(close), bytesOf(frame)]
        }
      })
    })
    expect(results.map(({ verdict }) => verdict)).toEqual([
      { _tag: "Skipped", why: "the client has closed the channel" }
    ])
  })
)
