/** The reasons for which the setup of a connection fails (specification, section 3.6). */
import { printable } from "@sluice/protocol"
import { Schema } from "effect"
import { Endpoint, formatEndpoint } from "../endpoint.ts"

const error = <Self>(name: string) => Schema.TaggedError<Self>(`sluice/transport/${name}`)

/** The setup was not complete in time. */
export class SetupTimeout extends error<SetupTimeout>("SetupTimeout")("SetupTimeout", {
  seconds: Schema.Finite,
  /** The step that was not done, as a sentence. */
  missing: Schema.Literals([
    "the client sent no SetupConnection",
    "the server did not decide whether to accept the client",
    "the client did not request the extensions that the server requires",
    "the server did not answer SetupConnection",
    "the pool did not answer mining.subscribe"
  ])
}) {
  override get message(): string {
    return `${this.missing} within ${this.seconds} s`
  }
}

/** The first message is not the one that must come first. */
export class UnexpectedFirstMessage extends error<UnexpectedFirstMessage>("UnexpectedFirstMessage")(
  "UnexpectedFirstMessage",
  { extensionType: Schema.Int, messageType: Schema.Int, expected: Schema.String }
) {
  override get message(): string {
    return (
      `the first message is of type 0x${this.messageType.toString(16)} (extension 0x${this.extensionType.toString(16)}); ` +
      `expected ${this.expected}`
    )
  }
}

/** The client requests a protocol that this listener does not serve. */
export class UnsupportedProtocol extends error<UnsupportedProtocol>("UnsupportedProtocol")("UnsupportedProtocol", {
  requested: Schema.Int,
  served: Schema.Int
}) {
  override get message(): string {
    return `the client requests protocol ${this.requested}; this listener serves ${this.served} (0 mining, 1 job declaration, 2 template distribution)`
  }
}

/** Both ends support no common version of the protocol. */
export class VersionMismatch extends error<VersionMismatch>("VersionMismatch")("VersionMismatch", {
  minVersion: Schema.Int,
  maxVersion: Schema.Int
}) {
  override get message(): string {
    return `the peer supports versions ${this.minVersion} to ${this.maxVersion}; we support 2`
  }
}

/** The client requires features that the server does not support. */
export class UnsupportedFlags extends error<UnsupportedFlags>("UnsupportedFlags")("UnsupportedFlags", {
  /** The client's flags that are not supported, U32. */
  flags: Schema.Int
}) {
  override get message(): string {
    return `the client requires features that are not supported here: flags 0x${this.flags.toString(16)}`
  }
}

/** `accept` of the server refused the client. */
export class RefusedClient extends error<RefusedClient>("RefusedClient")("RefusedClient", {
  errorCode: Schema.String,
  /** The flags in SetupConnection.Error, U32. */
  flags: Schema.Int
}) {
  override get message(): string {
    // A proxy passes on the code of its upstream, which can be any text.
    return `the client was refused with "${printable(this.errorCode)}"${becauseOf(this.flags)}`
  }
}

/** The server answered with SetupConnection.Error. */
export class RefusedByServer extends error<RefusedByServer>("RefusedByServer")("RefusedByServer", {
  /** The unsupported flags, U32; 0 for other reasons. */
  flags: Schema.Int,
  errorCode: Schema.String
}) {
  override get message(): string {
    // The server can send any text, so characters that could forge a log line are replaced.
    return `the server refused with "${printable(this.errorCode)}"${becauseOf(this.flags)}`
  }
}

/** One end requires extensions that the other does not support (extension 0x0001). */
export class MissingExtensions extends error<MissingExtensions>("MissingExtensions")("MissingExtensions", {
  requiredBy: Schema.Literals(["server", "client"]),
  extensions: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    const list = this.extensions.map((id) => `0x${id.toString(16).padStart(4, "0")}`).join(", ")
    return this.requiredBy === "server"
      ? `the server requires extensions that the client did not request: ${list}`
      : `the server does not support extensions that the client requires: ${list}`
  }
}

/** The peer sent too many messages before the setup was complete. */
export class TooManySetupMessages extends error<TooManySetupMessages>("TooManySetupMessages")("TooManySetupMessages", {
  limit: Schema.Int
}) {
  override get message(): string {
    return `more than ${this.limit} messages came before the negotiation of extensions was complete`
  }
}

/** A message of the setup came after the setup was complete. */
export class RepeatedSetup extends error<RepeatedSetup>("RepeatedSetup")("RepeatedSetup", { messageType: Schema.Int }) {
  override get message(): string {
    return `a message of the setup, type 0x${this.messageType.toString(16)}, came after the setup was complete`
  }
}

const becauseOf = (flags: number): string => (flags === 0 ? "" : `, because of flags 0x${flags.toString(16)}`)

/** The setup of a connection failed (specification, section 3.6). */
export class SetupError extends error<SetupError>("SetupError")("SetupError", {
  remote: Endpoint,
  reason: Schema.Union([
    SetupTimeout,
    UnexpectedFirstMessage,
    UnsupportedProtocol,
    VersionMismatch,
    UnsupportedFlags,
    RefusedClient,
    RefusedByServer,
    MissingExtensions,
    TooManySetupMessages,
    RepeatedSetup
  ])
}) {
  override get message(): string {
    return `SetupConnection with ${formatEndpoint(this.remote)}: ${this.reason.message}`
  }
}
