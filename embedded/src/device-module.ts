/**
 * The device module (docs/device.md) for JavaScript: wraps the WebAssembly that runs on a miner with typed arrays and events.
 *
 * `receive` takes bytes and gives events. Call `take` for the bytes to send after every call. The caller passes the time, in
 * milliseconds of a clock with any start, and gives random bytes to `connect`.
 */
import { MiningDevice } from "@sluice/core"
import { DEVICE_RULES, type DeviceModuleEvent, type DeviceModuleWork } from "./device-event.ts"

export interface DeviceModuleOptions {
  /** The longest message to accept, in bytes: from 512 to the limit of the profile. Default 2048. */
  readonly maxPayload?: number
}

/** The device's description and its server. Texts have at most 255 bytes of UTF-8. */
export interface DeviceModuleSettings {
  readonly user: string
  readonly vendor: string
  readonly hardware?: string
  readonly firmware?: string
  readonly deviceId?: string
  /** The server as it was dialled. */
  readonly host?: string
  readonly port?: number
  /** The pool's authority key, 32 bytes (x-only). Without it, the connection is plain. */
  readonly authorityKey: Uint8Array | undefined
  /** Hashes a second. */
  readonly nominalHashRate: number
  /** The easiest target, 32 bytes little-endian. Default any. */
  readonly maxTarget?: Uint8Array
  /** Flags of SetupConnection (5.3.1). Profile header-only always requires standard jobs. */
  readonly flags?: number
  /** Requests an extended channel with at least this many bytes of extranonce, if the profile has extended channels. */
  readonly extended?: { readonly minExtranonceSize: number }
  /** The time limit for each answer of the server, in milliseconds. Default 0: none. */
  readonly timeoutMs?: number
  /** Seconds by which the clocks of both ends may differ, for the certificate's dates. Default 10. */
  readonly clockToleranceSeconds?: number
}

export interface DeviceModuleShare {
  readonly jobId: number
  readonly nonce: number
  readonly ntime: number
  readonly version: number
  /** The extranonce, only on an extended channel. */
  readonly extranonce?: Uint8Array
}

/** The reason why a share was not submitted. */
export type DeviceRefusal = "no-channel" | "stale" | "version" | "ntime" | "no-room" | "extranonce"

export class DeviceModule {
  readonly #exports: Exports
  readonly #memory: Uint8Array

  /** The module's bytes (`deviceModule`); compiled and instantiated here, with a memory of its own. Throws where `maxPayload`
   * is not what the profile allows. */
  constructor(bytes: Uint8Array<ArrayBuffer>, options: DeviceModuleOptions = {}) {
    const { maxPayload = 2048 } = options
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as unknown as Exports
    if (this.#exports.create(maxPayload) === 0) {
      throw new RangeError(
        `expected a maxPayload of 512 bytes or more that the module's profile allows, got ${maxPayload}`
      )
    }
    // The memory does not grow after `create`.
    this.#memory = new Uint8Array(this.#exports.memory.buffer)
  }

  /** Sets the configuration of the next connection. Throws if a text is longer than 255 bytes. */
  configure(settings: DeviceModuleSettings): void {
    const module = this.#exports
    this.#setText("user", MiningDevice.TEXT_USER, settings.user)
    this.#setText("vendor", MiningDevice.TEXT_VENDOR, settings.vendor)
    this.#setText("hardware", MiningDevice.TEXT_HARDWARE, settings.hardware ?? "")
    this.#setText("firmware", MiningDevice.TEXT_FIRMWARE, settings.firmware ?? "")
    this.#setText("deviceId", MiningDevice.TEXT_DEVICE_ID, settings.deviceId ?? "")
    this.#setText("host", MiningDevice.TEXT_HOST, settings.host ?? "")
    module.setPort(settings.port ?? 0)
    module.setFlags(settings.flags ?? 0)
    module.setNominalHashRate(settings.nominalHashRate)
    module.setMaxTarget(this.#put(settings.maxTarget ?? new Uint8Array(32).fill(0xff), 32))
    module.setPlain(settings.authorityKey === undefined ? 1 : 0)
    if (settings.authorityKey !== undefined) module.setAuthorityKey(this.#put(settings.authorityKey, 32))
    module.setTimeout(settings.timeoutMs ?? 0)
    module.setClockTolerance(settings.clockToleranceSeconds ?? 10)
    const { extended } = settings
    if (extended !== undefined && module.setExtended === undefined) {
      throw new RangeError("expected a module of a profile with extended channels, got profile header-only")
    }
    module.setExtended?.(extended === undefined ? 0 : 1, extended?.minExtranonceSize ?? 0)
  }

  /**
   * Begins a connection with 64 random bytes. `unixSeconds` is for the certificate's dates; 0 leaves them unchecked. False
   * where the random bytes make no key, which does not happen.
   */
  connect(random: Uint8Array, unixSeconds: number, nowMs: number): boolean {
    return this.#exports.connect(this.#put(random, 64), unixSeconds, nowMs) !== 0
  }

  /** Clears the connection and its keys. */
  disconnect(): void {
    this.#exports.disconnect()
  }

  /** Passes any number of received bytes to the module and gives the events. `Failed` is the last event. */
  receive(bytes: Uint8Array, nowMs: number): ReadonlyArray<DeviceModuleEvent> {
    const module = this.#exports
    const events: Array<DeviceModuleEvent> = []
    module.tick(nowMs)
    let at = 0
    do {
      const place = module.receiveAt()
      const length = Math.min(module.receiveRoom(), bytes.length - at)
      this.#memory.set(bytes.subarray(at, at + length), place)
      module.received(length)
      at += length
      for (let kind = module.nextEvent(); kind !== MiningDevice.EVENT_NONE; kind = module.nextEvent())
        events.push(this.#event(kind))
    } while (at < bytes.length && module.state() !== 0)
    return events
  }

  /** Sets the time. Gives an event if an answer is overdue. */
  tick(nowMs: number): ReadonlyArray<DeviceModuleEvent> {
    return this.receive(NO_BYTES, nowMs)
  }

  /** Number of bytes to send. */
  get waiting(): number {
    return this.#exports.sendLength()
  }

  /** Takes a copy of all bytes to send. */
  take(): Uint8Array {
    const length = this.#exports.sendLength()
    const at = this.#exports.sendAt()
    this.#exports.sent(length)
    return this.#memory.slice(at, at + length)
  }

  /** Submits a share. Gives its sequence number, or the reason why it was not submitted. */
  submit(share: DeviceModuleShare, nowMs: number): number | DeviceRefusal {
    const module = this.#exports
    module.tick(nowMs)
    const { extranonce, jobId, nonce, ntime, version } = share
    const size = module.extranonceSize?.() ?? 0
    if (size !== (extranonce?.length ?? 0)) return this.hasChannel ? "extranonce" : "no-channel"
    const code =
      module.submitExtended === undefined
        ? module.submit(jobId, nonce, ntime, version)
        : module.submitExtended(jobId, nonce, ntime, version, this.#put(extranonce ?? NO_BYTES, size))
    return code === MiningDevice.SUBMIT_SENT ? module.sequenceNumber() >>> 0 : refusals.get(code)!
  }

  /** Sets the extranonce of the current work and updates the merkle root in its header. */
  rollExtranonce(extranonce: Uint8Array): boolean {
    const size = this.#exports.extranonceSize?.() ?? 0
    if (this.#exports.rollExtranonce === undefined || size === 0) return false
    return this.#exports.rollExtranonce(this.#put(extranonce, size)) !== 0
  }

  /** Requests a channel if there is none, for instance after it was refused or closed. */
  openChannel(): boolean {
    return this.#exports.openChannel() !== 0
  }

  /** Sends another hash rate and maximum target to the server. */
  updateChannel(nominalHashRate: number, maxTarget: Uint8Array): boolean {
    this.#exports.setNominalHashRate(nominalHashRate)
    this.#exports.setMaxTarget(this.#put(maxTarget, 32))
    return this.#exports.updateChannel() !== 0
  }

  closeChannel(reasonCode: string): boolean {
    this.#setText("reasonCode", MiningDevice.TEXT_REASON, reasonCode)
    return this.#exports.closeChannel() !== 0
  }

  /** Number of shares without an answer. */
  get pending(): number {
    return this.#exports.pendingShares()
  }

  get hasChannel(): boolean {
    return this.#exports.state() >= DEVICE_OPEN
  }

  /** The current work. */
  get work(): DeviceModuleWork | undefined {
    const module = this.#exports
    if (module.hasWork() === 0) return undefined
    return {
      jobId: module.workJobId() >>> 0,
      header: this.#bytes(module.workHeaderAt(), 80),
      target: this.#bytes(module.workTargetAt(), 32),
      version: module.workVersion() >>> 0,
      versionMask: module.workVersionMask() >>> 0,
      minNtime: module.workMinNtime() >>> 0,
      prevHashNtime: module.workPrevHashNtime() >>> 0,
      prevHashReceivedAtMs: module.workReceivedAtMs() >>> 0
    }
  }

  #event(kind: number): DeviceModuleEvent {
    const module = this.#exports
    const channelId = module.eventChannelId() >>> 0
    const jobId = module.eventJobId() >>> 0
    const value = module.eventValue() >>> 0
    switch (kind) {
      case MiningDevice.EVENT_CONNECTED:
        return { _tag: "Connected", flags: module.eventFlags() >>> 0, version: value }
      case MiningDevice.EVENT_SETUP_FAILED:
        return { _tag: "SetupFailed", flags: module.eventFlags() >>> 0, errorCode: this.#text() }
      case MiningDevice.EVENT_CHANNEL_OPEN:
        return {
          _tag: "ChannelOpen",
          channelId,
          groupChannelId: module.eventGroupChannelId() >>> 0,
          target: this.#target(),
          extranoncePrefix: this.#prefix(),
          extranonceSize: value
        }
      case MiningDevice.EVENT_OPEN_REFUSED:
        return { _tag: "OpenRefused", errorCode: this.#text() }
      case MiningDevice.EVENT_JOB_QUEUED:
        return { _tag: "JobQueued", channelId, jobId }
      case MiningDevice.EVENT_NEW_WORK:
        return { _tag: "NewWork", channelId, work: this.work!, newPrevHash: value === 1 }
      case MiningDevice.EVENT_NEW_TARGET:
        return { _tag: "NewTarget", channelId, target: this.#target() }
      case MiningDevice.EVENT_SHARES_ACCEPTED:
        return {
          _tag: "SharesAccepted",
          channelId,
          lastSequenceNumber: module.eventSequenceNumber() >>> 0,
          count: module.eventCount() >>> 0,
          answered: module.eventAnswered(),
          difficultySum: BigInt.asUintN(64, module.eventDifficultySum())
        }
      case MiningDevice.EVENT_SHARE_REFUSED:
        return {
          _tag: "ShareRefused",
          channelId,
          sequenceNumber: module.eventSequenceNumber() >>> 0,
          jobId,
          errorCode: this.#text()
        }
      case MiningDevice.EVENT_EXTRANONCE_PREFIX:
        return { _tag: "ExtranoncePrefix", channelId, extranoncePrefix: this.#prefix() }
      case MiningDevice.EVENT_GROUP_CHANGED:
        return { _tag: "GroupChanged", channelId, groupChannelId: module.eventGroupChannelId() >>> 0 }
      case MiningDevice.EVENT_UPDATE_REFUSED:
        return { _tag: "UpdateRefused", channelId, errorCode: this.#text() }
      case MiningDevice.EVENT_CHANNEL_CLOSED:
        return { _tag: "ChannelClosed", channelId, reasonCode: this.#text() }
      case MiningDevice.EVENT_RECONNECT:
        return { _tag: "Reconnect", host: this.#text(), port: value }
      case MiningDevice.EVENT_IGNORED:
        return { _tag: "Ignored", messageType: module.eventMessageType(), reason: ignoredReasons[value]! }
      case MiningDevice.EVENT_FAILED: {
        const rule = module.eventRule()
        const messageType = module.eventMessageType()
        const { name, section } = DEVICE_RULES.get(rule)!
        return {
          _tag: "Failed",
          rule,
          ruleName: name,
          section,
          messageType: messageType < 0 ? undefined : messageType,
          detail: value
        }
      }
      default:
        throw new Error(`the device module gave event ${kind}, which this loader does not know`)
    }
  }

  #target(): Uint8Array {
    return this.#bytes(this.#exports.targetAt(), 32)
  }

  #prefix(): Uint8Array {
    return this.#bytes(this.#exports.extranoncePrefixAt(), this.#exports.extranoncePrefixLength())
  }

  #text(): string {
    return decoder.decode(this.#bytes(this.#exports.eventTextAt(), this.#exports.eventTextLength()))
  }

  #bytes(at: number, length: number): Uint8Array {
    return this.#memory.slice(at, at + length)
  }

  /** Copies bytes into the exchange and gives their address. */
  #put(bytes: Uint8Array, size: number): number {
    if (bytes.length !== size) throw new RangeError(`expected ${size} bytes, got ${bytes.length}`)
    const at = this.#exports.exchangeAt()
    this.#memory.set(bytes, at)
    return at
  }

  #setText(name: string, text: number, value: string): void {
    const bytes = encoder.encode(value)
    if (bytes.length > 255) throw new RangeError(`${name} has at most 255 bytes, got ${bytes.length}`)
    const at = this.#exports.exchangeAt()
    this.#memory.set(bytes, at)
    this.#exports.setText(text, at, bytes.length)
  }
}

const NO_BYTES = new Uint8Array(0)
const DEVICE_OPEN = 5
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const ignoredReasons = ["unexpected-message", "unknown-channel", "unknown-share"] as const
const refusals: ReadonlyMap<number, DeviceRefusal> = new Map([
  [MiningDevice.SUBMIT_NO_CHANNEL, "no-channel"],
  [MiningDevice.SUBMIT_STALE, "stale"],
  [MiningDevice.SUBMIT_VERSION, "version"],
  [MiningDevice.SUBMIT_NTIME, "ntime"],
  [MiningDevice.SUBMIT_NO_ROOM, "no-room"],
  [MiningDevice.SUBMIT_EXTRANONCE, "extranonce"]
])

/** The exports of assembly/device/exports.ts. Numbers are 32-bit patterns, `bool` is 0 or 1. */
interface Exports extends Readonly<
  Record<
    | "create"
    | "setText"
    | "setPort"
    | "setFlags"
    | "setNominalHashRate"
    | "setMaxTarget"
    | "setAuthorityKey"
    | "setPlain"
    | "setTimeout"
    | "setClockTolerance"
    | "connect"
    | "tick"
    | "received"
    | "sent"
    | "submit",
    (...args: ReadonlyArray<number>) => number
  >
> {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly exchangeAt: () => number
  readonly disconnect: () => void
  readonly state: () => number
  readonly receiveAt: () => number
  readonly receiveRoom: () => number
  readonly sendAt: () => number
  readonly sendLength: () => number
  readonly nextEvent: () => number
  readonly eventRule: () => number
  readonly eventMessageType: () => number
  readonly eventChannelId: () => number
  readonly eventGroupChannelId: () => number
  readonly eventJobId: () => number
  readonly eventSequenceNumber: () => number
  readonly eventCount: () => number
  readonly eventAnswered: () => number
  readonly eventDifficultySum: () => bigint
  readonly eventFlags: () => number
  readonly eventValue: () => number
  readonly eventTextAt: () => number
  readonly eventTextLength: () => number
  readonly targetAt: () => number
  readonly extranoncePrefixAt: () => number
  readonly extranoncePrefixLength: () => number
  readonly openChannel: () => number
  readonly updateChannel: () => number
  readonly closeChannel: () => number
  readonly hasWork: () => number
  readonly workHeaderAt: () => number
  readonly workTargetAt: () => number
  readonly workJobId: () => number
  readonly workVersion: () => number
  readonly workVersionMask: () => number
  readonly workMinNtime: () => number
  readonly workPrevHashNtime: () => number
  readonly workReceivedAtMs: () => number
  // Only in profiles with extended channels.
  readonly setExtended?: (extended: number, minExtranonceSize: number) => void
  readonly extranonceSize?: () => number
  readonly rollExtranonce?: (at: number) => number
  readonly submitExtended?: (jobId: number, nonce: number, ntime: number, version: number, at: number) => number
  readonly sequenceNumber: () => number
  readonly pendingShares: () => number
}
