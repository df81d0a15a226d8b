/** How the ends fail to agree in SetupConnection (specification, section 3.6). */
import { printable } from "@sluice/protocol"
import { Schema } from "effect"
import { Endpoint, formatEndpoint } from "../endpoint.ts"

const error = <Self>(name: string) => Schema.TaggedError<Self>(`sluice/transport/${name}`)

/** The setup was not finished in time. */
export class SetupTimeout extends error<SetupTimeout>("SetupTimeout")("SetupTimeout", {
  seconds: Schema.Finite,
  /** The step that was not done, as a sentence. */
  missing: Schema.Literals([
    "the client sent no SetupConnection",
    "the server did not decide whether to accept the client",
    "the client did not ask for the extensions that the server requires",
    "the server did not answer SetupConnection"
  ])
}) {
  override get message(): string {
    return `${this.missing} within ${this.seconds} s`
  }
}

/** Another message came than the one that must come first. */
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

/** The client asks for a protocol that is not served here. */
export class UnsupportedProtocol extends error<UnsupportedProtocol>("UnsupportedProtocol")("UnsupportedProtocol", {
  requested: Schema.Int,
  served: Schema.Int
}) {
  override get message(): string {
    return `the client asks for protocol ${this.requested}; served here is ${this.served} (0 mining, 1 job declaration, 2 template distribution)`
  }
}

/** The ends have no version of the protocol in common. */
export class VersionMismatch extends error<VersionMismatch>("VersionMismatch")("VersionMismatch", {
  minVersion: Schema.Int,
  maxVersion: Schema.Int
}) {
  override get message(): string {
    return `the peer speaks versions ${this.minVersion} to ${this.maxVersion}; we speak 2`
  }
}

/** The client wants features that the server has not. */
export class UnsupportedFlags extends error<UnsupportedFlags>("UnsupportedFlags")("UnsupportedFlags", {
  /** All of the client's flags that are not supported, U32. */
  flags: Schema.Int
}) {
  override get message(): string {
    return `the client asks for features that are not supported here: flags 0x${this.flags.toString(16)}`
  }
}

/** `accept` of the server refused the client. */
export class RefusedClient extends error<RefusedClient>("RefusedClient")("RefusedClient", {
  errorCode: Schema.String,
  /** The flags that SetupConnection.Error named, U32. */
  flags: Schema.Int
}) {
  override get message(): string {
    // A proxy passes on the code of its upstream, which may be any text.
    return `the client was refused with "${printable(this.errorCode)}"${becauseOf(this.flags)}`
  }
}

/** The server answered SetupConnection.Error. */
export class RefusedByServer extends error<RefusedByServer>("RefusedByServer")("RefusedByServer", {
  /** The flags that caused it, U32; 0 where it was something else. */
  flags: Schema.Int,
  errorCode: Schema.String
}) {
  override get message(): string {
    // The server may send any text: characters that would break or forge a line of a log are replaced.
    return `the server refused with "${printable(this.errorCode)}"${becauseOf(this.flags)}`
  }
}

/** One end insists on extensions that the other has not (extension 0x0001). */
export class MissingExtensions extends error<MissingExtensions>("MissingExtensions")("MissingExtensions", {
  requiredBy: Schema.Literals(["server", "client"]),
  extensions: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    const list = this.extensions.map((id) => `0x${id.toString(16).padStart(4, "0")}`).join(", ")
    return this.requiredBy === "server"
      ? `the server requires extensions that the client does not ask for: ${list}`
      : `the server does not support extensions that the client requires: ${list}`
  }
}

/** The peer goes on and on before the setup is through. */
export class TooManySetupMessages extends error<TooManySetupMessages>("TooManySetupMessages")("TooManySetupMessages", {
  limit: Schema.Int
}) {
  override get message(): string {
    return `more than ${this.limit} messages came before the extensions were agreed on`
  }
}

/** A message of the setup came again, after the setup was through. */
export class RepeatedSetup extends error<RepeatedSetup>("RepeatedSetup")("RepeatedSetup", { messageType: Schema.Int }) {
  override get message(): string {
    return `a message of the setup, type 0x${this.messageType.toString(16)}, came on a connection that is set up already`
  }
}

const becauseOf = (flags: number): string => (flags === 0 ? "" : `, because of flags 0x${flags.toString(16)}`)

/** The ends did not agree in SetupConnection (specification, section 3.6). */
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
