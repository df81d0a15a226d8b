/** The targets of a connection's channels: they follow the channels' work and the statements of the client (5.3.7, 5.3.21). */
import { ErrorCode, type Mining } from "@sluice/protocol"
import { u256FromBytes } from "../difficulty/hash-rate.ts"
import { type Channel, REPLACING_FACTOR } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"
import { jobMessage } from "./job-messages.ts"
import { isHashRate, isMaxTarget } from "./open.ts"

/** Adjusts a channel's difficulty to its work and to the network's. */
export const adjustTarget = (state: ConnectionState, channel: Channel, now: number, out: ServerOutbox): void => {
  const isOff = review(state, channel, now)
  if (isOff || channel.isOutdated(channel.jobs)) retarget(state, channel, now, out, REPLACE_EITHER_WAY)
}

/** Raises the difficulty at once if the shares show that it is far too low. */
export const followWork = (state: ConnectionState, channel: Channel, now: number, out: ServerOutbox): void => {
  if (channel.vardiff.isDue && review(state, channel, now)) retarget(state, channel, now, out, REPLACE_EITHER_WAY)
}

/** Takes what a client states about its channel. */
export const updateChannel = (
  state: ConnectionState,
  message: Mining.UpdateChannel,
  now: number,
  out: ServerOutbox
): void => {
  const { channelId, maximumTarget, nominalHashRate } = message
  const channel = state.channels.get(channelId)
  const errorCode =
    channel === undefined
      ? ErrorCode.updateChannel.invalidChannelId
      : !isHashRate(nominalHashRate)
        ? ErrorCode.updateChannel.invalidNominalHashrate
        : !isMaxTarget(maximumTarget)
          ? ErrorCode.openChannel.maxTargetOutOfRange
          : undefined
  if (channel === undefined || errorCode !== undefined) {
    out.messages.push({ _tag: "UpdateChannel.Error", channelId, errorCode: errorCode! })
    return
  }
  channel.maxTarget = u256FromBytes(maximumTarget)
  if (channel.source !== undefined) {
    channel.nominalHashRate = nominalHashRate
    return channel.source.channel.update(nominalHashRate, maximumTarget)
  }
  // A repeated statement says nothing new, and the channel's shares may have shown another rate since.
  if (nominalHashRate !== channel.nominalHashRate) channel.restate(nominalHashRate, now)
  retarget(state, channel, now, out, REPLACE_EASIER)
}

/** Returns whether the channel's hash rate has changed, and remembers the new one. */
const review = ({ shown }: ConnectionState, channel: Channel, now: number): boolean => {
  if (!channel.review(now)) return false
  const { userIdentity } = channel.info
  for (const rates of shown) rates.saw(userIdentity, channel.shownRate(now), now)
  return true
}

/**
 * Sends the channel's target if it has changed. The target holds for later jobs only (5.3.21), so after a large change the
 * channel also gets a variant of the current job.
 */
const retarget = (
  state: ConnectionState,
  channel: Channel,
  now: number,
  out: ServerOutbox,
  replace: ReplaceRule
): void => {
  const { jobs } = channel
  const period = channel.retarget(jobs)
  if (period === undefined) return
  const { difficulty, target } = period
  out.messages.push({ _tag: "SetTarget", channelId: channel.id, maximumTarget: target })
  out.events.push({ _tag: "TargetChanged", channel: channel.info, difficulty })
  const mined = channel.newestTarget(jobs)
  if (mined === undefined || !replace(difficulty / mined.difficulty)) return
  const repeated = channel.repeatJob(jobs)
  if (repeated !== undefined) out.messages.push(jobMessage(state, channel, repeated.job, jobs.ntimeNow(now)))
}

/** Decides whether a job is replaced at once by one with `factor` times its difficulty. */
type ReplaceRule = (factor: number) => boolean

const REPLACE_EASIER: ReplaceRule = (factor) => factor >= REPLACING_FACTOR
const REPLACE_EITHER_WAY: ReplaceRule = (factor) => factor >= REPLACING_FACTOR || factor <= 1 / REPLACING_FACTOR
