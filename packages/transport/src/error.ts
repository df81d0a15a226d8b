/**
 * The errors of a connection, one class for each stage of its life: `ListenError` and `DialError` before it exists,
 * `HandshakeError` (Noise), `SetupError` (SetupConnection), and `TransportError` while it is open. Each message says what was
 * expected, what came and what to do. An error with several causes has a tagged `reason`.
 */
import type { DecodeError, EncodeError } from "@sluice/protocol"
import { Schema } from "effect"
import { Endpoint, formatEndpoint, type ServerAddress } from "./endpoint.ts"
import type { HandshakeError } from "./noise/handshake-error.ts"
import type { SetupError } from "./setup/setup-error.ts"
import type { TransportError } from "./bytes/transport-error.ts"

/** Every error that can end a connection, from the open socket on. */
export type ConnectionError = TransportError | HandshakeError | SetupError | DecodeError | EncodeError

/** The listener cannot listen at its address. */
export class ListenError extends Schema.TaggedError<ListenError>("sluice/transport/ListenError")("ListenError", {
  address: Endpoint,
  /** The system's code, such as EADDRINUSE. */
  code: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `cannot listen on ${formatEndpoint(this.address)}: ${LISTEN_ADVICE[this.code] ?? this.code}`
  }
}

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use; stop the program that has it or choose another port",
  EADDRNOTAVAIL: "no network interface of this machine has that address; 0.0.0.0 stands for all of them",
  EACCES: "not allowed; ports below 1024 need privileges, choose a higher one",
  ENOTFOUND: "the host name is not known; give an address such as 127.0.0.1 or 0.0.0.0"
}

/** The connection could not be opened. */
export class DialError extends Schema.TaggedError<DialError>("sluice/transport/DialError")("DialError", {
  endpoint: Endpoint,
  /**
   * The system's code, such as ECONNREFUSED; or TIMEOUT; or SECURITY if the address requires Noise and the dialer is plain, or
   * the reverse; or STRATUM_V1 if the address is of a server of Stratum V1 and the dialer speaks V2.
   */
  code: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  override get message(): string {
    return `cannot connect to ${formatEndpoint(this.endpoint)}: ${DIAL_ADVICE[this.code] ?? this.code}`
  }
}

const DIAL_ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check that the server runs and that the port is right",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name could not be looked up; check the network",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  ETIMEDOUT: "the host does not answer",
  TIMEOUT: "the host does not answer",
  EMFILE: "this process has as many files and sockets open as the system allows; raise the limit with `ulimit -n`",
  EADDRNOTAVAIL:
    "no local port is free for this connection, or the local address is not of this machine; connect from more local addresses",
  SECURITY:
    "the address and the dialer do not agree on Noise; stratum2+tcp://HOST:PORT/KEY requires Noise, stratum2+tcp+plain://HOST:PORT excludes it",
  STRATUM_V1: "this is the address of a Stratum V1 server, and only Stratum V2 can be spoken here"
}

/** The error of a dialer for an address whose security it does not have. */
export const otherSecurity = (server: ServerAddress): DialError => {
  const code = server.security._tag === "v1" ? "STRATUM_V1" : "SECURITY"
  return new DialError({ endpoint: { host: server.host, port: server.port }, code })
}
