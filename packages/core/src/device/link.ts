/**
 * A device's end of one connection as bytes: the Noise handshake or none, then frames, in two buffers of fixed size.
 *
 * The caller puts received bytes into `input` at `receiveAt()`, at most `receiveRoom()`, and calls `received`. `next` then takes
 * one step at a time. The bytes to send are in `output` from `sendAt` on, `sendLength()` bytes, until `sent`.
 */
import { copyBytes } from "../bytes.ts"
import { Curve } from "../curve.ts"
import {
  ENCRYPTED_HEADER_SIZE,
  encryptedPayloadLength,
  FRAME_HEADER_SIZE,
  frameExtensionType,
  frameMessageType,
  framePayloadLength,
  MAC_SIZE,
  writeFrameHeader
} from "../frame.ts"
import { ACT1_SIZE, ACT2_SIZE, HANDSHAKE_OK, Initiator } from "../handshake.ts"

/** More bytes are needed. */
export const LINK_WAITS: i32 = 0
/** The handshake is done: frames may be sent. */
export const LINK_READY: i32 = 1
/** A frame's payload is at `payloadAt`. */
export const LINK_FRAME: i32 = 2
/** A frame came whose payload does not fit. `skipFrame` continues behind it. */
export const LINK_TOO_LARGE: i32 = 3
/** The handshake failed: `handshakeCode`. */
export const LINK_HANDSHAKE_FAILED: i32 = 4
/** A frame is not authentic. */
export const LINK_NOT_AUTHENTIC: i32 = 5

/** Frames of a device: the longest is SetupConnection with five texts of 255 bytes; shares fill the rest. */
export const OUTPUT_SIZE: i32 = 4096
export const MAX_SENT_PAYLOAD: i32 = 1300

const IDLE: i32 = 0
const HANDSHAKE: i32 = 1
const FRAMES: i32 = 2

export class DeviceLink {
  readonly input: Uint8Array
  readonly output: Uint8Array = new Uint8Array(OUTPUT_SIZE)
  /** A plain frame on its way out: its payload begins at `FRAME_HEADER_SIZE`. */
  readonly frame: Uint8Array = new Uint8Array((FRAME_HEADER_SIZE + MAX_SENT_PAYLOAD) | 0)
  readonly authorityKey: Uint8Array = new Uint8Array(32)
  readonly initiator: Initiator
  /** Disables Noise. For tests and trusted networks. */
  isPlain: bool = false
  /** Seconds that the clocks of both ends may differ. */
  clockToleranceSeconds: i32 = 10
  handshakeCode: i32 = 0
  /** Fields of the last frame. */
  messageType: i32 = 0
  extensionType: i32 = 0
  payloadAt: i32 = 0
  payloadEnd: i32 = 0
  payloadLength: i32 = 0
  sendAt: i32 = 0

  private readonly maxPayload: i32
  private nowSeconds: i32 = 0
  private phase: i32 = IDLE
  /** Received bytes that are not used yet. */
  private inputAt: i32 = 0
  private inputEnd: i32 = 0
  private sendEnd: i32 = 0
  private headerIsOpen: bool = false
  /** Remaining bytes of a frame that is skipped. */
  private toSkip: i32 = 0

  /** Frames of more than `maxPayload` bytes do not fit. The input has room for at least act 2. */
  constructor(curve: Curve, maxPayload: i32) {
    this.maxPayload = maxPayload
    this.input = new Uint8Array((ENCRYPTED_HEADER_SIZE + encryptedPayloadLength(maxPayload)) | 0)
    this.initiator = new Initiator(curve)
  }

  /**
   * Begins a connection. Secret and entropy are 32 random bytes each (a plain link ignores them). `nowSeconds` (U32, since 1970)
   * is compared with the certificate's dates; with 0, for a device without a clock, they are not checked. Returns false if the
   * curve refuses the secret.
   */
  open(secret: Uint8Array, entropy: Uint8Array, nowSeconds: i32): bool {
    this.close()
    this.nowSeconds = nowSeconds
    if (this.isPlain) {
      this.phase = FRAMES
      return true
    }
    this.handshakeCode = this.initiator.start(secret, entropy, this.output, 0)
    if (this.handshakeCode !== HANDSHAKE_OK) return false
    this.sendEnd = ACT1_SIZE
    this.phase = HANDSHAKE
    return true
  }

  /** Closes the connection: clears keys, received bytes and unsent bytes. */
  close(): void {
    this.initiator.reset()
    this.phase = IDLE
    this.input.fill(0)
    this.frame.fill(0)
    this.inputAt = 0
    this.inputEnd = 0
    this.sendAt = 0
    this.sendEnd = 0
    this.headerIsOpen = false
    this.toSkip = 0
  }

  /** The offset for received bytes. Drops used bytes first, and with them the text of the last event. */
  receiveAt(): i32 {
    if (this.inputAt > 0) {
      this.input.copyWithin(0, this.inputAt, this.inputEnd)
      this.inputEnd = (this.inputEnd - this.inputAt) | 0
      this.inputAt = 0
    }
    return this.inputEnd
  }

  /** How many bytes fit there. Never 0 once `next` waits. */
  receiveRoom(): i32 {
    return (this.input.length - this.receiveAt()) | 0
  }

  received(length: i32): void {
    const room: i32 = this.receiveRoom()
    if (length > 0) this.inputEnd = (this.inputEnd + (length < room ? length : room)) | 0
  }

  sendLength(): i32 {
    return (this.sendEnd - this.sendAt) | 0
  }

  sent(length: i32): void {
    const waiting: i32 = this.sendLength()
    if (length > 0) this.sendAt = (this.sendAt + (length < waiting ? length : waiting)) | 0
  }

  /** Takes one step. Returns a `LINK_` code. */
  next(): i32 {
    if (this.phase === HANDSHAKE) return this.nextAct()
    if (this.phase === FRAMES) return this.nextFrame()
    return LINK_WAITS
  }

  /** After `LINK_TOO_LARGE`: skips the frame. */
  skipFrame(): void {
    this.toSkip = this.bodyLength()
    if (!this.isPlain) this.initiator.receive.skipPayload(this.payloadLength)
    this.endHeader()
  }

  /** Whether a frame with this payload fits into the output. If not, the firmware must first send the waiting bytes. */
  canSend(payloadLength: i32): bool {
    if (this.phase !== FRAMES || (!this.isPlain && !this.initiator.send.isReady())) return false
    const size: i32 = (ENCRYPTED_HEADER_SIZE + payloadLength + MAC_SIZE) | 0
    return size <= ((OUTPUT_SIZE - this.sendLength()) | 0)
  }

  /** Sends the frame whose payload is in `frame`. Call it only after `canSend`. */
  send(extensionType: i32, messageType: i32, payloadLength: i32): void {
    if (this.sendAt > 0) {
      this.output.copyWithin(0, this.sendAt, this.sendEnd)
      this.sendEnd = (this.sendEnd - this.sendAt) | 0
      this.sendAt = 0
    }
    writeFrameHeader(this.frame, 0, extensionType, messageType, payloadLength)
    let size: i32 = (FRAME_HEADER_SIZE + payloadLength) | 0
    if (this.isPlain) copyBytes(this.frame, 0, this.output, this.sendEnd, size)
    else size = this.initiator.send.sealFrame(this.frame, 0, this.output, this.sendEnd)
    this.sendEnd = (this.sendEnd + size) | 0
  }

  private nextAct(): i32 {
    if (((this.inputEnd - this.inputAt) | 0) < ACT2_SIZE) return LINK_WAITS
    // With the largest tolerance, every date is valid.
    const tolerance: i32 = this.nowSeconds === 0 ? -1 : this.clockToleranceSeconds
    this.handshakeCode = this.initiator.finish(this.input, this.inputAt, this.authorityKey, this.nowSeconds, tolerance)
    this.inputAt = (this.inputAt + ACT2_SIZE) | 0
    if (this.handshakeCode !== HANDSHAKE_OK) {
      this.phase = IDLE
      return LINK_HANDSHAKE_FAILED
    }
    this.phase = FRAMES
    return LINK_READY
  }

  private nextFrame(): i32 {
    if (!this.skip()) return LINK_WAITS
    const headerSize: i32 = this.isPlain ? FRAME_HEADER_SIZE : ENCRYPTED_HEADER_SIZE
    if (!this.headerIsOpen) {
      if (((this.inputEnd - this.inputAt) | 0) < headerSize) return LINK_WAITS
      if (!this.isPlain && !this.initiator.receive.openHeader(this.input, this.inputAt)) return this.fail()
      this.extensionType = frameExtensionType(this.input, this.inputAt)
      this.messageType = frameMessageType(this.input, this.inputAt)
      this.payloadLength = framePayloadLength(this.input, this.inputAt)
      this.headerIsOpen = true
    }
    if (this.payloadLength > this.maxPayload) return LINK_TOO_LARGE
    const bodyLength: i32 = this.bodyLength()
    if (((this.inputEnd - this.inputAt - headerSize) | 0) < bodyLength) return LINK_WAITS
    this.payloadAt = (this.inputAt + headerSize) | 0
    this.payloadEnd = (this.payloadAt + this.payloadLength) | 0
    if (!this.isPlain && !this.initiator.receive.openPayload(this.input, this.payloadAt, this.payloadLength)) {
      return this.fail()
    }
    this.endHeader()
    this.inputAt = (this.inputAt + bodyLength) | 0
    return LINK_FRAME
  }

  private bodyLength(): i32 {
    return this.isPlain ? this.payloadLength : encryptedPayloadLength(this.payloadLength)
  }

  private endHeader(): void {
    this.headerIsOpen = false
    this.inputAt = (this.inputAt + (this.isPlain ? FRAME_HEADER_SIZE : ENCRYPTED_HEADER_SIZE)) | 0
  }

  /** Whether all bytes of a skipped frame have passed. */
  private skip(): bool {
    const waiting: i32 = (this.inputEnd - this.inputAt) | 0
    const skipped: i32 = this.toSkip < waiting ? this.toSkip : waiting
    this.inputAt = (this.inputAt + skipped) | 0
    this.toSkip = (this.toSkip - skipped) | 0
    return this.toSkip === 0
  }

  private fail(): i32 {
    this.phase = IDLE
    return LINK_NOT_AUTHENTIC
  }
}
