/** Checks requests to open or update a channel (specification, sections 5.3.2 to 5.3.8). */
import { ErrorCode, isPrintable, Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import { u256FromBytes } from "../difficulty/hash-rate.ts"
import { MIN_TARGET } from "./channel.ts"
import type { ChannelInfo } from "./event.ts"
import type { ChannelPolicy } from "./policy.ts"

/** Not in the specification: the connection already has the most channels that the policy allows. */
export const TOO_MANY_CHANNELS = "too-many-channels"
/** Not in the specification: every prefix of the server is in use. */
export const EXTRANONCE_SPACE_EXHAUSTED = "extranonce-space-exhausted"
/** Not in the specification: the client requires version rolling, and the server's jobs do not allow it (5.3.1). */
export const VERSION_ROLLING_NOT_SUPPORTED = "version-rolling-not-supported"
/** Not in the specification: the server cannot open the channel at its own upstream server, which is not there yet. */
export const NO_WORK_YET = "no-work-yet"

const codes = ErrorCode.openChannel

/** Why the channel is refused, or `undefined`. */
export const refusalToOpen = (
  message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
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

/** The message that tells the client that its channel is open (5.3.3, 5.3.5). */
export const openSuccess = (
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
