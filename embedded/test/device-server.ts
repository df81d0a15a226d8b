/** A pool of a few lines for one device: bytes in, messages out, and back, with and without Noise. */
import { schnorr } from "@noble/curves/secp256k1.js"
import { CertificateBytes, FrameLayout, Handshake } from "@sluice/core"
import { NobleCurve } from "@sluice/noise"
import { Common, Frame, Mining, Protocol } from "@sluice/protocol"
import { sha256 } from "@noble/hashes/sha2.js"

const authority = sha256(new TextEncoder().encode("authority"))
export const authorityKey = schnorr.getPublicKey(authority)
const staticSecret = sha256(new TextEncoder().encode("static"))
const curve = new NobleCurve()

/** The Mining Protocol with its setup, from the first frame on. */
const spoken = Protocol.extend(Mining.protocol, Common.setupMessages)
export type ToServer = Mining.ToServer | Common.SetupConnection
export type ToClient = Mining.ToClient | Common.SetupConnectionSuccess | Common.SetupConnectionError

/** When the certificate begins and ends, in seconds since 1970. */
export const VALID_FROM = 1_790_000_000
export const VALID_UNTIL = VALID_FROM + 3600

export class DeviceServer {
  readonly isPlain: boolean
  #responder: Handshake.Responder
  #input = new Uint8Array(0)
  #output: Array<Uint8Array> = []
  #ready: boolean

  constructor(isPlain = false) {
    this.isPlain = isPlain
    this.#ready = isPlain
    const staticKey = new Uint8Array(64)
    const [x, digest] = [new Uint8Array(32), new Uint8Array(32)]
    curve.createEllSwift(staticSecret, new Uint8Array(32), staticKey, 0)
    curve.xOnly(staticKey, 0, x, 0)
    CertificateBytes.certificateDigest(0, VALID_FROM, VALID_UNTIL, x, 0, digest, 0)
    const certificate = new Uint8Array(74)
    new DataView(certificate.buffer).setUint32(2, VALID_FROM, true)
    new DataView(certificate.buffer).setUint32(6, VALID_UNTIL, true)
    certificate.set(schnorr.sign(digest, authority), 10)
    this.#responder = new Handshake.Responder(curve, staticSecret, staticKey, certificate)
  }

  /** Takes bytes of the device's and gives the messages in them. */
  receive(bytes: Uint8Array): ReadonlyArray<ToServer> {
    this.#input = new Uint8Array(Buffer.concat([this.#input, bytes]))
    const messages: Array<ToServer> = []
    if (!this.#ready && this.#input.length >= 64) {
      const act2 = new Uint8Array(234)
      const secret = sha256(new TextEncoder().encode("ephemeral"))
      if (this.#responder.respond(this.#input, 0, secret, new Uint8Array(32), act2, 0) !== 0) throw new Error("act 1")
      this.#ready = true
      this.#output.push(act2)
      this.#input = this.#input.slice(64)
    }
    while (this.#ready) {
      const frame = this.#frame()
      if (frame === undefined) break
      const message = spoken.toServer.decode(Frame.read(frame)!)
      if (message === undefined) throw new Error("a device sends messages that a server knows")
      messages.push(message)
    }
    return messages
  }

  send(...messages: ReadonlyArray<ToClient>): this {
    for (const message of messages) this.sendFrame(spoken.toClient.encode(message))
    return this
  }

  /** Sends a plain frame of any content, header and payload. */
  sendFrame(frame: Uint8Array): this {
    if (this.isPlain) {
      this.#output.push(frame)
      return this
    }
    const sealed = new Uint8Array(
      FrameLayout.ENCRYPTED_HEADER_SIZE + FrameLayout.encryptedPayloadLength(FrameLayout.framePayloadLength(frame, 0))
    )
    if (this.#responder.send.sealFrame(frame, 0, sealed, 0) !== sealed.length) throw new Error("no key")
    this.#output.push(sealed)
    return this
  }

  /** The bytes for the device. */
  take(): Uint8Array {
    const bytes = new Uint8Array(Buffer.concat(this.#output))
    this.#output = []
    return bytes
  }

  #frame(): Uint8Array | undefined {
    const headerSize = this.isPlain ? FrameLayout.FRAME_HEADER_SIZE : FrameLayout.ENCRYPTED_HEADER_SIZE
    if (this.#input.length < headerSize) return undefined
    const header = this.#input.slice(0, headerSize)
    // Frames come whole: a header is opened once.
    if (!this.isPlain && !this.#responder.receive.openHeader(header, 0)) throw new Error("a header is not authentic")
    const length = FrameLayout.framePayloadLength(header, 0)
    const size = headerSize + (this.isPlain ? length : FrameLayout.encryptedPayloadLength(length))
    if (this.#input.length < size) throw new Error("a device sends whole frames")
    const body = this.#input.slice(headerSize, size)
    if (!this.isPlain && !this.#responder.receive.openPayload(body, 0, length)) throw new Error("not authentic")
    this.#input = this.#input.slice(size)
    return new Uint8Array(Buffer.concat([header.subarray(0, FrameLayout.FRAME_HEADER_SIZE), body.subarray(0, length)]))
  }
}
