/** Answers SetCustomMiningJob (specification, sections 5.3.18 to 5.3.20). */
import { ErrorCode, type Mining } from "@sluice/protocol"
import { Result } from "effect"
import type { CustomJobRefusal } from "../jobs/custom-job.ts"
import { latestNtime } from "../shares/share-validator.ts"
import type { Channel } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"

const codes = ErrorCode.setCustomMiningJob

/**
 * How much earlier than the server's a client's time of the same previous hash may be. A template provider gives the time at which it
 * connects, so a client that has been there since the block came is earlier than a server that has just started. Nobody says which
 * time is too early for consensus.
 */
const MAX_TIP_AGE_SECONDS = 86_400

/** The job is for an extended channel, or for all extended channels that its group has now. The answer may have to wait. */
export const setCustomJob = (
  state: ConnectionState,
  message: Mining.SetCustomMiningJob,
  now: number,
  out: ServerOutbox,
  mayWait = true
): void => {
  const { channelId, requestId } = message
  const channels = state.addressed(channelId).filter(({ kind }) => kind === "extended")
  const channel = channels[0]?.info
  const set = trySet(state, message, channels, now)
  if (Result.isFailure(set)) {
    const { errorCode, reason } = set.failure
    if (mayWait && errorCode === codes.staleChainTip && isAhead(state, message) && state.custom!.wait(message, now))
      return
    out.messages.push({ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode })
    out.events.push({ _tag: "CustomJobRefused", connectionId: state.id, channelId, channel, errorCode, reason })
    return
  }
  const { height, jobId } = set.success
  out.messages.push({ _tag: "SetCustomMiningJob.Success", channelId, requestId, jobId })
  out.events.push({ _tag: "CustomJobSet", channel: channel!, channels: channels.length, jobId, height })
}

/** Answers the jobs that have waited for the present previous hash, and those that have waited too long. */
export const answerWaitingJobs = (state: ConnectionState, now: number, out: ServerOutbox): void => {
  const { context, custom } = state
  if (custom === undefined) return
  for (const message of custom.takeWaiting(context.jobs.prevHash?.hash, now))
    setCustomJob(state, message, now, out, false)
}

/** Whether the job is on a previous hash that the server has not seen. */
const isAhead = ({ context: { jobs } }: ConnectionState, { prevHash }: Mining.SetCustomMiningJob): boolean =>
  jobs.prevHash !== undefined && Buffer.compare(jobs.prevHash.hash, prevHash) !== 0 && !jobs.hasPast(prevHash)

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
      leastNtime: prevHash.ntime - MAX_TIP_AGE_SECONDS,
      latestNtime: latestNtime(prevHash, policy, now)
    },
    versionRollingAllowed: jobs.versionRollingAllowed,
    now
  })
  return Result.map(accepted, (job) => ({ jobId: custom.add(job, channels), height }))
}

const refused = (errorCode: string, reason: string): Result.Result<never, CustomJobRefusal> =>
  Result.fail({ errorCode, reason })
