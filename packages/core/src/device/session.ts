/**
 * A device's connection: handshake, SetupConnection (3.6.1), and then the messages, which a subclass handles. A machine without
 * clock, socket and randomness. Allocates only in the constructor.
 */
import { Curve } from "../curve.ts"
import { FRAME_HEADER_SIZE } from "../frame.ts"
import {
  CHANNEL_ENDPOINT_CHANGED,
  Reconnect,
  RECONNECT,
  SETUP_CONNECTION,
  SETUP_CONNECTION_ERROR,
  SETUP_CONNECTION_SUCCESS,
  SetupConnection,
  SetupConnectionError,
  SetupConnectionSuccess
} from "../messages/common.ts"
import {
  DeviceEvent,
  EVENT_CONNECTED,
  EVENT_FAILED,
  EVENT_IGNORED,
  EVENT_NONE,
  EVENT_RECONNECT,
  EVENT_SETUP_FAILED,
  IGNORED_MESSAGE
} from "./event.ts"
import {
  DeviceLink,
  LINK_FRAME,
  LINK_HANDSHAKE_FAILED,
  LINK_NOT_AUTHENTIC,
  LINK_READY,
  LINK_TOO_LARGE
} from "./link.ts"
import {
  RULE_AUTHENTIC_FRAME,
  RULE_FRAME_SIZE,
  RULE_HANDSHAKE,
  RULE_SETUP_FIRST,
  RULE_TIMEOUT,
  RULE_USED_VERSION,
  RULE_VERSION_ROLLING_AGREED,
  RULE_WELL_FORMED
} from "./rule.ts"
import { DeviceSettings, TEXT_DEVICE_ID, TEXT_FIRMWARE, TEXT_HARDWARE, TEXT_HOST, TEXT_VENDOR } from "./settings.ts"

/** Flags of SetupConnection (5.3.1). */
export const REQUIRES_STANDARD_JOBS: i32 = 1
export const REQUIRES_VERSION_ROLLING: i32 = 4
/** Flags of SetupConnection.Success. */
export const REQUIRES_FIXED_VERSION: i32 = 1
export const REQUIRES_EXTENDED_CHANNELS: i32 = 2

/** There is no connection, or it has ended. */
export const DEVICE_IDLE: i32 = 0
/** The handshake is under way. */
export const DEVICE_SHAKING_HANDS: i32 = 1
/** SetupConnection was sent. */
export const DEVICE_SETTING_UP: i32 = 2
/** Connected; no channel was requested. */
export const DEVICE_CONNECTED: i32 = 3
/** A channel was requested. */
export const DEVICE_OPENING: i32 = 4
/** The channel is open and has no work yet. */
export const DEVICE_OPEN: i32 = 5
export const DEVICE_MINING: i32 = 6

const PROTOCOL_VERSION: i32 = 2
const MINING_PROTOCOL: i32 = 0

export abstract class DeviceSession {
  readonly link: DeviceLink
  readonly settings: DeviceSettings = new DeviceSettings()
  readonly event: DeviceEvent = new DeviceEvent()
  state: i32 = DEVICE_IDLE
  /** Milliseconds of a clock with any start, which may wrap. */
  nowMs: i32 = 0
  /** Flags of SetupConnection.Success. */
  serverFlags: i32 = 0

  private deadlineMs: i32 = 0
  private readonly setupConnection: SetupConnection = new SetupConnection()
  private readonly setupSuccess: SetupConnectionSuccess = new SetupConnectionSuccess()
  private readonly setupError: SetupConnectionError = new SetupConnectionError()
  private readonly reconnect: Reconnect = new Reconnect()

  /** Has room for messages of at most `maxPayload` bytes. */
  constructor(curve: Curve, maxPayload: i32) {
    this.link = new DeviceLink(curve, maxPayload)
  }

  /** Whether the server may send only standard jobs (5.3.1). */
  abstract requiresStandardJobs(): bool

  /** The rule that the server's flags break, or 0. */
  abstract checkServerFlags(): i32

  /** Called when the setup is complete. */
  abstract agreed(): void

  /** Whether the device handles messages of this type, so that it must not skip a message that is too long. */
  abstract isUnderstood(messageType: i32): bool

  /** Handles the message in the link. Returns the event, `EVENT_NONE` for none. */
  abstract receiveMessage(messageType: i32): i32

  /** Clears the channel, its jobs and shares. */
  abstract forgetChannel(): void

  /** Begins a connection and clears the previous one: see `DeviceLink.open`. */
  connect(secret: Uint8Array, entropy: Uint8Array, nowSeconds: i32, nowMs: i32): bool {
    this.disconnect()
    this.nowMs = nowMs
    if (!this.link.open(secret, entropy, nowSeconds)) return false
    if (this.link.isPlain) this.setUp()
    else this.enter(DEVICE_SHAKING_HANDS)
    return true
  }

  /** Clears the connection, for instance after the socket was closed. */
  disconnect(): void {
    this.link.close()
    this.event.begin(EVENT_NONE)
    this.forgetChannel()
    this.serverFlags = 0
    this.state = DEVICE_IDLE
  }

  /** Sets the current time, which limits ntime and the server's answers. */
  tick(nowMs: i32): void {
    this.nowMs = nowMs
  }

  /** The next event, `EVENT_NONE` if more bytes are needed. */
  next(): i32 {
    while (this.state !== DEVICE_IDLE) {
      const step: i32 = this.link.next()
      if (step === LINK_FRAME) {
        const kind: i32 = this.receive()
        if (kind !== EVENT_NONE) return kind
      } else if (step === LINK_READY) {
        this.setUp()
      } else if (step === LINK_TOO_LARGE) {
        return this.receiveTooLarge()
      } else if (step === LINK_HANDSHAKE_FAILED) {
        return this.fail(RULE_HANDSHAKE, this.link.handshakeCode)
      } else if (step === LINK_NOT_AUTHENTIC) {
        return this.fail(RULE_AUTHENTIC_FRAME, 0)
      } else {
        return this.isLate() ? this.fail(RULE_TIMEOUT, this.state) : this.event.begin(EVENT_NONE)
      }
    }
    return this.event.begin(EVENT_NONE)
  }

  /** Sends the frame whose payload is in the link's `frame` and ends at `end`. */
  send(extensionType: i32, messageType: i32, end: i32): void {
    this.link.send(extensionType, messageType, (end - FRAME_HEADER_SIZE) | 0)
  }

  /** Enters a new state, which the next must follow in time. */
  enter(state: i32): void {
    this.state = state
    this.deadlineMs = (this.nowMs + this.settings.timeoutMs) | 0
  }

  /** Reports that the message has no effect. */
  ignore(reason: i32): i32 {
    this.event.begin(EVENT_IGNORED)
    this.event.messageType = this.link.messageType
    this.event.value = reason
    return EVENT_IGNORED
  }

  /** Ends the connection with a failure. */
  fail(rule: i32, detail: i32): i32 {
    const event = this.event
    // Failures of the handshake and timeouts have no message.
    const hasMessage: bool = rule !== RULE_HANDSHAKE && rule !== RULE_TIMEOUT && rule !== RULE_AUTHENTIC_FRAME
    this.forgetChannel()
    this.state = DEVICE_IDLE
    event.begin(EVENT_FAILED)
    event.rule = rule
    event.value = detail
    if (hasMessage) event.messageType = this.link.messageType
    return EVENT_FAILED
  }

  /** Fails if `rule` is a broken rule; returns false if it is 0. */
  failsBy(rule: i32): bool {
    if (rule === 0) return false
    this.fail(rule, 0)
    return true
  }

  /** Fails the connection if a codec could not read the message. Returns whether it did. */
  isMalformed(end: i32): bool {
    return end < 0 && this.failsBy(RULE_WELL_FORMED)
  }

  /** Completes the event with a text of the message. */
  withText(at: i32, length: i32): i32 {
    this.event.textAt = at
    this.event.textLength = length
    return this.event.kind
  }

  /** Whether an answer is overdue. */
  private isLate(): bool {
    if (this.settings.timeoutMs === 0 || this.state === DEVICE_CONNECTED || this.state === DEVICE_MINING) return false
    return ((this.nowMs - this.deadlineMs) | 0) >= 0
  }

  private setUp(): void {
    const message = this.setupConnection
    const settings = this.settings
    message.protocol = MINING_PROTOCOL
    message.minVersion = PROTOCOL_VERSION
    message.maxVersion = PROTOCOL_VERSION
    message.flags = settings.flags & ~REQUIRES_STANDARD_JOBS
    if (this.requiresStandardJobs()) message.flags = message.flags | REQUIRES_STANDARD_JOBS
    message.endpointHostAt = settings.textAt(TEXT_HOST)
    message.endpointHostLength = settings.textLength(TEXT_HOST)
    message.endpointPort = settings.port
    message.vendorAt = settings.textAt(TEXT_VENDOR)
    message.vendorLength = settings.textLength(TEXT_VENDOR)
    message.hardwareVersionAt = settings.textAt(TEXT_HARDWARE)
    message.hardwareVersionLength = settings.textLength(TEXT_HARDWARE)
    message.firmwareAt = settings.textAt(TEXT_FIRMWARE)
    message.firmwareLength = settings.textLength(TEXT_FIRMWARE)
    message.deviceIdAt = settings.textAt(TEXT_DEVICE_ID)
    message.deviceIdLength = settings.textLength(TEXT_DEVICE_ID)
    const frame = this.link.frame
    this.send(0, SETUP_CONNECTION, message.encode(settings.source, frame, FRAME_HEADER_SIZE, frame.length))
    this.enter(DEVICE_SETTING_UP)
  }

  private isCore(): bool {
    // Ignores the channel bit, which the message type implies (3.2.1).
    return (this.link.extensionType & 0x7fff) === 0
  }

  private receive(): i32 {
    if (!this.isCore()) return this.ignore(IGNORED_MESSAGE)
    const type: i32 = this.link.messageType
    if (this.state === DEVICE_SETTING_UP) return this.receiveSetup(type)
    if (type === RECONNECT) return this.receiveReconnect()
    // Only extensions keep state that they would have to clear (3.6.4).
    return type === CHANNEL_ENDPOINT_CHANGED ? EVENT_NONE : this.receiveMessage(type)
  }

  private receiveTooLarge(): i32 {
    const type: i32 = this.link.messageType
    const means: bool = type === RECONNECT || this.state === DEVICE_SETTING_UP || this.isUnderstood(type)
    if (this.isCore() && means) return this.fail(RULE_FRAME_SIZE, this.link.payloadLength)
    this.link.skipFrame()
    return this.ignore(IGNORED_MESSAGE)
  }

  private receiveSetup(type: i32): i32 {
    const link = this.link
    const event = this.event
    if (type === SETUP_CONNECTION_ERROR) {
      if (this.isMalformed(this.setupError.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
      this.state = DEVICE_IDLE
      event.begin(EVENT_SETUP_FAILED)
      event.flags = this.setupError.flags
      return this.withText(this.setupError.errorCodeAt, this.setupError.errorCodeLength)
    }
    if (type !== SETUP_CONNECTION_SUCCESS) return this.fail(RULE_SETUP_FIRST, 0)
    const message = this.setupSuccess
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (message.usedVersion !== PROTOCOL_VERSION) return this.fail(RULE_USED_VERSION, message.usedVersion)
    this.serverFlags = message.flags
    const isFixed: bool = (message.flags & REQUIRES_FIXED_VERSION) !== 0
    if (isFixed && (this.settings.flags & REQUIRES_VERSION_ROLLING) !== 0) {
      return this.fail(RULE_VERSION_ROLLING_AGREED, 0)
    }
    if (this.failsBy(this.checkServerFlags())) return EVENT_FAILED
    this.enter(DEVICE_CONNECTED)
    this.agreed()
    event.begin(EVENT_CONNECTED)
    event.flags = message.flags
    event.value = message.usedVersion
    return event.kind
  }

  private receiveReconnect(): i32 {
    const link = this.link
    const message = this.reconnect
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    this.event.begin(EVENT_RECONNECT)
    this.event.value = message.newPort
    return this.withText(message.newHostAt, message.newHostLength)
  }
}
