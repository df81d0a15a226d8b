/**
 * Reads frames from bytes, without I/O (specification, sections 3.2 and 4.6). It takes chunks as the socket gives them and
 * gives whole frames. How the bytes are cut into chunks makes no difference.
 *
 * Without a cipher, a frame is a header of 6 bytes and the payload. With a cipher, the header has 22 bytes and the payload is in
 * blocks of at most 65,535; the reader decrypts both in place. It does not copy a frame that lies in one chunk: the payload is
 * a view on the chunk. Of an incomplete frame it keeps the bytes that have come. It never keeps more than one frame.
 */
import { type CipherState, FrameLayout } from "@sluice/core"
import type { Frame } from "@sluice/protocol"
import { FrameTooLong, Undecryptable } from "../bytes/transport-error.ts"

export class FrameReader {
  /** Why reading stopped. Once it is set, `push` reads nothing. */
  failure: FrameTooLong | Undecryptable | undefined

  readonly cipher: CipherState | undefined
  private readonly headerSize: number
  private limit: number
  private framesRead = 0

  /** The part of a header that has come, if it did not come in one chunk. */
  private header: Uint8Array | undefined
  private headerFilled = 0

  /** Whether the header of the current frame was read and its payload was not. The fields below are from this header. */
  private inPayload = false
  private extensionType = 0
  private messageType = 0
  private payloadLength = 0
  /** Size of the payload on the wire, and the part of it that has come, if it did not come in one chunk. */
  private bodySize = 0
  private body: Uint8Array | undefined
  private bodyFilled = 0

  /** `cipher` decrypts the frames; without one, frames are plain. */
  constructor(cipher: CipherState | undefined, maxPayload: number) {
    this.cipher = cipher
    this.headerSize = cipher === undefined ? FrameLayout.FRAME_HEADER_SIZE : FrameLayout.ENCRYPTED_HEADER_SIZE
    this.limit = Math.min(maxPayload, FrameLayout.MAX_PAYLOAD)
  }

  /** Sets the longest payload that is accepted from now on, in bytes. */
  limitPayload(maxPayload: number): void {
    this.limit = Math.min(maxPayload, FrameLayout.MAX_PAYLOAD)
  }

  /** Bytes that have come of an incomplete frame. */
  get pendingBytes(): number {
    return this.inPayload ? this.headerSize + this.bodyFilled : this.headerFilled
  }

  /** As `Receiver.touch`. */
  touch(): number {
    return this.framesRead
  }

  /** Reads a chunk and appends the frames that it completes. The reader owns the chunk from then on. */
  push(chunk: Uint8Array, frames: Array<Frame>): void {
    const end = chunk.length
    let at = 0
    while (this.failure === undefined) {
      if (!this.inPayload) {
        at = this.readHeader(chunk, at, end)
        if (!this.inPayload) return
      }
      at = this.readPayload(chunk, at, end, frames)
      if (this.inPayload) return
    }
  }

  /** Reads the header, as far as it has come. Sets `inPayload` when it is complete. */
  private readHeader(chunk: Uint8Array, at: number, end: number): number {
    const { headerSize, headerFilled } = this
    if (headerFilled === 0 && end - at >= headerSize) {
      this.openHeader(chunk, at)
      return at + headerSize
    }
    const count = Math.min(headerSize - headerFilled, end - at)
    if (count === 0) return at
    this.header ??= new Uint8Array(headerSize)
    copy(chunk, at, count, this.header, headerFilled)
    this.headerFilled += count
    if (this.headerFilled === headerSize) {
      this.headerFilled = 0
      this.openHeader(this.header, 0)
    }
    return at + count
  }

  private openHeader(bytes: Uint8Array, at: number): void {
    const { cipher } = this
    if (cipher !== undefined && !cipher.openHeader(bytes, at)) {
      this.failure = new Undecryptable({ part: "header", framesBefore: this.framesRead })
      return
    }
    this.extensionType = FrameLayout.frameExtensionType(bytes, at)
    this.messageType = FrameLayout.frameMessageType(bytes, at)
    this.payloadLength = FrameLayout.framePayloadLength(bytes, at)
    if (this.payloadLength > this.limit) {
      const { extensionType, messageType, payloadLength: claimed, limit } = this
      this.failure = new FrameTooLong({ extensionType, messageType, claimed, limit })
      return
    }
    this.bodySize = cipher === undefined ? this.payloadLength : FrameLayout.encryptedPayloadLength(this.payloadLength)
    this.inPayload = true
  }

  /** Reads the payload, as far as it has come. When it is complete, appends the frame and clears `inPayload`. */
  private readPayload(chunk: Uint8Array, at: number, end: number, frames: Array<Frame>): number {
    const { bodySize, bodyFilled } = this
    if (bodyFilled === 0 && end - at >= bodySize) {
      this.openPayload(chunk, at, frames)
      return at + bodySize
    }
    const count = Math.min(bodySize - bodyFilled, end - at)
    if (count === 0) return at
    const body = this.grow(bodyFilled + count)
    copy(chunk, at, count, body, bodyFilled)
    this.bodyFilled += count
    if (this.bodyFilled === bodySize) {
      this.body = undefined
      this.bodyFilled = 0
      this.openPayload(body, 0, frames)
    }
    return at + count
  }

  private openPayload(bytes: Uint8Array, at: number, frames: Array<Frame>): void {
    const { cipher, extensionType, messageType, payloadLength } = this
    this.inPayload = false
    if (cipher !== undefined && payloadLength > 0 && !cipher.openPayload(bytes, at, payloadLength)) {
      this.failure = new Undecryptable({ part: "payload", framesBefore: this.framesRead })
      return
    }
    this.framesRead++
    frames.push({ extensionType, messageType, payload: bytes.subarray(at, at + payloadLength) })
  }

  /** The buffer of an incomplete payload, with room for `size` bytes. It grows with the received bytes, not with the announced length. */
  private grow(size: number): Uint8Array {
    const { body } = this
    if (body !== undefined && body.length >= size) return body
    const larger = new Uint8Array(Math.min(this.bodySize, Math.max(2 * size, SMALL_BODY)))
    if (body !== undefined) larger.set(body)
    return (this.body = larger)
  }
}

/** The first size of a payload's buffer, in bytes. */
const SMALL_BODY = 4096

const copy = (from: Uint8Array, at: number, count: number, to: Uint8Array, toAt: number): void => {
  if (count > 64) to.set(from.subarray(at, at + count), toAt)
  else for (let i = 0; i < count; i++) to[toAt + i] = from[at + i]!
}
