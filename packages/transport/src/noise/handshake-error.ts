/** The reasons for which a Noise handshake fails (specification, section 4.5). */
import { Schema } from "effect"
import { Endpoint, formatEndpoint } from "../endpoint.ts"

const error = <Self>(name: string) => Schema.TaggedError<Self>(`sluice/transport/${name}`)
export const Role = Schema.Literals(["initiator", "responder"])
export type Role = typeof Role.Type
const peerOf = { initiator: "server", responder: "client" } as const

/** The peer did not finish its part of the handshake in time. */
export class HandshakeTimeout extends error<HandshakeTimeout>("HandshakeTimeout")("HandshakeTimeout", {
  role: Role,
  seconds: Schema.Finite,
  received: Schema.Int,
  expected: Schema.Int,
  hint: Schema.String
}) {
  override get message(): string {
    return `the ${peerOf[this.role]} sent ${this.received} of the handshake's ${this.expected} bytes within ${this.seconds} s${this.hint}`
  }
}

/** The connection ended during the handshake. */
export class HandshakeTruncated extends error<HandshakeTruncated>("HandshakeTruncated")("HandshakeTruncated", {
  role: Role,
  received: Schema.Int,
  expected: Schema.Int,
  hint: Schema.String
}) {
  override get message(): string {
    return `the ${peerOf[this.role]} ended the connection after ${this.received} of the handshake's ${this.expected} bytes${this.hint}${this.role === "initiator" && this.received === 0 ? "; check that it is a server that speaks Noise" : ""}`
  }
}

/** The bytes are not a valid handshake: a bad authentication tag or a bad key. */
export class HandshakeGarbage extends error<HandshakeGarbage>("HandshakeGarbage")("HandshakeGarbage", {
  role: Role,
  what: Schema.String,
  hint: Schema.String
}) {
  override get message(): string {
    return `the ${peerOf[this.role]} did not ${this.role === "initiator" ? "answer" : "begin"} with a Noise handshake (${this.what})${this.hint}`
  }
}

/** The server has more handshakes to compute than it can in time. */
export class HandshakeQueueFull extends error<HandshakeQueueFull>("HandshakeQueueFull")("HandshakeQueueFull", {
  waiting: Schema.Int
}) {
  override get message(): string {
    return `${this.waiting} others wait for their handshakes, the most allowed (maxHandshakesPerSecond)`
  }
}

/** The certificate is not signed by the authority that the address names. */
export class WrongAuthority extends error<WrongAuthority>("WrongAuthority")("WrongAuthority", {
  /** The expected key, in the form of addresses. */
  authorityKey: Schema.String
}) {
  override get message(): string {
    return (
      `the server's certificate is not signed by the authority ${this.authorityKey}; either the key in the address is not ` +
      "this server's, or this is not the server that it claims to be"
    )
  }
}

/** The current time is outside the certificate's validity. */
export class CertificateNotValidNow extends error<CertificateNotValidNow>("CertificateNotValidNow")(
  "CertificateNotValidNow",
  {
    /** Seconds since 1970. */
    validFrom: Schema.Int,
    notValidAfter: Schema.Int,
    now: Schema.Int,
    toleranceSeconds: Schema.Int
  }
) {
  override get message(): string {
    const early = this.now < this.validFrom
    const [what, date, off] = early
      ? ["is not valid before", this.validFrom, this.validFrom - this.now]
      : ["expired at", this.notValidAfter, this.now - this.notValidAfter]
    return (
      `the server's certificate ${what} ${isoSeconds(date)}, and here it is ${isoSeconds(this.now)} (${off} s ` +
      `${early ? "too early" : "too late"}, ${this.toleranceSeconds} s are tolerated); check the clocks of both machines first`
    )
  }
}

/** The certificate has an unknown version. */
export class CertificateVersion extends error<CertificateVersion>("CertificateVersion")("CertificateVersion", {
  version: Schema.Int
}) {
  override get message(): string {
    return `the server's certificate has version ${this.version}; expected 0`
  }
}

const isoSeconds = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000Z", "Z")

/** The Noise handshake failed (specification, section 4.5). */
export class HandshakeError extends error<HandshakeError>("HandshakeError")("HandshakeError", {
  remote: Endpoint,
  reason: Schema.Union([
    HandshakeTimeout,
    HandshakeTruncated,
    HandshakeGarbage,
    HandshakeQueueFull,
    WrongAuthority,
    CertificateNotValidNow,
    CertificateVersion
  ])
}) {
  override get message(): string {
    return `Noise handshake with ${formatEndpoint(this.remote)}: ${this.reason.message}`
  }
}
