/** Answers SetCustomMiningJob (specification, sections 5.3.18 to 5.3.20). */
import { ErrorCode, type Mining } from "@sluice/protocol"
import { Result } from "effect"
import type { CustomJobRefusal } from "../jobs/custom-job.ts"
import { latestNtime } from "../shares/share-validator.ts"
import type { Channel } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"

const codes = ErrorCode.setCustomMiningJob

/** The job is for an extended channel, or for all extended channels that its group has now. */
export const setCustomJob = (
  state: ConnectionState,
  message: Mining.SetCustomMiningJob,
  now: number,
  out: ServerOutbox
): void => {
  const { channelId, requestId } = message
  const channels = state.addressed(channelId).filter(({ info }) => info.kind === "extended")
  const channel = channels[0]?.info
  const set = trySet(state, message, channels, now)
  if (Result.isFailure(set)) {
    const { errorCode, reason } = set.failure
    out.messages.push({ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode })
    out.events.push({ _tag: "CustomJobRefused", connectionId: state.id, channelId, channel, errorCode, reason })
    return
  }
  const { height, jobId } = set.success
  out.messages.push({ _tag: "SetCustomMiningJob.Success", channelId, requestId, jobId })
  out.events.push({ _tag: "CustomJobSet", channel: channel!, channels: channels.length, jobId, height })
}

const trySet = (
  state: ConnectionState,
  message: Mining.SetCustomMiningJob,
  channels: ReadonlyArray<Channel>,
  now: number
): Result.Result<{ readonly jobId: number; readonly height: number }, CustomJobRefusal> => {
  const { context, custom, groups } = state
  const { jobs, policy } = context
  const { channelId } = message
  const [first] = channels
  if (first === undefined && !groups.isGroup(channelId)) {
    return refused(codes.invalidChannelId, `the connection has no extended channel and no group ${channelId}`)
  }
  if (custom === undefined) {
    return refused(
      codes.jdNotSupported,
      context.customJobs === undefined
        ? "the server takes no custom jobs"
        : "the client did not set the flag REQUIRES_WORK_SELECTION (5.3.1)"
    )
  }
  if (first === undefined) return refused(codes.invalidChannelId, `the group ${channelId} has no channels`)
  if (!custom.hasId) return refused(codes.jdNotSupported, "the connection has used up all job ids")
  const { prevHash } = jobs
  const height = jobs.current?.height
  if (prevHash === undefined || height === undefined) {
    return refused(codes.staleChainTip, "the server has no previous hash yet")
  }
  const { prefix, rollableSize } = first.lease
  const accepted = custom.acceptor.accept({
    message,
    channels: channels.map(({ info }) => info),
    extranonceSize: prefix.length + rollableSize,
    tip: {
      prevHash,
      height,
      leastNtime: prevHash.ntime - policy.ntimeDriftSeconds,
      latestNtime: latestNtime(prevHash, policy, now)
    },
    versionRollingAllowed: jobs.versionRollingAllowed,
    now
  })
  return Result.map(accepted, (job) => ({ jobId: custom.add(job, channels), height }))
}

const refused = (errorCode: string, reason: string): Result.Result<never, CustomJobRefusal> =>
  Result.fail({ errorCode, reason })
