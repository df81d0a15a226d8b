/**
 * Judges the frames of one connection by the rules for clients of any protocol (3.2 to 3.6, extension 0x0001). Pure: it
 * sees every frame once, in order.
 */
import {
  Common,
  DecodeError,
  ExtensionsNegotiation,
  Frame,
  type JobDeclaration,
  type Message,
  type Mining,
  type Protocol,
  type TemplateDistribution
} from "@sluice/protocol"
import type { Ledger } from "./ledger.ts"

/** The messages that a client may send after the setup. */
export type ToServer = Mining.ToServer | JobDeclaration.ToServer | TemplateDistribution.ToServer

export class Conduct {
  private answered = false
  private hasGreeted = false
  private hasSpoken = false
  private readonly ledger: Ledger
  private readonly protocol: Protocol<ToServer, unknown>

  constructor(ledger: Ledger, protocol: Protocol<ToServer, unknown>) {
    this.ledger = ledger
    this.protocol = protocol
  }

  /** Judges the frame, and gives its message if it is one of the protocol's messages to its server. */
  judge(frame: Frame): ToServer | undefined {
    const { ledger } = this
    const isSetup = frame.messageType === Common.SetupConnection.type && Frame.extension(frame) === 0
    const name = nameOf(frame)
    if (!this.hasGreeted) ledger.note("client-setup.first", isSetup, "SetupConnection first", name)
    else if (!this.answered && !isSetup)
      ledger.note("client-setup.patience", false, "no message before the answer to SetupConnection", name)
    else ledger.note("client-setup.once", !isSetup, "SetupConnection once", "a second SetupConnection")
    this.hasGreeted = true
    if (Frame.extension(frame) === ExtensionsNegotiation.EXTENSION) return this.judgeRequest(frame)
    const isCore = Frame.extension(frame) === 0
    ledger.note("client-extensions.negotiated", isCore, "no message of an extension that was not negotiated", name)
    if (!isCore) return undefined
    if (!isSetup) this.hasSpoken = true
    const found = isSetup ? Common.SetupConnection : this.protocol.toServer.find(frame.extensionType, frame.messageType)
    ledger.note("client-frames.direction", found !== undefined, "a message to the server of the protocol", name)
    if (found === undefined) return undefined
    this.judgeBit(frame, found)
    const message = this.decode(frame, found)
    if (!isSetup) return message as ToServer | undefined
    if (message !== undefined) this.judgeSetup(message as Common.SetupConnection)
    return undefined
  }

  /** Records that the server answers SetupConnection now. Until then the client must wait. */
  answer(): void {
    this.answered = true
    if (this.ledger.breachOf("client-setup.patience") === undefined)
      this.ledger.note("client-setup.patience", true, "", "")
  }

  /** The answer to RequestExtensions of a server without extensions; undefined for other frames. */
  static refusalOf(frame: Frame): Uint8Array | undefined {
    const { RequestExtensions, RequestExtensionsError } = ExtensionsNegotiation
    if (Frame.extension(frame) !== ExtensionsNegotiation.EXTENSION) return undefined
    if (frame.messageType !== RequestExtensions.type) return undefined
    try {
      const { requestedExtensions: unsupportedExtensions, requestId } = RequestExtensions.codec.decode(frame.payload)
      const refusal = { requestId, unsupportedExtensions, requiredExtensions: [] }
      return RequestExtensionsError.codec.encode(RequestExtensionsError.make(refusal))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return undefined
    }
  }

  private judgeRequest(frame: Frame): undefined {
    const { RequestExtensions } = ExtensionsNegotiation
    const known = frame.messageType === RequestExtensions.type
    this.ledger.note("client-frames.direction", known, "RequestExtensions", nameOf(frame))
    if (!known) return
    const expected = "RequestExtensions before all other messages"
    this.ledger.note("client-extensions.first", !this.hasSpoken, expected, "RequestExtensions behind other messages")
    this.judgeBit(frame, RequestExtensions)
    this.decode(frame, RequestExtensions)
  }

  private judgeBit(frame: Frame, { channel, name }: Message): void {
    const bit = Frame.isChannelMessage(frame)
    const expected = `${name} ${channel ? "with" : "without"} the channel bit`
    this.ledger.note("client-frames.channel-bit", bit === channel, expected, `${bit ? "with" : "without"} it`)
  }

  private decode(frame: Frame, { codec, name }: Message): unknown {
    try {
      const message = codec.decode(frame.payload)
      this.ledger.note("client-frames.readable", true, "", "")
      return message
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.ledger.note("client-frames.readable", false, `a readable ${name}`, error.message)
      return undefined
    }
  }

  private judgeSetup({ endpointHost, maxVersion, minVersion, vendor }: Common.SetupConnection): void {
    const { ledger } = this
    const { PROTOCOL_VERSION } = Common
    const holdsVersion = minVersion <= PROTOCOL_VERSION && maxVersion >= PROTOCOL_VERSION
    ledger.note(
      "client-setup.versions",
      holdsVersion,
      "a range of versions that contains 2",
      `versions ${minVersion} to ${maxVersion}`
    )
    ledger.note("client-setup.vendor", vendor !== "", "a vendor", "an empty vendor")
    const isAscii = /^[\x21-\x7e]+$/.test(endpointHost)
    ledger.note("client-setup.endpoint", isAscii, "the host in ASCII", JSON.stringify(endpointHost))
  }
}

const nameOf = (frame: Frame): string => {
  const extension = Frame.extension(frame)
  const of = extension === 0 ? "" : ` of extension 0x${extension.toString(16)}`
  return `message 0x${frame.messageType.toString(16).padStart(2, "0")}${of}`
}
