/** The reasons for which an open connection ends. */
import { Schema } from "effect"
import { Endpoint } from "../endpoint.ts"

const error = <Self>(name: string) => Schema.TaggedError<Self>(`sluice/transport/${name}`)

/** The peer closed the connection, or the connection was lost. */
export class Closed extends error<Closed>("Closed")("Closed", {
  /** Bytes received of an incomplete frame. */
  pendingBytes: Schema.Int
}) {
  override get message(): string {
    return this.pendingBytes === 0
      ? "the peer closed the connection"
      : `the peer closed the connection in the middle of a frame, after ${this.pendingBytes} bytes of it`
  }
}

/** The socket failed, for instance with ECONNRESET. */
export class SocketFailed extends error<SocketFailed>("SocketFailed")("SocketFailed", { code: Schema.String }) {
  override get message(): string {
    return `the socket failed: ${this.code}`
  }
}

/** A frame header announces more bytes than the longest message that may come. */
export class FrameTooLong extends error<FrameTooLong>("FrameTooLong")("FrameTooLong", {
  extensionType: Schema.Int,
  messageType: Schema.Int,
  claimed: Schema.Int,
  limit: Schema.Int
}) {
  override get message(): string {
    return (
      `the peer sent a frame (extension 0x${this.extensionType.toString(16)}, type 0x${this.messageType.toString(16)}) of ` +
      `${this.claimed} bytes; at most ${this.limit} are allowed here`
    )
  }
}

/** Ciphertext fails authentication: it was changed on the way, or another party sent it. */
export class Undecryptable extends error<Undecryptable>("Undecryptable")("Undecryptable", {
  part: Schema.Literals(["header", "payload"]),
  /** Frames that were decrypted before this one. */
  framesBefore: Schema.Int
}) {
  override get message(): string {
    return this.framesBefore === 0
      ? "the first bytes after the handshake do not decrypt: the peer does not speak Stratum V2 with Noise"
      : `frame ${this.framesBefore + 1}: its ${this.part} does not decrypt; the bytes were changed on the way`
  }
}

/** The peer reads nothing. */
export class SendTimeout extends error<SendTimeout>("SendTimeout")("SendTimeout", { seconds: Schema.Finite }) {
  override get message(): string {
    return `the peer has read nothing of what we sent for ${this.seconds} s`
  }
}

/** The peer does not read, too many bytes wait for all such peers together, and its address has the most of them. */
export class TooMuchUnread extends error<TooMuchUnread>("TooMuchUnread")("TooMuchUnread", {
  limit: Schema.Int
}) {
  override get message(): string {
    return `the peer does not read, and for all connections together more than ${this.limit} bytes wait to be read (maxUnreadBytes)`
  }
}

/** The listener is full, and another connection took this one's place. */
export class GaveWay extends error<GaveWay>("GaveWay")("GaveWay", { limit: Schema.Int }) {
  override get message(): string {
    return (
      `all ${this.limit} places for connections are taken (maxConnections); this connection gave way to another, because its address has ` +
      "most of those that have not worked, or of all"
    )
  }
}

/** The peer sent no message for longer than the idle timeout. */
export class Idle extends error<Idle>("Idle")("Idle", { seconds: Schema.Finite }) {
  override get message(): string {
    return `the peer has sent no message for ${this.seconds} s`
  }
}

/** The peer did not complete a frame in time. */
export class FrameTimeout extends error<FrameTimeout>("FrameTimeout")("FrameTimeout", {
  seconds: Schema.Finite,
  /** Bytes received of the frame. */
  pendingBytes: Schema.Int
}) {
  override get message(): string {
    return `the peer has sent only ${this.pendingBytes} bytes of a frame within ${this.seconds} s`
  }
}

/** The connection does not begin with a valid header of the PROXY protocol, and the listener requires one. */
export class ProxyHeaderError extends error<ProxyHeaderError>("ProxyHeaderError")("ProxyHeaderError", {
  /** What came, or what did not come. */
  what: Schema.String
}) {
  override get message(): string {
    return `${this.what}; this listener is for load balancers that send a header of the PROXY protocol first (proxyProtocol)`
  }
}

/** The TLS handshake failed, or the peer does not speak TLS. */
export class TlsFailed extends error<TlsFailed>("TlsFailed")("TlsFailed", { what: Schema.String }) {
  override get message(): string {
    return `TLS handshake: ${this.what}`
  }
}

/** The peer did not finish the TLS handshake in time. */
export class TlsTimeout extends error<TlsTimeout>("TlsTimeout")("TlsTimeout", { seconds: Schema.Finite }) {
  override get message(): string {
    return `the peer has not finished the TLS handshake within ${this.seconds} s`
  }
}

/** Too many TLS handshakes are unfinished, and the address of this one has the most of them. */
export class TlsCrowded extends error<TlsCrowded>("TlsCrowded")("TlsCrowded", { unfinished: Schema.Int }) {
  override get message(): string {
    return `${this.unfinished} TLS handshakes are unfinished, the most allowed; this one is of the address with the most of them`
  }
}

/** The peer broke a rule of the protocol that a layer translates, such as Stratum V1, or that layer ended the connection. */
export class Translation extends error<Translation>("Translation")("Translation", { message: Schema.String }) {}

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
    FrameTimeout,
    ProxyHeaderError,
    TlsFailed,
    TlsTimeout,
    TlsCrowded,
    Translation
  ])
}) {
  override get message(): string {
    return this.reason.message
  }
}
