/**
 * Judges the frames of one connection: takes frames, gives the frames to forward and an event for each. Pure: no I/O and no
 * clock.
 *
 * Everything that is not understood passes unchanged: messages of unknown type, messages that do not decode, and bytes behind
 * the fields of a message.
 */
import {
  Common,
  DecodeError,
  type Direction,
  ExtensionsNegotiation,
  Frame,
  JobDeclaration,
  type Message,
  Mining,
  Protocol,
  type ProtocolName,
  protocolNames,
  TemplateDistribution,
  WorkerIdentity
} from "@sluice/protocol"
import type { Fate, MessageSeen, Side } from "./event.ts"
import type { Rule } from "./verdict.ts"

/** A protocol of any message types. */
export type AnyProtocol = Protocol<unknown, unknown>

export interface WireOptions {
  /** The only protocol to decode. If undefined, the protocol that the connection speaks. */
  readonly protocol: AnyProtocol | undefined
  readonly rule: Rule<unknown> | undefined
  /** Whether to decode messages even without a rule. */
  readonly decodes: boolean
  /** The number of the next message. */
  readonly nextIndex: () => number
}

/** The result for frames of one direction. */
export interface Judged {
  /** Whole frames to forward, in order. */
  readonly forward: Array<Uint8Array>
  readonly seen: Array<MessageSeen>
}

export class Wire {
  readonly connectionId: number
  private readonly options: WireOptions
  private spoken: AnyProtocol | undefined
  private name: ProtocolName | undefined
  private isSetUp = false

  constructor(connectionId: number, options: WireOptions) {
    this.connectionId = connectionId
    this.options = options
    // Until SetupConnection names the protocol: it has the same form in all of them.
    this.spoken = options.protocol ?? PROTOCOLS[Common.MINING_PROTOCOL]
  }

  /** Judges whole frames (header and payload) to this side. `at` is in milliseconds since 1970. Throws `EncodeError`. */
  judge(to: Side, frames: ReadonlyArray<Uint8Array>, at: number): Judged {
    const judged: Judged = { forward: [], seen: [] }
    for (const frame of frames) this.judgeOne(to, frame, at, judged)
    return judged
  }

  /** Adds a message of the sniffer's own to this side. Throws `EncodeError`. */
  add<M extends Message>(to: Side, declaration: M, message: M["Type"], at: number): Judged {
    const direction = this.spoken?.[directionOf[to]]
    const isKnown = direction?.find(declaration.extension, declaration.type) === declaration
    // Only the direction encodes TLVs.
    const frame = isKnown ? direction.encode(message) : declaration.codec.encode(message)
    return { forward: [frame], seen: [this.event(to, "added", frame, message, at)] }
  }

  private judgeOne(to: Side, bytes: Uint8Array, at: number, { forward, seen }: Judged): void {
    const { decodes, rule } = this.options
    const frame = Frame.read(bytes)
    if (frame === undefined) {
      // A role in this process wrote bytes that are no frame; a peer cannot. The server deals with them.
      forward.push(bytes)
      return
    }
    if (!this.isSetUp && to === "server") this.learn(frame)
    const message = decodes || rule !== undefined ? this.decode(to, frame) : undefined
    const verdict = message === undefined ? undefined : rule?.(message, to, this.connectionId)
    if (verdict === undefined || verdict._tag === "Pass") {
      forward.push(bytes)
      seen.push(this.event(to, "passed", bytes, message, at))
      return
    }
    if (verdict._tag === "Drop") {
      seen.push(this.event(to, "dropped", bytes, message, at))
      return
    }
    seen.push(this.event(to, "replaced", bytes, message, at))
    for (const other of verdict.messages) {
      const encoded = this.encode(to, other)
      forward.push(encoded)
      seen.push(this.event(to, "added", encoded, other, at))
    }
  }

  /** Reads the protocol of the connection from the first byte of SetupConnection. */
  private learn({ extensionType, messageType, payload }: Frame): void {
    if (extensionType !== 0 || messageType !== Common.SetupConnection.type) return
    this.isSetUp = true
    const id = payload[0] ?? -1
    const { protocol } = this.options
    this.name = protocolNames[id]
    this.spoken = protocol === undefined ? PROTOCOLS[id] : protocol.id === id ? protocol : undefined
  }

  private decode(to: Side, frame: Frame): unknown {
    const direction = directionOf[to]
    try {
      const known = this.spoken && (this.spoken[direction].decode(frame) ?? Common.setup[direction].decode(frame))
      return known ?? NEGOTIATION[direction].decode(frame)
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
  }

  private encode(to: Side, message: unknown): Uint8Array {
    const setup: Direction<unknown> = Common.setup[directionOf[to]]
    const isOfSetup = setup.messages.some(({ name }) => name === (message as { readonly _tag?: unknown })._tag)
    return (isOfSetup ? setup : this.spoken![directionOf[to]]).encode(message)
  }

  private event(to: Side, fate: Fate, frame: Uint8Array, message: unknown, at: number): MessageSeen {
    const { connectionId, name } = this
    return {
      _tag: "Message",
      index: this.options.nextIndex(),
      connectionId,
      at,
      to,
      fate,
      frame,
      ...(name === undefined ? {} : { protocol: name }),
      ...(message === undefined ? {} : { message })
    }
  }
}

const directionOf = { server: "toServer", client: "toClient" } as const

/** The protocols by their number in SetupConnection, with the known TLVs. */
const PROTOCOLS: ReadonlyArray<AnyProtocol | undefined> = [
  Mining.protocol,
  JobDeclaration.protocol,
  TemplateDistribution.protocol
].map((protocol) => Protocol.negotiated<unknown, unknown>(protocol, [WorkerIdentity.extension]))

const NEGOTIATION: AnyProtocol = Protocol.make({
  id: 0,
  name: "Extensions negotiation",
  messages: ExtensionsNegotiation.messages
})
