/**
 * One V1 miner as the client of a V2 server: a pure machine. Lines of the miner and messages of the role above in, lines and
 * messages out. It reads no clock and no socket.
 *
 * The miner's worker opens an extended channel. Where the channel is open before the miner has subscribed, extranonce1 is the
 * channel's prefix. But cgminer and cpuminer name their worker only when their subscribe is answered, and a channel needs the
 * worker: they get an extranonce1 of the translator's own, out of the bytes that the channel will let it roll, and the
 * channel's prefix stands at the end of the coinbase prefix in their jobs.
 */
import type { Outbox } from "@sluice/channels"
import { Mining, printable, WorkerIdentity } from "@sluice/protocol"
import {
  type EncodedLine,
  type Line,
  type LineError,
  passwordDifficulty,
  Server,
  type Subscription
} from "@sluice/stratum-v1"
import type { Device } from "@sluice/transport"
import { shareRefusal, workerRefusal } from "./answers.ts"
import { concat, MinerChannel, type MinerJob, NOTHING, prefixSubscription, withZeros } from "./channel.ts"
import { EasyShares } from "./easy-share.ts"
import type { MinerEvent } from "./event.ts"
import { type Firmware, firmwareOf } from "./firmware.ts"
import type { ListenerRules } from "./options.ts"
import { type JobOrigin, SharedJobs } from "./shared-jobs.ts"
import { Wishes } from "./wishes.ts"
import { identityOf, userOf, workerNameOf } from "./worker.ts"

export type MinerOutbox = Outbox<Mining.ToServer, MinerEvent>

/** What all miners of a listener share. */
export interface MinerContext {
  readonly rules: ListenerRules
  readonly jobs: SharedJobs
  /** An extranonce1 for a miner whose channel is not open yet. */
  readonly nextExtranonce1: () => Uint8Array
}

/** `now` in milliseconds since 1970. */
export const minerContext = (rules: ListenerRules, now: number): MinerContext => {
  let next = 0
  const nextExtranonce1 = () => Uint8Array.of(next++)
  return { rules, jobs: new SharedJobs(now), nextExtranonce1 }
}

/** The size of an extranonce1 that is not the channel's prefix. The prefix makes it unique; this only makes it look so. */
const OWN_EXTRANONCE1 = 1

/** Miners are looked at every 5 seconds, so that none hears nothing for more than 30: some firmware gives up after 60. */
const KEEP_ALIVE_MS = 25_000

/** The jobs of a block that a miner may submit for. A server may send a job in many variants, one for each harder target. */
const MAX_JOBS = 64

/** What a miner is told of its extranonce. */
type Extranonce = Omit<Subscription, "session">

/** A worker that waits for a channel. */
interface Asked extends Pick<Server.Authorize, "request"> {
  readonly identity: string
  /** The request for the channel; undefined until it is sent, or where the worker waits for another's. */
  requestId: number | undefined
}

export class Miner {
  /** Known better when more of the miner's lines have come. */
  readonly device: { -readonly [Key in keyof Device]: Device[Key] } = {
    vendor: "",
    hardwareVersion: "",
    firmware: "",
    deviceId: ""
  }
  /** Whether the miner has begun to speak: then it is worth the role's attention. */
  started = false
  readonly #context: MinerContext
  readonly #server: Server.Connection<JobOrigin>
  readonly #wishes: Wishes
  readonly #easyShares = new EasyShares()
  /** Subscribe, while it is not answered. */
  #subscribe: Server.Request | undefined
  /** The extranonce that the miner was told, if it is not the channel's prefix. */
  #own: Extranonce | undefined
  #hasSubscribed = false
  #asked: ReadonlyArray<Asked> = []
  #channel: MinerChannel | undefined
  #requestId = 0
  #rollsVersions = true
  #namesWorkers = false
  /** What stands for the channel's other workers in their shares (extension 0x0002), by the names that they authorize with. */
  #others: Map<string, string> | undefined
  #lastJobId: string | undefined
  /** The prefix of the job that waits for the miner to subscribe, if the channel has another by now. */
  #firstPrefix: Uint8Array | undefined
  #versionMask: number
  #firmware: Firmware | undefined
  #warned: Set<string> | undefined
  #hasEnded = false

  /** `now` in milliseconds. */
  constructor(context: MinerContext, now: number) {
    const { nominalHashRate, versionMask } = context.rules
    this.#context = context
    this.#versionMask = versionMask
    this.#server = new Server.Connection(now, {
      versionMask,
      maxJobs: MAX_JOBS,
      keepsStaleJobs: true,
      keepAliveMs: KEEP_ALIVE_MS
    })
    this.#wishes = new Wishes(nominalHashRate)
  }

  /** Whether a worker waits for what becomes of another's request for a channel. */
  get hasWaiting(): boolean {
    return this.#asked.length > 1
  }

  /** What was agreed with the role above: before the first message of it, and after the miner has `started`. */
  agree(flags: number, extensions: ReadonlyArray<number>): void {
    this.#rollsVersions = (flags & Mining.REQUIRES_FIXED_VERSION) === 0
    this.#namesWorkers = extensions.includes(WorkerIdentity.extension.id)
    if (!this.#rollsVersions) this.#allowVersionBits(false)
  }

  /** The lines of one read. */
  receive(lines: ReadonlyArray<Line>, out: MinerOutbox): void {
    for (const event of this.#server.receive(lines)) this.#onEvent(event, out)
    this.#settle(out)
  }

  /** What the reader of lines failed with: the miner is told, and the connection ends. */
  fail(error: LineError, out: MinerOutbox): void {
    for (const event of this.#server.fail(error)) this.#onEvent(event, out)
  }

  /** To be called every few seconds. */
  tick(now: number, out: MinerOutbox): void {
    for (const event of this.#server.tick(now)) this.#onEvent(event, out)
  }

  /** The lines to be sent, in one write (`joinLines`). */
  takeLines(now: number): ReadonlyArray<EncodedLine> {
    return this.#server.takeLines(now)
  }

  /** The messages of one write of the role above. */
  deliver(messages: ReadonlyArray<Mining.ToClient>, out: MinerOutbox): void {
    for (const message of messages) {
      if (this.#hasEnded) return
      this.#deliver(message, out)
    }
    this.#settle(out)
  }

  #onEvent(event: Server.ServerEvent<JobOrigin>, out: MinerOutbox): void {
    switch (event._tag) {
      case "Submit":
        return this.#onSubmit(event, out)
      case "Subscribe": {
        this.started = true
        this.#subscribe = event.request
        if (event.userAgent !== undefined) this.#setFirmware(event.userAgent, out)
        return
      }
      case "Authorize":
        this.started = true
        return this.#onAuthorize(event, out)
      case "Suggested":
        if (this.#wishes.suggest(event)) this.#update(out)
        return
      case "Configured":
        return this.#onConfigured(event, out)
      case "DeviceVersion":
        return this.#setFirmware(event.version, out)
      case "Refused": {
        const reason = typeof event.reason === "string" ? event.reason : event.reason.message
        out.events.push({ _tag: "LineRefused", message: `${event.method} is refused: ${reason}` })
        return
      }
      case "Closing":
        return this.#end(event.reason.message, out)
    }
  }

  #onConfigured(event: Server.Configured, out: MinerOutbox): void {
    const { device } = this
    device.hardwareVersion = short(event.hardwareVersion ?? device.hardwareVersion)
    device.firmware = short(event.softwareVersion ?? device.firmware)
    device.deviceId = short(event.hardwareId ?? device.deviceId)
    if (event.minimumDifficulty === undefined) return
    this.#wishes.atLeast(event.minimumDifficulty)
    this.#update(out)
  }

  #onAuthorize({ password, request, worker }: Server.Authorize, out: MinerOutbox): void {
    const identity = identityOf(worker)
    if (identity === undefined) {
      const text = "expected a worker's name of 1 to 255 bytes without invisible characters"
      out.events.push({ _tag: "LineRefused", message: `mining.authorize is refused: ${text}` })
      return this.#server.refuse(request, workerRefusal(text))
    }
    const difficulty = passwordDifficulty(password)
    if (difficulty !== undefined) this.#wishes.atLeast(difficulty)
    this.#warnOfName(worker, out)
    if (this.#channel !== undefined) {
      this.#join({ identity, request, requestId: undefined }, this.#channel, out)
      if (difficulty !== undefined) this.#update(out)
    } else this.#asked = [...this.#asked, { identity, request, requestId: undefined }]
  }

  /** Admits a worker to the channel that its connection has. */
  #join({ identity, request }: Asked, channel: MinerChannel, out: MinerOutbox): void {
    if (userOf(identity) === userOf(channel.identity)) {
      if (identity !== channel.identity) {
        this.#others ??= new Map()
        this.#others.set(request.worker, workerNameOf(identity))
      }
      return this.#server.accept(request)
    }
    // All jobs of a connection have the same extranonce1, so that all its shares are shares of one channel.
    const text = `this connection mines for ${userOf(channel.identity)}; another user needs a connection of its own`
    out.events.push({ _tag: "LineRefused", message: `mining.authorize of ${printable(identity)} is refused: ${text}` })
    this.#server.refuse(request, workerRefusal(text))
  }

  /** After each batch: asks for a channel if a worker needs one, and answers subscribe if nothing has to come before. */
  #settle(out: MinerOutbox): void {
    if (this.#hasEnded || !this.started) return
    const [first] = this.#asked
    if (first !== undefined && first.requestId === undefined && this.#channel === undefined) this.#open(first, out)
    if (this.#subscribe === undefined || (this.#asked.length > 0 && this.#channel === undefined)) return
    const request = this.#subscribe
    this.#subscribe = undefined
    this.#hasSubscribed = true
    if (this.#channel === undefined) {
      const { nextExtranonce1, rules } = this.#context
      this.#own = { extranonce1: nextExtranonce1(), extranonce2Size: rules.extranonce2Size }
      this.#answerSubscribe(request, this.#own)
    } else {
      const { extranonceSize, prefix } = this.#channel
      const subscription = prefixSubscription(this.#firstPrefix ?? prefix, extranonceSize)
      this.#channel.lead = withZeros(NOTHING, extranonceSize - subscription.extranonce2Size)
      this.#answerSubscribe(request, subscription)
      if (this.#firstPrefix !== undefined) this.#tellPrefix(prefix, this.#channel, out)
    }
    if (this.#firmware === undefined && this.device.vendor === "") this.#server.askVersion()
  }

  #answerSubscribe(request: Server.Request, subscription: Extranonce): void {
    const session = Buffer.from(subscription.extranonce1).toString("hex")
    this.#server.answerSubscribe(request, { session, ...subscription })
  }

  #open(asked: Asked, out: MinerOutbox): void {
    this.#requestId = (this.#requestId + 1) >>> 0
    asked.requestId = this.#requestId
    out.messages.push({
      _tag: "OpenExtendedMiningChannel",
      requestId: this.#requestId,
      userIdentity: asked.identity,
      nominalHashRate: this.#wishes.nominalHashRate,
      maxTarget: this.#wishes.maxTarget,
      minExtranonceSize: this.#leastExtranonce
    })
  }

  /** How many bytes the channel must let the miner roll. */
  get #leastExtranonce(): number {
    const { extranonce2Size } = this.#context.rules
    return this.#own === undefined ? extranonce2Size : OWN_EXTRANONCE1 + extranonce2Size
  }

  /** Tells the role above what the miner asks for now. */
  #update(out: MinerOutbox): void {
    const channel = this.#channel
    if (channel === undefined) return
    const { maxTarget: maximumTarget, nominalHashRate } = this.#wishes
    out.messages.push({ _tag: "UpdateChannel", channelId: channel.id, nominalHashRate, maximumTarget })
  }

  #onSubmit(submit: Server.Submit<JobOrigin>, out: MinerOutbox): void {
    const { extranonce2, held, nonce, ntime, request, version, worker } = submit
    // A miner that is told of jobs has a channel.
    const channel = this.#channel!
    if (this.#easyShares.has(submit)) return this.#server.accept(request)
    const sequenceNumber = channel.submit(request)
    const message: Mining.SubmitSharesExtended = {
      _tag: "SubmitSharesExtended",
      channelId: channel.id,
      sequenceNumber,
      jobId: held.job.work.message.jobId,
      nonce,
      ntime,
      version,
      extranonce: concat(channel.lead, extranonce2)
    }
    const userIdentity = this.#namesWorkers ? this.#others?.get(worker) : undefined
    out.messages.push(userIdentity === undefined ? message : WorkerIdentity.UserIdentity.put(message, { userIdentity }))
  }

  #deliver(message: Mining.ToClient, out: MinerOutbox): void {
    switch (message._tag) {
      case "OpenExtendedMiningChannel.Success":
        return this.#onOpened(message, out)
      case "OpenMiningChannel.Error":
        return this.#onOpenRefused(message, out)
      case "Reconnect":
        return this.#reconnect("the server asks miners to connect again", out)
      case "SetCustomMiningJob.Success":
      case "SetCustomMiningJob.Error":
      case "OpenStandardMiningChannel.Success":
      case "NewMiningJob":
      case "ChannelEndpointChanged":
        return
    }
    const channel = this.#channel
    if (channel === undefined) return
    switch (message._tag) {
      case "SubmitShares.Success": {
        if (message.channelId !== channel.id) return
        for (const request of channel.takeAccepted(message)) this.#server.accept(request)
        return
      }
      case "SubmitShares.Error": {
        if (message.channelId !== channel.id) return
        const request = channel.takeRefused(message.sequenceNumber)
        if (request !== undefined) this.#server.refuse(request, shareRefusal(message.errorCode))
        return
      }
      case "NewExtendedMiningJob":
        if (channel.isAddressed(message.channelId)) this.#onJob(message, channel, out)
        return
      case "SetNewPrevHash":
        if (channel.isAddressed(message.channelId)) this.#onPrevHash(message, channel, out)
        return
      case "SetTarget":
        if (channel.isAddressed(message.channelId)) this.#setTarget(message.maximumTarget, out)
        return
      case "SetExtranoncePrefix":
        if (message.channelId === channel.id) this.#onPrefix(message.extranoncePrefix, channel, out)
        return
      case "SetGroupChannel":
        if (message.channelIds.includes(channel.id)) channel.groupId = message.groupChannelId
        return
      case "UpdateChannel.Error":
        if (message.channelId === channel.id) {
          this.#warn(
            "update",
            `the difficulty that the miner asks for is refused: ${printable(message.errorCode)}`,
            out
          )
        }
        return
      case "CloseChannel": {
        if (!channel.isAddressed(message.channelId)) return
        const reason = printable(message.reasonCode)
        for (const request of channel.pending.values()) this.#server.refuse(request, shareRefusal("invalid-channel-id"))
        this.#server.showMessage(`The pool closed the channel: ${reason}`)
        return this.#end(`the server closed the miner's channel: ${reason}`, out)
      }
    }
  }

  #onOpened(message: Mining.OpenExtendedMiningChannelSuccess, out: MinerOutbox): void {
    const [first, ...others] = this.#asked
    if (first === undefined || first.requestId !== message.requestId) return
    const least = this.#leastExtranonce
    if (this.#isTooLong(message.extranoncePrefix, message.extranonceSize, out)) return
    if (message.extranonceSize < least) {
      return this.#end(`the server gave ${message.extranonceSize} bytes of extranonce; expected ${least} at least`, out)
    }
    this.#asked = []
    const channel = new MinerChannel(first.identity, message)
    this.#channel = channel
    this.#placePrefix(channel.prefix, channel, out)
    this.#setTarget(message.target, out)
    this.#server.accept(first.request)
    for (const other of others) this.#join(other, channel, out)
  }

  /** The prefix holds for later jobs. It is in the coinbase of a miner that was told another extranonce1. */
  #placePrefix(prefix: Uint8Array, channel: MinerChannel, out: MinerOutbox): void {
    if (this.#own === undefined) {
      if (this.#hasSubscribed) this.#tellPrefix(prefix, channel, out)
      return
    }
    const { extranonce1, extranonce2Size } = this.#own
    const zeros = channel.extranonceSize - extranonce1.length - extranonce2Size
    channel.lead = concat(withZeros(NOTHING, zeros), extranonce1)
    this.#server.setCoinbaseInsert(withZeros(prefix, zeros))
  }

  #onOpenRefused({ errorCode, requestId }: Mining.OpenMiningChannelError, out: MinerOutbox): void {
    const [first, ...others] = this.#asked
    if (first === undefined || first.requestId !== requestId) return
    this.#asked = others
    const text = refusalTexts.get(errorCode) ?? printable(errorCode)
    this.#server.refuse(first.request, workerRefusal(text))
    out.events.push({
      _tag: "LineRefused",
      message: `mining.authorize of ${printable(first.identity)} is refused: ${text}`
    })
  }

  #setTarget(target: Uint8Array, out: MinerOutbox): void {
    if (target.every((byte) => byte === 0)) return this.#end("the server sent a target that no hash meets", out)
    this.#server.setTarget(target)
  }

  #onPrefix(prefix: Uint8Array, channel: MinerChannel, out: MinerOutbox): void {
    if (this.#isTooLong(prefix, channel.extranonceSize, out)) return
    if (!this.#hasSubscribed && this.#lastJobId !== undefined) this.#firstPrefix ??= channel.prefix
    channel.prefix = prefix
    this.#placePrefix(prefix, channel, out)
  }

  #isTooLong({ length }: Uint8Array, extranonceSize: number, out: MinerOutbox): boolean {
    const size = length + extranonceSize
    if (size <= Mining.MAX_EXTRANONCE_SIZE) return false
    this.#end(`the server gave an extranonce of ${size} bytes; expected ${Mining.MAX_EXTRANONCE_SIZE} at most`, out)
    return true
  }

  #tellPrefix(prefix: Uint8Array, { extranonceSize }: MinerChannel, out: MinerOutbox): void {
    const { extranonce1, extranonce2Size } = prefixSubscription(prefix, extranonceSize)
    if (!this.#server.setExtranonce(extranonce1, extranonce2Size)) {
      this.#end("the channel's extranonce changed, which the miner does not understand: it is to connect again", out)
    }
  }

  #onJob(message: Mining.NewExtendedMiningJob, channel: MinerChannel, out: MinerOutbox): void {
    if (message.minNtime === undefined) return channel.addFutureJob(message)
    if (channel.prevHash === undefined)
      return this.#end(`the server sent job ${message.jobId} without a previous hash`, out)
    this.#notify({ message, prefix: channel.prefix }, channel.prevHash, false, channel, out)
  }

  #onPrevHash(message: Mining.SetNewPrevHash, channel: MinerChannel, out: MinerOutbox): void {
    const job = channel.futureJobs.get(message.jobId)
    channel.futureJobs.clear()
    if (job === undefined) return this.#end(`the server named job ${message.jobId}, which it has not sent`, out)
    channel.prevHash = message
    this.#notify(job, message, true, channel, out)
  }

  #notify(
    { message, prefix }: MinerJob,
    prevHash: Mining.SetNewPrevHash,
    clean: boolean,
    channel: MinerChannel,
    out: MinerOutbox
  ): void {
    const { jobs } = this.#context
    const known = jobs.get(message, prevHash, clean)
    // A server may send the same job again; ESP-Miner ignores an id that it knows.
    const job = known?.notify.jobId === this.#lastJobId ? jobs.make(message, prevHash, clean) : known
    if (job === undefined)
      return this.#end(`the server sent job ${message.jobId} with a coinbase that cannot be read`, out)
    this.#lastJobId = job.notify.jobId
    const hasOlderPrefix = prefix !== channel.prefix
    this.#firstPrefix = hasOlderPrefix ? prefix : undefined
    this.#allowVersionBits(message.versionRollingAllowed)
    this.#warnOfJob(message, out)
    if (hasOlderPrefix) this.#placePrefix(prefix, channel, out)
    this.#server.notify(job)
    if (hasOlderPrefix) this.#placePrefix(channel.prefix, channel, out)
  }

  #allowVersionBits(allowed: boolean): void {
    const mask = allowed && this.#rollsVersions ? this.#context.rules.versionMask : 0
    if (mask === this.#versionMask) return
    this.#versionMask = mask
    this.#server.setVersionMask(mask)
  }

  #reconnect(message: string, out: MinerOutbox): void {
    this.#server.reconnect()
    this.#end(message, out)
  }

  #end(message: string, out: MinerOutbox): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    out.events.push({ _tag: "Ended", message })
  }

  #setFirmware(userAgent: string, out: MinerOutbox): void {
    const [, name = "", version = ""] = /^([^/]*)\/?(.*)$/s.exec(userAgent)!
    this.device.vendor = short(name)
    if (version !== "") this.device.firmware = short(version)
    this.#firmware = firmwareOf(userAgent)
    if (this.#channel !== undefined) this.#warnOfName(this.#channel.identity, out)
  }

  #warnOfName(worker: string, out: MinerOutbox): void {
    const { maxWorker, name } = this.#firmware ?? {}
    if (maxWorker === undefined || Buffer.byteLength(worker) < maxWorker) return
    const what = `the name ${printable(worker)} has ${Buffer.byteLength(worker)} bytes`
    this.#warn("name", `${what}; ${name} firmware takes ${maxWorker} at most and may cut off the rest`, out)
  }

  #warnOfJob({ coinbaseTxPrefix, coinbaseTxSuffix, merklePath }: Mining.NewExtendedMiningJob, out: MinerOutbox): void {
    const firmware = this.#firmware
    if (firmware === undefined) return
    const { maxBranches, maxCoinbase, name } = firmware
    const channel = this.#channel!
    const size = coinbaseTxPrefix.length + channel.prefix.length + channel.extranonceSize + coinbaseTxSuffix.length
    if (maxCoinbase !== undefined && size > maxCoinbase) {
      const advice = "fewer outputs make it smaller (coinbase-outputs)"
      this.#warn(
        "coinbase",
        `the coinbase has ${size} bytes; ${name} firmware takes about ${maxCoinbase}; ${advice}`,
        out
      )
    }
    if (maxBranches !== undefined && merklePath.length > maxBranches) {
      this.#warn(
        "branches",
        `the merkle path has ${merklePath.length} hashes; ${name} firmware takes ${maxBranches}`,
        out
      )
    }
  }

  /** Warns once a connection. */
  #warn(kind: string, message: string, out: MinerOutbox): void {
    this.#warned ??= new Set()
    if (this.#warned.has(kind)) return
    this.#warned.add(kind)
    out.events.push({ _tag: "Warned", kind, message })
  }
}

/** Why a worker gets no channel, for the miner's operator. */
const refusalTexts = new Map([
  ["unknown-user", "unknown user: the server does not know this worker"],
  ["invalid-user-identity", "invalid user identity: check the worker's name"],
  ["max-target-out-of-range", "the difficulty in the password is out of range"],
  ["min-extranonce-size-too-large", "the server has not as many bytes of extranonce as this miner needs"],
  ["unsupported-min-extranonce-size", "the server has not as many bytes of extranonce as this miner needs"]
])

/** A text for SetupConnection: at most 255 bytes (STR0_255). */
const short = (text: string): string =>
  Buffer.from(text)
    .subarray(0, 255)
    .toString()
    .replace(/\ufffd+$/, "")
