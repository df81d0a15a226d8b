/**
 * Bytes to frames, without I/O (specification, sections 3.2 and 4.6). Chunks go in as the socket gives them; whole frames
 * come out, the same ones however the bytes were cut.
 *
 * Without a cipher, a frame is 6 bytes of header and the payload. With one, the header is 22 bytes and the payload comes in
 * blocks of at most 65,535, both decrypted in place. A frame that lies in one chunk is not copied: its payload is a view on
 * the chunk. Of a frame that does not, what came so far is kept, and never more than that one frame.
 */
import { type CipherState, FrameLayout } from "@sluice/core"
import type { Frame } from "@sluice/protocol"
import { FrameTooLong, Undecryptable } from "../bytes/transport-error.ts"

export class FrameReader {
  /** Why no more frames come; set once, and then nothing is read any more. */
  failure: FrameTooLong | Undecryptable | undefined

  private readonly cipher: CipherState | undefined
  private readonly headerSize: number
  private limit: number
  private framesRead = 0

  /** Of a header that came in pieces: what there is of it. */
  private header: Uint8Array | undefined
  private headerFilled = 0

  /** The frame whose header was read and whose payload was not. */
  private inPayload = false
  private extensionType = 0
  private messageType = 0
  private payloadLength = 0
  /** Its bytes on the wire, and of a payload that came in pieces: what there is of it. */
  private bodySize = 0
  private body: Uint8Array | undefined
  private bodyFilled = 0

  /** `cipher` decrypts what the peer sends; without one, frames are plain. */
  constructor(cipher: CipherState | undefined, maxPayload: number) {
    this.cipher = cipher
    this.headerSize = cipher === undefined ? FrameLayout.FRAME_HEADER_SIZE : FrameLayout.ENCRYPTED_HEADER_SIZE
    this.limit = Math.min(maxPayload, FrameLayout.MAX_PAYLOAD)
  }

  /** The longest payload accepted from now on, in bytes. */
  limitPayload(maxPayload: number): void {
    this.limit = Math.min(maxPayload, FrameLayout.MAX_PAYLOAD)
  }

  /** Bytes that came of a frame that is not complete. */
  get pendingBytes(): number {
    return this.inPayload ? this.headerSize + this.bodyFilled : this.headerFilled
  }

  /** Reads a chunk, which is the reader's from then on, and appends the frames that it completes. */
  push(chunk: Uint8Array, frames: Array<Frame>): void {
    let at = 0
    while (this.failure === undefined) {
      if (!this.inPayload) {
        at = this.readHeader(chunk, at)
        if (!this.inPayload) return
      }
      at = this.readPayload(chunk, at, frames)
      if (this.inPayload) return
    }
  }

  /** Reads the header or as much of it as there is; `inPayload` says whether it is complete. */
  private readHeader(chunk: Uint8Array, at: number): number {
    const { headerSize, headerFilled } = this
    if (headerFilled === 0 && chunk.length - at >= headerSize) {
      this.openHeader(chunk, at)
      return at + headerSize
    }
    const count = Math.min(headerSize - headerFilled, chunk.length - at)
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

  /** Reads the payload or as much of it as there is; when it is complete, the frame is appended and `inPayload` false. */
  private readPayload(chunk: Uint8Array, at: number, frames: Array<Frame>): number {
    const { bodySize, bodyFilled } = this
    if (bodyFilled === 0 && chunk.length - at >= bodySize) {
      this.openPayload(chunk, at, frames)
      return at + bodySize
    }
    const count = Math.min(bodySize - bodyFilled, chunk.length - at)
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

  /** The buffer of the payload's pieces, with room for `size` bytes: it grows with what came, not with what is claimed. */
  private grow(size: number): Uint8Array {
    const { body } = this
    if (body !== undefined && body.length >= size) return body
    const larger = new Uint8Array(Math.min(this.bodySize, Math.max(2 * size, SMALL_BODY)))
    if (body !== undefined) larger.set(body)
    return (this.body = larger)
  }
}

/** A payload up to this size gets its buffer at once, in bytes. */
const SMALL_BODY = 4096

const copy = (from: Uint8Array, at: number, count: number, to: Uint8Array, toAt: number): void => {
  if (count > 64) to.set(from.subarray(at, at + count), toAt)
  else for (let i = 0; i < count; i++) to[toAt + i] = from[at + i]!
}
