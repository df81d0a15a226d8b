/** Opens channels, and checks requests to open or update one (specification, sections 5.3.2 to 5.3.8). */
import { ErrorCode, isPrintable, Mining, printable } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import { u256FromBytes } from "../difficulty/hash-rate.ts"
import { GROUP_CHANNEL_ID } from "../jobs/jobs.ts"
import { Channel, MIN_TARGET } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ChannelInfo, ServerOutbox } from "./event.ts"
import type { ChannelPolicy } from "./policy.ts"

/** Not in the specification: the connection already has the most channels that the policy allows. */
export const TOO_MANY_CHANNELS = "too-many-channels"
/** Not in the specification: every prefix of the server is in use. */
export const EXTRANONCE_SPACE_EXHAUSTED = "extranonce-space-exhausted"
/** Not in the specification: the client requires version rolling, and the server's jobs do not allow it (5.3.1). */
export const VERSION_ROLLING_NOT_SUPPORTED = "version-rolling-not-supported"
/** Not in the specification: the server cannot open the channel at its own upstream server, which is not there yet. */
export const NO_WORK_YET = "no-work-yet"

type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

const codes = ErrorCode.openChannel

/** Why the channel is refused, or `undefined`. */
export const refusalToOpen = (
  message: OpenRequest,
  setupFlags: number,
  channelCount: number,
  maxRollableSize: number,
  policy: ChannelPolicy
): string | undefined => {
  const isExtended = message._tag === "OpenExtendedMiningChannel"
  if (isExtended && (setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0) {
    return codes.extendedChannelsNotSupportedForStandardJobs
  }
  if (!isExtended && (setupFlags & Mining.REQUIRES_WORK_SELECTION) !== 0) {
    return codes.standardChannelsNotSupportedForCustomWork
  }
  if (!isUserIdentity(message.userIdentity, policy.maxUserIdentityBytes)) return codes.invalidUserIdentity
  if (!isHashRate(message.nominalHashRate)) return codes.invalidNominalHashrate
  if (!isMaxTarget(message.maxTarget)) return codes.maxTargetOutOfRange
  if (isExtended && message.minExtranonceSize > maxRollableSize) {
    // The first code says that no server has so much extranonce, the second that this server has not.
    return message.minExtranonceSize > Mining.MAX_EXTRANONCE_SIZE
      ? codes.minExtranonceSizeTooLarge
      : codes.unsupportedMinExtranonceSize
  }
  if (channelCount >= policy.maxChannels) return TOO_MANY_CHANNELS
  return policy.refuseUser(message.userIdentity)
}

/** Why this end refuses a request for a channel, while it opens `more` others; `undefined` admits it. */
export const whyRefused = (state: ConnectionState, message: OpenRequest, more = 0): string | undefined => {
  const { channels, context, setupFlags } = state
  const { jobs, policy, source, space } = context
  const mustRollVersions = (setupFlags & Mining.REQUIRES_VERSION_ROLLING) !== 0
  if (mustRollVersions && !jobs.versionRollingAllowed) return VERSION_ROLLING_NOT_SUPPORTED
  const maxRollableSize = source === undefined ? space.maxRollableSize : Mining.MAX_EXTRANONCE_SIZE
  return refusalToOpen(message, setupFlags, channels.size + more, maxRollableSize, policy)
}

/** Opens a channel and tells the client. Returns the channel; `undefined` if the request is refused. */
export const openChannel = (
  state: ConnectionState,
  message: OpenRequest,
  now: number,
  out: ServerOutbox
): Channel | undefined => {
  const { policy, space } = state.context
  const { nominalHashRate, requestId, userIdentity } = message
  const opened = state.context.source?.opened(message)
  const source = typeof opened === "string" ? undefined : opened
  const refusal = whyRefused(state, message) ?? (typeof opened === "string" ? opened : undefined)
  const common = source?.jobs ?? state.context.jobs
  const lease =
    refusal !== undefined
      ? undefined
      : source !== undefined
        ? space.admit === undefined
          ? source.lease
          : space.admit(source.lease)
        : message._tag === "OpenStandardMiningChannel"
          ? space.takeStandard(common.epoch)
          : space.takeExtended(message.minExtranonceSize, common.epoch)
  if (lease === undefined || !state.hasId) {
    if (lease !== undefined) space.giveBack(lease)
    const errorCode = refusal ?? EXTRANONCE_SPACE_EXHAUSTED
    source?.close(errorCode)
    out.messages.push({ _tag: "OpenMiningChannel.Error", requestId, errorCode })
    const shown = printable(userIdentity)
    out.events.push({ _tag: "ChannelRefused", connectionId: state.id, userIdentity: shown, errorCode })
    return undefined
  }
  const channelId = state.newId()
  const kind = message._tag === "OpenStandardMiningChannel" ? "standard" : "extended"
  const info: ChannelInfo = { connectionId: state.id, channelId, kind, userIdentity }
  const maxTarget = u256FromBytes(message.maxTarget)
  const leastHashRate = Math.max(...state.shown.map((shown) => shown.leastFor(userIdentity, now)))
  const [work] = state.shown.flatMap((shown) => shown.take(userIdentity, now) ?? [])
  const client = { nominalHashRate, leastHashRate, work, maxTarget, source }
  const jobs = state.custom?.newChannel() ?? common
  const channel = new Channel(info, lease, client, jobs, policy, now)
  state.channels.set(channelId, channel)
  // Each source chooses the size of the full extranonce, which must be the same for all channels of a group (5.2.3).
  state.groups.join(channel, source === undefined ? GROUP_CHANNEL_ID : state.newGroupId())
  state.emptySince = undefined
  const { difficulty, target } = channel.current
  out.events.push({ _tag: "ChannelOpened", channel: info, nominalHashRate, difficulty })
  out.messages.push(openSuccess(requestId, info, lease, target, channel.groupId))
  return channel
}

/** The message that tells the client that its channel is open (5.3.3, 5.3.5). */
const openSuccess = (
  requestId: number,
  { channelId, kind }: ChannelInfo,
  { prefix, rollableSize }: ExtranonceLease,
  target: Uint8Array,
  groupChannelId: number
): Mining.ToClient =>
  kind === "standard"
    ? {
        _tag: "OpenStandardMiningChannel.Success",
        requestId,
        channelId,
        target,
        extranoncePrefix: prefix,
        groupChannelId
      }
    : {
        _tag: "OpenExtendedMiningChannel.Success",
        requestId,
        channelId,
        target,
        extranonceSize: rollableSize,
        extranoncePrefix: prefix,
        groupChannelId
      }

/** 0 is valid: a proxy may have no miners yet. */
export const isHashRate = (hashesPerSecond: number): boolean => Number.isFinite(hashesPerSecond) && hashesPerSecond >= 0

/** Refuses targets that no miner meets, such as 0. */
export const isMaxTarget = (maxTarget: Uint8Array): boolean => u256FromBytes(maxTarget) >= MIN_TARGET

/** Logs and pages show the identity, so it must be UTF-8 without invisible characters. */
const isUserIdentity = (userIdentity: string, maxBytes: number): boolean =>
  userIdentity.length > 0 && isPrintable(userIdentity) && Buffer.byteLength(userIdentity) <= maxBytes
