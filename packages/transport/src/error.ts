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
   * The system's code, such as ECONNREFUSED, or OpenSSL's; or TIMEOUT; or SECURITY if the address requires Noise and the dialer is plain, or
   * the reverse; or STRATUM_V1 if the address is of a server of Stratum V1 and the dialer speaks V2.
   */
  code: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  override get message(): string {
    const { cause, code, endpoint } = this
    const detail = DETAILED.has(code) && cause instanceof Error ? ` (${cause.message})` : ""
    return `cannot connect to ${formatEndpoint(endpoint)}: ${DIAL_ADVICE[code] ?? code}${detail}`
  }
}

/** Codes whose cause says more: which names or which fingerprint the certificate has. */
const DETAILED: ReadonlySet<string> = new Set(["TLS_FINGERPRINT", "ERR_TLS_CERT_ALTNAME_INVALID"])

const unknownAuthority = (...codes: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    codes.map((code) => [
      code,
      "the server's certificate is not of an authority that is trusted here; trust the authority's certificate or the " +
        "fingerprint of the server's, if you know that it is the right server"
    ])
  )

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
  TLS_CLOSED: "the server ended the connection during the TLS handshake; check that this port of it speaks TLS",
  TLS_TIMEOUT: "the server does not answer in the TLS handshake; check that this port of it speaks TLS",
  TLS_FINGERPRINT: "its certificate is not one of those whose fingerprints are trusted here",
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not speak TLS on this port",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for other names, not for this host",
  CERT_HAS_EXPIRED: "the server's certificate has expired; check the clock of this machine too",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet; check the clock of this machine first",
  ...unknownAuthority(
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
  ),
  STRATUM_V1: "this is the address of a Stratum V1 server, and only Stratum V2 can be spoken here"
}

/** The error of a dialer for an address whose security it does not have. */
export const otherSecurity = (server: ServerAddress): DialError => {
  const code = server.security._tag === "v1" ? "STRATUM_V1" : "SECURITY"
  return new DialError({ endpoint: { host: server.host, port: server.port }, code })
}
