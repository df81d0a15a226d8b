/**
 * What can go wrong with a connection, one class for each stage of its life: `ListenError` and `DialError` before there is
 * one, `HandshakeError` (Noise), `SetupError` (SetupConnection), `TransportError` while it lives. Each says what came, what
 * was expected, and what to do about it; those with several causes have a tagged `reason`.
 */
import type { DecodeError, EncodeError } from "@sluice/protocol"
import { Schema } from "effect"
import { Endpoint, formatEndpoint } from "./endpoint.ts"
import type { HandshakeError } from "./noise/handshake-error.ts"
import type { SetupError } from "./setup/setup-error.ts"
import type { TransportError } from "./bytes/transport-error.ts"

/** Everything that can end a connection or keep it from coming about once there is a socket. */
export type ConnectionError = TransportError | HandshakeError | SetupError | DecodeError | EncodeError

/** A server cannot listen at its address. */
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

/** No connection came about. */
export class DialError extends Schema.TaggedError<DialError>("sluice/transport/DialError")("DialError", {
  endpoint: Endpoint,
  /** The system's code, such as ECONNREFUSED; TIMEOUT; or SECURITY where the address asks for Noise or for plain text and the dialer has only the other. */
  code: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  override get message(): string {
    return `cannot connect to ${formatEndpoint(this.endpoint)}: ${DIAL_ADVICE[this.code] ?? this.code}`
  }
}

const DIAL_ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; see that the server runs and that the port is right",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name could not be looked up; see that the network is up",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  ETIMEDOUT: "the host does not answer",
  TIMEOUT: "the host does not answer",
  EMFILE: "this process has as many sockets and files open as it may; allow it more with `ulimit -n`",
  EADDRNOTAVAIL:
    "no port of this machine is free for it; connect from further local addresses, or see that the one given is its own",
  SECURITY:
    "the address and the dialer do not agree on Noise; stratum2+tcp://HOST:PORT/KEY speaks Noise, stratum2+tcp+plain://HOST:PORT does not"
}
