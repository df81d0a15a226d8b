/**
 * A model of section 5 of the specification for one mining connection. It records the messages that pass one point of the
 * connection. It is written from the text alone and as simply as possible: it states each rule where it is broken, hashes with
 * node:crypto, and counts in bigint. Tests compare servers, clients and proxies with it.
 */
import type { Mining } from "@sluice/protocol"
import { hash } from "node:crypto"

export interface ModelFlags {
  readonly requiresStandardJobs: boolean
  readonly requiresWorkSelection: boolean
  readonly requiresVersionRolling: boolean
  readonly fixedVersion: boolean
  /** The client sets all jobs (5.3.18). */
  readonly customJobs?: boolean
}

export interface ModelJob {
  readonly jobId: number
  readonly version: number
  readonly rolling: boolean
  /** The merkle root with the prefix that was in force when the job was sent (5.3.10). */
  readonly root: (extranonce: Uint8Array) => Buffer
  readonly prefix: Uint8Array
  state: "future" | "active" | "stale"
  /** The target in force when the job became active (5.3.21). */
  target: bigint
  /** The least nTime of shares, if the client set the job itself (5.3.18). */
  readonly minNtime?: number
}

export interface ModelPrevHash {
  readonly prevHash: Uint8Array
  readonly minNtime: number
  readonly nbits: number
  readonly at: number
}

export interface ModelChannel {
  readonly id: number
  readonly kind: "standard" | "extended"
  readonly extranonceSize: number
  prefix: Uint8Array
  target: bigint
  maxTarget: bigint
  group: number
  readonly jobs: Map<number, ModelJob>
  /** The job to mine. */
  mined: ModelJob | undefined
  prevHash: ModelPrevHash | undefined
  /** How many shares were accepted on this previous hash. */
  accepted: number
  /** The same for all previous hashes, in hex. Only where the client sets the jobs, which may be equal when the chain returns. */
  readonly acceptedOn: Map<string, number>
}

export interface ModelRequest {
  readonly kind: "standard" | "extended"
  readonly maxTarget: bigint
  readonly minExtranonceSize: number
}

type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

const BIP323 = 0x1fffffe0
const FULL_EXTRANONCE = 32

export class Model {
  readonly channels = new Map<number, ModelChannel>()
  readonly requests = new Map<number, ModelRequest>()
  readonly flags: ModelFlags
  /** Jobs that were sent to a group under its own id. */
  readonly #groupJobs = new Map<number, Set<number>>()
  /** The ids of jobs that the client set, in order. */
  readonly #customIds: Array<number> = []
  /** Ids that are or were a group's, or a channel's (5.2.3). */
  readonly #groupIds = new Set<number>()
  readonly #channelIds = new Set<number>()
  /** Hashes of all shares ever accepted. The server must accept none of them again. */
  readonly #accepted = new Set<string>()
  readonly #maxSharesPerPrevHash: number
  readonly #end: "server" | "client"

  /**
   * The client may have closed all channels of a group before the server knows it. So the model at
   * the client's end does not check whether the server sent a job to the group.
   */
  constructor(end: "server" | "client", flags: ModelFlags, maxSharesPerPrevHash: number) {
    this.#end = end
    this.flags = flags
    this.#maxSharesPerPrevHash = maxSharesPerPrevHash
  }

  groups(): ReadonlyMap<number, ReadonlyArray<ModelChannel>> {
    return Map.groupBy(this.channels.values(), ({ group }) => group)
  }

  /** The channel with this id, or the members of the group with this id. */
  addressed(id: number): ReadonlyArray<ModelChannel> {
    const channel = this.channels.get(id)
    if (channel !== undefined) return [channel]
    return [...this.channels.values()].filter(({ group }) => group === id)
  }

  /** Ids of channels that are closed. */
  pastChannelIds(): ReadonlyArray<number> {
    return [...this.#channelIds].filter((id) => !this.channels.has(id))
  }

  close(id: number): void {
    for (const channel of this.addressed(id)) this.channels.delete(channel.id)
  }

  /**
   * The server has another previous hash. A client that sets its jobs is not told: its jobs become stale, and it makes others
   * (5.3.18).
   */
  newTip(prevHash: ModelPrevHash): void {
    for (const channel of this.channels.values()) this.tell(channel, prevHash)
  }

  /** A channel that is opened begins with the server's previous hash. */
  tell(channel: ModelChannel, prevHash: ModelPrevHash): void {
    for (const job of channel.jobs.values()) job.state = "stale"
    if (channel.prevHash !== undefined) channel.acceptedOn.set(hex(channel.prevHash.prevHash), channel.accepted)
    channel.prevHash = prevHash
    channel.accepted = channel.acceptedOn.get(hex(prevHash.prevHash)) ?? 0
  }

  /** The server has accepted a job of the client for these channels, with this id (5.3.19). At most `max` of one are valid. */
  setCustomJob(
    message: Mining.SetCustomMiningJob,
    jobId: number,
    channels: ReadonlyArray<ModelChannel>,
    halves: Pick<Mining.NewExtendedMiningJob, "coinbaseTxPrefix" | "coinbaseTxSuffix">,
    max: number
  ): void {
    if (this.#customIds.includes(jobId)) throw new Error(`job id ${jobId} was given before`)
    this.#customIds.push(jobId)
    const { merklePath, minNtime, version } = message
    for (const channel of channels) {
      const { prefix } = channel
      const job: ModelJob = {
        jobId,
        version,
        rolling: !this.flags.fixedVersion,
        root: (extranonce) => merkleRoot({ ...halves, merklePath }, prefix, extranonce),
        prefix,
        state: "active",
        target: channel.target,
        minNtime
      }
      channel.jobs.set(jobId, job)
      channel.mined = job
      const active = [...channel.jobs.values()].filter(({ state }) => state === "active")
      if (active.length > max) active[0]!.state = "stale"
    }
  }

  /**
   * Returns the rules that a message of the server breaks, by the client's names for them. Records the message if it breaks none
   * and its channel is open.
   */
  broken(message: Mining.ToClient, at: number): ReadonlySet<string> {
    const rules = new Set<string>()
    switch (message._tag) {
      case "OpenStandardMiningChannel.Success":
      case "OpenExtendedMiningChannel.Success":
        this.#brokenByOpen(message, rules)
        if (rules.size === 0) this.#open(message)
        break
      case "OpenMiningChannel.Error":
        if (!this.requests.delete(message.requestId)) rules.add("known-request-id")
        break
      case "NewMiningJob":
      case "NewExtendedMiningJob":
        if (this.addressed(message.channelId).length === 0) break
        this.#brokenByJob(message, rules)
        if (rules.size === 0) this.#addJob(message)
        break
      case "SetNewPrevHash": {
        const channels = this.addressed(message.channelId)
        if (channels.length === 0) break
        const isSent = (channel: ModelChannel) => channel.jobs.get(message.jobId)?.state === "future"
        const toGroup = !this.channels.has(message.channelId)
        if (toGroup && this.#end === "server" && this.#groupJobs.get(message.channelId)?.has(message.jobId) !== true) {
          rules.add("prev-hash-names-future-job")
        }
        if (!channels.every(isSent)) rules.add("prev-hash-names-future-job")
        if (rules.size === 0) for (const channel of channels) setPrevHash(channel, message, at)
        break
      }
      case "SetTarget": {
        const target = number(message.maximumTarget)
        const channels = this.addressed(message.channelId)
        if (channels.some(({ maxTarget }) => target > maxTarget)) rules.add("target-within-maximum")
        if (rules.size === 0) for (const channel of channels) channel.target = target
        break
      }
      case "SetExtranoncePrefix": {
        const channel = this.channels.get(message.channelId)
        if (channel === undefined && this.addressed(message.channelId).length > 0)
          rules.add("extranonce-prefix-for-channel")
        if (channel === undefined) break
        const size = message.extranoncePrefix.length + channel.extranonceSize
        if (size > FULL_EXTRANONCE) rules.add("full-extranonce-size")
        const others = this.addressed(channel.group).filter((other) => other !== channel && other.id !== channel.id)
        if (others.some((other) => fullSize(other) !== size)) rules.add("equal-extranonce-size-in-group")
        if (rules.size === 0) channel.prefix = message.extranoncePrefix
        break
      }
      case "SetGroupChannel": {
        if (this.flags.requiresStandardJobs) rules.add("no-groups-with-standard-jobs-only")
        if (this.#channelIds.has(message.groupChannelId)) rules.add("unique-group-channel-id")
        const moved = message.channelIds.flatMap((id) => this.channels.get(id) ?? [])
        const sizes = new Set([...moved, ...this.addressed(message.groupChannelId)].map(fullSize))
        if (sizes.size > 1) rules.add("equal-extranonce-size-in-group")
        if (rules.size === 0) for (const channel of moved) this.#join(channel, message.groupChannelId)
        break
      }
      case "CloseChannel":
        this.close(message.channelId)
    }
    return rules
  }

  /**
   * Returns all error codes that fit a share. Without one, the server must accept the share, and the model remembers it. A server
   * may forget which ids it never used, so for an unknown id below the newest both stale-share and invalid-job-id fit.
   */
  refusals(share: Share, at: number): ReadonlySet<string> {
    const channel = this.channels.get(share.channelId)
    const kind = share._tag === "SubmitSharesStandard" ? "standard" : "extended"
    if (channel?.kind !== kind) return new Set(["invalid-channel-id"])
    const job = channel.jobs.get(share.jobId)
    if (job === undefined && this.flags.customJobs === true) {
      return new Set(this.#customIds.includes(share.jobId) ? ["invalid-job-id", "stale-share"] : ["invalid-job-id"])
    }
    if (job === undefined) {
      const first = Math.min(...channel.jobs.keys())
      const last = Math.max(...[...this.channels.values()].flatMap(({ jobs }) => [...jobs.keys()]))
      const mayBeForgotten = share.jobId >= first && share.jobId <= last
      return new Set(mayBeForgotten ? ["invalid-job-id", "stale-share"] : ["invalid-job-id"])
    }
    if (job.state === "future") return new Set(["invalid-job-id"])
    if (job.state === "stale") return new Set(["stale-share"])

    const codes = new Set<string>()
    const { at: since, minNtime } = channel.prevHash!
    const extranonce = share._tag === "SubmitSharesExtended" ? share.extranonce : new Uint8Array(0)
    if (extranonce.length !== channel.extranonceSize) codes.add("bad-extranonce-size")
    if (share.version !== job.version) {
      if (!job.rolling) codes.add("version-rolling-not-allowed")
      else if (((share.version ^ job.version) & ~BIP323) !== 0) codes.add("invalid-non-rollable-version-bit")
    }
    if (share.ntime < (job.minNtime ?? minNtime) || share.ntime > minNtime + (at - since) / 1000)
      codes.add("invalid-share")
    const digest = headerHash(channel.prevHash!, job.root(extranonce), share)
    if (number(digest) > job.target) codes.add("difficulty-too-low")
    const key = digest.toString("hex")
    if (this.#accepted.has(key)) codes.add("duplicate-share")
    else if (channel.accepted >= this.#maxSharesPerPrevHash) codes.add("too-many-shares")
    if (codes.size === 0) {
      this.#accepted.add(key)
      channel.accepted++
    }
    return codes
  }

  #brokenByOpen(
    message: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess,
    rules: Set<string>
  ): void {
    const kind = message._tag === "OpenStandardMiningChannel.Success" ? "standard" : "extended"
    const size = "extranonceSize" in message ? message.extranonceSize : 0
    const request = this.requests.get(message.requestId)
    if (request?.kind !== kind) rules.add("known-request-id")
    if (request !== undefined && number(message.target) > request.maxTarget) rules.add("target-within-maximum")
    if (request !== undefined && size < request.minExtranonceSize) rules.add("minimum-extranonce-size")
    if (message.extranoncePrefix.length + size > FULL_EXTRANONCE) rules.add("full-extranonce-size")
    if (this.#channelIds.has(message.channelId) || this.#groupIds.has(message.channelId)) rules.add("unique-channel-id")
    const { channelId, groupChannelId } = message
    if (groupChannelId === channelId || this.#channelIds.has(groupChannelId)) rules.add("unique-group-channel-id")
    const fits = (other: ModelChannel) => fullSize(other) === message.extranoncePrefix.length + size
    if (!this.addressed(groupChannelId).every(fits)) rules.add("equal-extranonce-size-in-group")
  }

  #open(message: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess): void {
    const { channelId, extranoncePrefix, groupChannelId, requestId, target } = message
    const { kind, maxTarget } = this.requests.get(requestId)!
    this.requests.delete(requestId)
    const channel: ModelChannel = {
      id: channelId,
      kind,
      extranonceSize: "extranonceSize" in message ? message.extranonceSize : 0,
      prefix: extranoncePrefix,
      target: number(target),
      maxTarget,
      group: -1,
      jobs: new Map(),
      mined: undefined,
      prevHash: undefined,
      accepted: 0,
      acceptedOn: new Map()
    }
    this.channels.set(channelId, channel)
    this.#channelIds.add(channelId)
    this.#join(channel, groupChannelId)
  }

  #join(channel: ModelChannel, group: number): void {
    // A channel that joins a group without members does not know the jobs sent to the group before.
    if (this.addressed(group).length === 0) this.#groupJobs.delete(group)
    this.#groupIds.add(group)
    channel.group = group
  }

  #brokenByJob(message: Mining.NewMiningJob | Mining.NewExtendedMiningJob, rules: Set<string>): void {
    const channel = this.channels.get(message.channelId)
    if (message._tag === "NewMiningJob") {
      if (channel?.kind !== "standard") rules.add("standard-job-for-standard-channel")
    } else {
      if (this.flags.requiresStandardJobs) rules.add("no-extended-jobs-with-standard-jobs-only")
      if (channel?.kind === "standard") rules.add("extended-job-for-extended-or-group-channel")
      if (this.flags.requiresVersionRolling && !message.versionRollingAllowed) rules.add("version-rolling-was-required")
      if (this.flags.fixedVersion && message.versionRollingAllowed) rules.add("version-is-fixed")
    }
    const channels = this.addressed(message.channelId)
    // 5.1: each channel has its own part of the search space.
    const prefixes = channels.map(({ prefix }) => Buffer.from(prefix).toString("hex"))
    const isAlike = (one: string, at: number) => prefixes.some((other, i) => i !== at && one.startsWith(other))
    if (message._tag === "NewExtendedMiningJob" && prefixes.some(isAlike)) rules.add("unique-search-space")
    const isInUse = ({ jobs }: ModelChannel) => ["future", "active"].includes(jobs.get(message.jobId)?.state ?? "")
    if (channels.some(isInUse)) rules.add("unique-job-id")
    const isFirst = channels.every(({ prevHash }) => prevHash === undefined)
    if (message.minNtime !== undefined && isFirst) rules.add("first-job-is-future")
  }

  #addJob(message: Mining.NewMiningJob | Mining.NewExtendedMiningJob): void {
    const { channelId, jobId, minNtime, version } = message
    if (!this.channels.has(channelId)) {
      const jobs = this.#groupJobs.get(channelId) ?? new Set()
      this.#groupJobs.set(channelId, jobs.add(jobId))
    }
    for (const channel of this.addressed(channelId)) {
      const { prefix } = channel
      const job: ModelJob = {
        jobId,
        version,
        rolling: message._tag === "NewExtendedMiningJob" ? message.versionRollingAllowed : !this.flags.fixedVersion,
        root:
          message._tag === "NewMiningJob"
            ? () => Buffer.from(message.merkleRoot)
            : (extranonce) => merkleRoot(message, prefix, extranonce),
        prefix,
        state: "future",
        target: 0n
      }
      channel.jobs.set(jobId, job)
      if (minNtime !== undefined && channel.prevHash !== undefined) activate(channel, job)
    }
  }
}

const activate = (channel: ModelChannel, job: ModelJob): void => {
  job.state = "active"
  job.target = channel.target
  channel.mined = job
}

const setPrevHash = (channel: ModelChannel, message: Mining.SetNewPrevHash, at: number): void => {
  const { minNtime, nbits, prevHash } = message
  for (const job of channel.jobs.values()) if (job.jobId !== message.jobId) job.state = "stale"
  channel.prevHash = { prevHash, minNtime, nbits, at }
  channel.accepted = 0
  activate(channel, channel.jobs.get(message.jobId)!)
}

const fullSize = ({ extranonceSize, prefix }: ModelChannel): number => prefix.length + extranonceSize

/** Computes the merkle root exactly as 5.3.16 describes it. */
const merkleRoot = (
  job: Pick<Mining.NewExtendedMiningJob, "coinbaseTxPrefix" | "coinbaseTxSuffix" | "merklePath">,
  prefix: Uint8Array,
  extranonce: Uint8Array
): Buffer => {
  let root = sha256d(job.coinbaseTxPrefix, prefix, extranonce, job.coinbaseTxSuffix)
  for (const leaf of job.merklePath) root = sha256d(root, leaf)
  return root
}

export const headerHash = (
  { nbits, prevHash }: ModelPrevHash,
  root: Uint8Array,
  share: { readonly version: number; readonly ntime: number; readonly nonce: number }
): Buffer => {
  const header = Buffer.alloc(80)
  header.writeUInt32LE(share.version, 0)
  header.set(prevHash, 4)
  header.set(root, 36)
  header.writeUInt32LE(share.ntime, 68)
  header.writeUInt32LE(nbits, 72)
  header.writeUInt32LE(share.nonce, 76)
  return sha256d(header)
}

/** The number of 32 little-endian bytes. */
export const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`)

const sha256d = (...parts: ReadonlyArray<Uint8Array>): Buffer => sha256(sha256(Buffer.concat(parts)))
const sha256 = (data: Uint8Array): Buffer => hash("sha256", data, "buffer")

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
