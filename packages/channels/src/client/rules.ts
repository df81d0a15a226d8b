/**
 * Checks each message against the rules for servers (specification, section 5) and the state of the connection. Each check
 * returns the violation or `undefined`, and changes nothing.
 */
import { checkJobCoinbase, type CoinbaseError, type SplitCoinbase } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { Result } from "effect"
import type { ClientChannel } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ClientGroup } from "./group.ts"
import { type ProtocolViolation, protocolViolation } from "./protocol-violation.ts"

type Check = ProtocolViolation | undefined

/** Checks that the flags of SetupConnection do not contradict those of its answer. */
export const checkSetup = ({ flags }: ConnectionState, { _tag }: Mining.ToClient): Check =>
  flags.requiresVersionRolling && flags.fixedVersion
    ? protocolViolation(
        "version-rolling-was-required",
        _tag,
        "this client said REQUIRES_VERSION_ROLLING, and the server answered REQUIRES_FIXED_VERSION"
      )
    : undefined

export const checkOpened = (
  state: ConnectionState,
  message: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess
): Check => {
  const { groups, requests } = state
  const { _tag, channelId, groupChannelId, requestId, target } = message
  const kind = _tag === "OpenStandardMiningChannel.Success" ? "standard" : "extended"
  const request = requests.get(requestId)
  if (request?.kind !== kind) {
    return protocolViolation("known-request-id", _tag, `no ${kind} channel was requested with request id ${requestId}`)
  }
  if (Target.compareU256(target, 0, request.maxTarget, 0) > 0) {
    return protocolViolation(
      "target-within-maximum",
      _tag,
      `the target ${hex(target)} is above the requested maximum ${hex(request.maxTarget)}`
    )
  }
  const extranonceSize = _tag === "OpenExtendedMiningChannel.Success" ? message.extranonceSize : 0
  if (extranonceSize < request.minExtranonceSize) {
    return protocolViolation(
      "minimum-extranonce-size",
      _tag,
      `at least ${request.minExtranonceSize} bytes of extranonce were requested, got ${extranonceSize}`
    )
  }
  const fullSize = message.extranoncePrefix.length + extranonceSize
  if (fullSize > Mining.MAX_EXTRANONCE_SIZE) return extranonceTooLong(_tag, channelId, fullSize)
  if (state.isChannelId(channelId) || state.isGroupId(channelId)) {
    const whose = state.isChannelId(channelId) ? "another channel" : "a group"
    return protocolViolation("unique-channel-id", _tag, `channel id ${channelId} belongs or belonged to ${whose}`)
  }
  if (groupChannelId === channelId || state.isChannelId(groupChannelId)) return channelAsGroup(_tag, groupChannelId)
  return checkSizeInGroup(_tag, groups.get(groupChannelId), channelId, fullSize)
}

export const checkOpenRefused = ({ requests }: ConnectionState, message: Mining.OpenMiningChannelError): Check =>
  requests.has(message.requestId)
    ? undefined
    : protocolViolation(
        "known-request-id",
        message._tag,
        `no channel was requested with request id ${message.requestId}; the error is "${message.errorCode}"`
      )

export const checkStandardJob = (
  { channels }: ConnectionState,
  members: ReadonlySet<ClientChannel>,
  message: Mining.NewMiningJob
): Check => {
  const kind = channels.get(message.channelId)?.kind ?? "group"
  return kind === "standard"
    ? checkJob(members, message)
    : protocolViolation(
        "standard-job-for-standard-channel",
        message._tag,
        `channel ${message.channelId} is ${kind === "group" ? "a group" : "an extended"} channel`
      )
}

/** `stripped` are the halves of the job's coinbase without BIP141 fields (`stripWitness` of @sluice/bitcoin). */
export const checkExtendedJob = (
  { channels, flags }: ConnectionState,
  members: ReadonlySet<ClientChannel>,
  message: Mining.NewExtendedMiningJob,
  stripped: Result.Result<SplitCoinbase, CoinbaseError>
): Check => {
  const { _tag, channelId, jobId, versionRollingAllowed } = message
  if (flags.requiresStandardJobs) {
    return protocolViolation(
      "no-extended-jobs-with-standard-jobs-only",
      _tag,
      `this client said REQUIRES_STANDARD_JOBS, and got extended job ${jobId} for channel ${channelId}`
    )
  }
  if (channels.get(channelId)?.kind === "standard") {
    return protocolViolation(
      "extended-job-for-extended-or-group-channel",
      _tag,
      `channel ${channelId} is a standard channel`
    )
  }
  if (flags.requiresVersionRolling && !versionRollingAllowed) {
    return protocolViolation(
      "version-rolling-was-required",
      _tag,
      `this client said REQUIRES_VERSION_ROLLING, and job ${jobId} does not allow it`
    )
  }
  if (flags.fixedVersion && versionRollingAllowed) {
    return protocolViolation(
      "version-is-fixed",
      _tag,
      `the server said REQUIRES_FIXED_VERSION, and job ${jobId} allows version rolling`
    )
  }
  const alike = searchingTheSame(members)
  if (alike !== undefined) {
    return protocolViolation(
      "unique-search-space",
      _tag,
      `one of the extranonce prefixes ${alike.map((member) => prefixOf(member)).join(" and ")} begins with the other, so ` +
        `job ${jobId} is the same work for both`
    )
  }
  if (Result.isFailure(stripped)) return protocolViolation("strippable-coinbase", _tag, stripped.failure.message)
  // All members of a group have full extranonces of the same size (5.2.3).
  for (const { fullExtranonceSize } of members) {
    const { coinbaseTxPrefix: prefix, coinbaseTxSuffix: suffix } = message
    const error = checkJobCoinbase({ prefix, extranonceSize: fullExtranonceSize, suffix })
    if (error !== undefined) return protocolViolation("coinbase-transaction", _tag, `job ${jobId}: ${error.message}`)
    break
  }
  return checkJob(members, message)
}

/** Finds two channels of which one has a prefix that begins with the whole prefix of the other. Sorted, they are adjacent. */
const searchingTheSame = (members: ReadonlySet<ClientChannel>): ReadonlyArray<ClientChannel> | undefined => {
  if (members.size < 2) return undefined
  const sorted = [...members].toSorted((a, b) => Buffer.compare(a.extranoncePrefix, b.extranoncePrefix))
  for (let i = 1; i < sorted.length; i++) {
    const [shorter, longer] = [sorted[i - 1]!, sorted[i]!]
    const size = shorter.extranoncePrefix.length
    if (Buffer.compare(shorter.extranoncePrefix, longer.extranoncePrefix.subarray(0, size)) === 0)
      return [shorter, longer]
  }
  return undefined
}

const prefixOf = ({ channelId, extranoncePrefix }: ClientChannel): string =>
  `${Buffer.from(extranoncePrefix).toString("hex") || "(none)"} of channel ${channelId}`

/** Checks the rules for jobs of both kinds. */
const checkJob = (
  members: ReadonlySet<ClientChannel>,
  { _tag, jobId, minNtime }: Mining.NewMiningJob | Mining.NewExtendedMiningJob
): Check => {
  let ready = false
  for (const channel of members) {
    if (channel.isKnownJob(jobId)) {
      return protocolViolation(
        "unique-job-id",
        _tag,
        `job id ${jobId} is in use by a valid job of channel ${channel.channelId}`
      )
    }
    ready ||= channel.prevHash !== undefined
  }
  // A group may get a job while one of its members still waits for its first. The job is then for the others.
  return minNtime === undefined || ready
    ? undefined
    : protocolViolation(
        "first-job-is-future",
        _tag,
        `job ${jobId} has min_ntime ${minNtime}, but there was no SetNewPrevHash for it to build on`
      )
}

export const checkPrevHash = (members: ReadonlySet<ClientChannel>, { _tag, jobId }: Mining.SetNewPrevHash): Check => {
  for (const channel of members) {
    if (!channel.isFutureJob(jobId)) {
      return protocolViolation(
        "prev-hash-names-future-job",
        _tag,
        `job ${jobId} was not sent as a future job for channel ${channel.channelId}, or too many others came since`
      )
    }
  }
  return undefined
}

export const checkTarget = (members: ReadonlySet<ClientChannel>, { _tag, maximumTarget }: Mining.SetTarget): Check => {
  for (const { channelId, maxTarget } of members) {
    if (Target.compareU256(maximumTarget, 0, maxTarget, 0) > 0) {
      return protocolViolation(
        "target-within-maximum",
        _tag,
        `the target ${hex(maximumTarget)} is above ${hex(maxTarget)}, the maximum that channel ${channelId} asked for`
      )
    }
  }
  return undefined
}

export const checkExtranoncePrefix = (
  { groups }: ConnectionState,
  channel: ClientChannel | undefined,
  { _tag, channelId, extranoncePrefix }: Mining.SetExtranoncePrefix
): Check => {
  if (groups.has(channelId)) {
    return protocolViolation("extranonce-prefix-for-channel", _tag, `channel ${channelId} is a group channel`)
  }
  if (channel === undefined) return undefined
  const fullSize = extranoncePrefix.length + channel.extranonceSize
  if (fullSize > Mining.MAX_EXTRANONCE_SIZE) return extranonceTooLong(_tag, channelId, fullSize)
  const group = channel.groupChannelId === undefined ? undefined : groups.get(channel.groupChannelId)
  return group !== undefined && group.members.size > 1 ? checkSizeInGroup(_tag, group, channelId, fullSize) : undefined
}

export const checkGroup = (state: ConnectionState, message: Mining.SetGroupChannel): Check => {
  const { channels, flags, groups } = state
  const { _tag, channelIds, groupChannelId } = message
  if (flags.requiresStandardJobs) {
    return protocolViolation(
      "no-groups-with-standard-jobs-only",
      _tag,
      `this client said REQUIRES_STANDARD_JOBS, and got group ${groupChannelId}`
    )
  }
  if (state.isChannelId(groupChannelId)) return channelAsGroup(_tag, groupChannelId)
  let fullSize = groups.get(groupChannelId)?.fullExtranonceSize
  for (const channelId of channelIds) {
    const channel = channels.get(channelId)
    if (channel === undefined) continue
    fullSize ??= channel.fullExtranonceSize
    if (channel.fullExtranonceSize !== fullSize) {
      return unequalInGroup(_tag, groupChannelId, fullSize, channelId, channel.fullExtranonceSize)
    }
  }
  return undefined
}

/** Checks that a job of the client's own gets an id that no other job of the channel has. */
export const checkCustomJob = (channel: ClientChannel, { _tag, jobId }: Mining.SetCustomMiningJobSuccess): Check =>
  channel.isKnownJob(jobId)
    ? protocolViolation("unique-job-id", _tag, `job id ${jobId} is in use on channel ${channel.channelId}`)
    : undefined

const channelAsGroup = (tag: string, groupId: number) =>
  protocolViolation("unique-group-channel-id", tag, `group id ${groupId} belongs or belonged to a channel`)

const checkSizeInGroup = (tag: string, group: ClientGroup | undefined, channelId: number, fullSize: number): Check => {
  const groupSize = group?.fullExtranonceSize
  return group === undefined || groupSize === undefined || groupSize === fullSize
    ? undefined
    : unequalInGroup(tag, group.groupChannelId, groupSize, channelId, fullSize)
}

const unequalInGroup = (tag: string, groupId: number, groupSize: number, channelId: number, size: number) =>
  protocolViolation(
    "equal-extranonce-size-in-group",
    tag,
    `the full extranonce has ${groupSize} bytes in group ${groupId}, and ${size} in its channel ${channelId}`
  )

const extranonceTooLong = (tag: string, channelId: number, fullSize: number) =>
  protocolViolation(
    "full-extranonce-size",
    tag,
    `a full extranonce has at most ${Mining.MAX_EXTRANONCE_SIZE} bytes, and that of channel ${channelId} has ${fullSize}`
  )

/** A 256-bit number with its most significant byte first, as people read it. */
const hex = (littleEndian: Uint8Array): string => Buffer.from(littleEndian.toReversed()).toString("hex")
