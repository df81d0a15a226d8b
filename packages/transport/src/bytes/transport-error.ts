/** How an open connection comes to an end. */
import { Schema } from "effect"
import { Endpoint } from "../endpoint.ts"

const error = <Self>(name: string) => Schema.TaggedError<Self>(`sluice/transport/${name}`)

/** The peer closed the connection, or it was lost. */
export class Closed extends error<Closed>("Closed")("Closed", {
  /** Bytes of a frame that was not complete. */
  pendingBytes: Schema.Int
}) {
  override get message(): string {
    return this.pendingBytes === 0
      ? "the peer closed the connection"
      : `the peer closed the connection in the middle of a frame (${this.pendingBytes} bytes of it had come)`
  }
}

/** The socket failed, for instance with ECONNRESET. */
export class SocketFailed extends error<SocketFailed>("SocketFailed")("SocketFailed", { code: Schema.String }) {
  override get message(): string {
    return `the socket failed: ${this.code}`
  }
}

/** A frame claims more bytes than any message that may come has. */
export class FrameTooLong extends error<FrameTooLong>("FrameTooLong")("FrameTooLong", {
  extensionType: Schema.Int,
  messageType: Schema.Int,
  claimed: Schema.Int,
  limit: Schema.Int
}) {
  override get message(): string {
    return (
      `the peer sent a frame (extension 0x${this.extensionType.toString(16)}, type 0x${this.messageType.toString(16)}) of ` +
      `${this.claimed} bytes; at most ${this.limit} can come here`
    )
  }
}

/** Ciphertext that does not authenticate: changed on the way, or not from who made the handshake. */
export class Undecryptable extends error<Undecryptable>("Undecryptable")("Undecryptable", {
  part: Schema.Literals(["header", "payload"]),
  /** Frames that were decrypted before it. */
  framesBefore: Schema.Int
}) {
  override get message(): string {
    return this.framesBefore === 0
      ? "the first bytes after the handshake do not decrypt: the peer does not speak Stratum V2 with Noise"
      : `frame ${this.framesBefore + 1}: its ${this.part} does not decrypt; it was changed on the way`
  }
}

/** The peer does not read what is sent to it. */
export class SendTimeout extends error<SendTimeout>("SendTimeout")("SendTimeout", { seconds: Schema.Finite }) {
  override get message(): string {
    return `the peer has taken nothing of what is sent to it for ${this.seconds} s`
  }
}

/** The peer does not read, too much waits for all such peers together, and most of it for those of its address. */
export class TooMuchUnread extends error<TooMuchUnread>("TooMuchUnread")("TooMuchUnread", {
  limit: Schema.Int
}) {
  override get message(): string {
    return `the peer does not read, and more than ${this.limit} bytes wait for peers to read them (the limit of all connections)`
  }
}

/** The listener is full, and another connection took the place of this one. */
export class GaveWay extends error<GaveWay>("GaveWay")("GaveWay", { limit: Schema.Int }) {
  override get message(): string {
    return (
      `all ${this.limit} places for connections are taken (maxConnections); this connection gave way to another, because its address has ` +
      "most of those that have not worked, or of all"
    )
  }
}

/** Nothing came for longer than a connection may be silent. */
export class Idle extends error<Idle>("Idle")("Idle", { seconds: Schema.Finite }) {
  override get message(): string {
    return `the peer has sent no message for ${this.seconds} s`
  }
}

/** The peer began a frame and did not finish it in time. */
export class FrameTimeout extends error<FrameTimeout>("FrameTimeout")("FrameTimeout", {
  seconds: Schema.Finite,
  /** What came of it. */
  pendingBytes: Schema.Int
}) {
  override get message(): string {
    return `the peer has sent ${this.pendingBytes} bytes of a frame in ${this.seconds} s, and not the rest of it`
  }
}

/** An open connection came to an end. */
export class TransportError extends error<TransportError>("TransportError")("TransportError", {
  remote: Endpoint,
  reason: Schema.Union([
    Closed,
    SocketFailed,
    FrameTooLong,
    Undecryptable,
    SendTimeout,
    TooMuchUnread,
    GaveWay,
    Idle,
    FrameTimeout
  ])
}) {
  override get message(): string {
    return this.reason.message
  }
}
