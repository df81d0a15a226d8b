/** The jobs and previous hashes that the channels of a connection get (specification, sections 5.3.15 to 5.3.17). */
import type { Mining } from "@sluice/protocol"
import { extendedJobMessage, type Job, standardJobMessage } from "../jobs/job.ts"
import { type Announcement, GROUP_CHANNEL_ID } from "../jobs/jobs.ts"
import type { Channel } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"

/** The channels that get jobs of their own: all or none. */
export const ownJobChannels = ({ channels, requiresStandardJobs }: ConnectionState): Iterable<Channel> =>
  requiresStandardJobs ? channels.values() : []

/** Announces a job or previous hash to all channels. */
export const announce = (state: ConnectionState, announcement: Announcement, out: ServerOutbox): void => {
  const { channels, context, groups, requiresStandardJobs } = state
  if (requiresStandardJobs) {
    if (announcement._tag !== "NewPrevHash")
      context.validator.prepareMerkleRoots(ownJobChannels(state), announcement.job)
    return announceTo(state, channels.values(), announcement, out)
  }
  for (const group of groups.values()) {
    // SetNewPrevHash must name a job that was sent to its addressee (5.3.17). A group made after the job never got it.
    if (announcement._tag === "NewPrevHash" && !group.knowsJob(announcement.job.id)) {
      announceTo(state, group.members, announcement, out)
    } else if (group.id === GROUP_CHANNEL_ID) {
      out.messages.push(announcement.message)
    } else {
      out.messages.push({ ...announcement.message, channelId: group.id })
    }
  }
}

/** Announces a job or previous hash to each of these channels alone. */
export const announceTo = (
  state: ConnectionState,
  channels: Iterable<Channel>,
  announcement: Announcement,
  out: ServerOutbox
): void => {
  const { job } = announcement
  for (const channel of channels) {
    switch (announcement._tag) {
      case "FutureJob":
        out.messages.push(jobMessage(state, channel, job, undefined))
        break
      case "NewJob":
        out.messages.push(jobMessage(state, channel, job, announcement.minNtime))
        break
      case "NewPrevHash":
        out.messages.push(announcement.messageFor(channel.id))
    }
  }
}

/** Sends the current job as a future job, the previous hash that names it (5.3.15), and the present future jobs. */
export const sendFirstJobs = (state: ConnectionState, channel: Channel, now: number, out: ServerOutbox): void => {
  const { jobs } = state.context
  const { current } = jobs
  if (current !== undefined) {
    sendFutureJob(state, channel, current, out)
    out.messages.push(jobs.prevHashMessage(channel.id, current, now))
  }
  for (const job of jobs.futureJobs()) sendFutureJob(state, channel, job, out)
}

/** The message of a job for one channel; without `minNtime`, of a future job. */
export const jobMessage = (
  { context }: ConnectionState,
  channel: Channel,
  job: Job,
  minNtime: number | undefined
): Mining.ToClient => {
  const { channelId, kind } = channel.info
  return kind === "extended"
    ? extendedJobMessage(job, channelId, minNtime)
    : standardJobMessage(job, channelId, minNtime, context.validator.merkleRoot(channel, job))
}

const sendFutureJob = (state: ConnectionState, channel: Channel, job: Job, out: ServerOutbox): void => {
  channel.addFirstJob(job.id)
  out.messages.push(jobMessage(state, channel, job, undefined))
}
