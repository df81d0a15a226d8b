/**
 * The Noise NX handshake with a certificate: `-> e`, `<- e, ee, s, es, SIGNATURE_NOISE_MESSAGE` (4.5).
 *
 * Both sides are machines without I/O: they take the received bytes, random bytes and the time, and write the bytes to send. Each
 * method returns a `HANDSHAKE_` code. A handshake is over after any code except `start`'s `HANDSHAKE_OK`: its secrets are
 * cleared, and unless the code was `HANDSHAKE_OK`, `send` and `receive` have no key and refuse everything.
 */
import {
  CERTIFICATE_SIGNATURE_AT,
  CERTIFICATE_SIZE,
  CERTIFICATE_VERSION,
  certificateDigest,
  certificateNotValidAfter,
  certificateValidFrom,
  certificateVersion,
  isCertificateExpired,
  isCertificateNotYetValid
} from "./certificate.ts"
import { copyBytes } from "./bytes.ts"
import { CipherState } from "./cipher-state.ts"
import { Curve } from "./curve.ts"
import { SymmetricState } from "./symmetric-state.ts"

export const ELLSWIFT_SIZE: i32 = 64
/** The initiator's ephemeral key (4.5.1). */
export const ACT1_SIZE: i32 = 64
/** Ephemeral key, static key and its tag, certificate and its tag (4.5.2, whose text gives an older sum). */
export const ACT2_SIZE: i32 = 234
const STATIC_AT: i32 = 64
const CERTIFICATE_AT: i32 = 144

export const HANDSHAKE_OK: i32 = 0
/** A method was called too early or a second time. */
export const HANDSHAKE_OUT_OF_ORDER: i32 = 1
/** Fewer bytes than the act has. */
export const HANDSHAKE_TOO_SHORT: i32 = 2
/** The curve refused our own key: the secret is not 1 to n - 1. */
export const HANDSHAKE_BAD_SECRET: i32 = 3
/** The curve refused the peer's key. */
export const HANDSHAKE_BAD_KEY: i32 = 4
/** The tag of the static key is wrong: the peer runs another protocol, or the bytes were changed. */
export const HANDSHAKE_BAD_STATIC_KEY_TAG: i32 = 5
/** The tag of the certificate is wrong. */
export const HANDSHAKE_BAD_CERTIFICATE_TAG: i32 = 6
/** A certificate of a version other than 0. */
export const HANDSHAKE_CERTIFICATE_VERSION: i32 = 7
/** The certificate is not signed by the authority that was expected. */
export const HANDSHAKE_BAD_SIGNATURE: i32 = 8
/** The certificate is not valid yet, or this clock is slow. */
export const HANDSHAKE_NOT_YET_VALID: i32 = 9
/** The certificate has expired, or this clock is fast. */
export const HANDSHAKE_EXPIRED: i32 = 10

const NEW: i32 = 0
const STARTED: i32 = 1
const DONE: i32 = 2

/** The client's side. */
export class Initiator {
  /** For frames to the server. */
  readonly send: CipherState = new CipherState()
  /** For frames from the server. */
  readonly receive: CipherState = new CipherState()
  /** The received certificate, 74 bytes. Zero until its tag was verified; trustworthy only after `HANDSHAKE_OK`. */
  readonly certificate: Uint8Array = new Uint8Array(CERTIFICATE_SIZE)
  /** The x-coordinate of the server's static key, 32 bytes. Trustworthy when the certificate is. */
  readonly remoteStaticKey: Uint8Array = new Uint8Array(32)

  private readonly curve: Curve
  private readonly symmetric: SymmetricState = new SymmetricState()
  private readonly secret: Uint8Array = new Uint8Array(32)
  private readonly ephemeral: Uint8Array = new Uint8Array(ELLSWIFT_SIZE)
  private readonly dh: Uint8Array = new Uint8Array(32)
  private readonly plain: Uint8Array = new Uint8Array(ACT2_SIZE)
  private state: i32 = NEW

  constructor(curve: Curve) {
    this.curve = curve
  }

  /** Act 1: writes 64 bytes to send. Both inputs are 32 random bytes; use them once and clear them. */
  start(ephemeralSecret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: i32): i32 {
    if (this.state !== NEW) return this.end(HANDSHAKE_OUT_OF_ORDER)
    if (!this.curve.createEllSwift(ephemeralSecret, entropy, this.ephemeral, 0)) return this.end(HANDSHAKE_BAD_SECRET)
    this.state = STARTED
    copyBytes(ephemeralSecret, 0, this.secret, 0, 32)
    copyBytes(this.ephemeral, 0, out, outAt, ELLSWIFT_SIZE)
    this.symmetric.mixHash(this.ephemeral, 0, ELLSWIFT_SIZE)
    this.symmetric.mixHash(this.ephemeral, 0, 0)
    return HANDSHAKE_OK
  }

  /**
   * Act 2, 234 bytes, which stay as they are. `authorityKey` is the x-only key (32 bytes) that must have signed the
   * certificate; its dates are compared with `nowSeconds` (U32), `toleranceSeconds` either way.
   */
  finish(act2: Uint8Array, at: i32, authorityKey: Uint8Array, nowSeconds: i32, toleranceSeconds: i32): i32 {
    if (this.state !== STARTED) return this.end(HANDSHAKE_OUT_OF_ORDER)
    if (((act2.length - at) | 0) < ACT2_SIZE) return this.end(HANDSHAKE_TOO_SHORT)
    const code: i32 = this.read(act2, at)
    if (code !== HANDSHAKE_OK) return this.end(code)
    const verdict: i32 = this.judge(authorityKey, nowSeconds, toleranceSeconds)
    if (verdict !== HANDSHAKE_OK) return this.end(verdict)
    this.symmetric.split(this.send, this.receive)
    return this.end(HANDSHAKE_OK)
  }

  /** Clears all state and keys, so that one machine serves many connections without allocations. */
  reset(): void {
    this.end(HANDSHAKE_OUT_OF_ORDER)
    this.send.clear()
    this.receive.clear()
    this.certificate.fill(0)
    this.remoteStaticKey.fill(0)
    this.symmetric.reset()
    this.state = NEW
  }

  /** Aborts the handshake, for instance if act 2 does not come in time. Does nothing after `finish`. */
  clear(): void {
    this.end(HANDSHAKE_OUT_OF_ORDER)
  }

  /** 4.5.2.2, steps 2 to 7. */
  private read(act2: Uint8Array, at: i32): i32 {
    const symmetric = this.symmetric
    const plain = this.plain
    copyBytes(act2, at, plain, 0, ACT2_SIZE)
    symmetric.mixHash(act2, at, ELLSWIFT_SIZE)
    if (!this.mixEcdh(plain, 0)) return HANDSHAKE_BAD_KEY
    if (!symmetric.decryptAndHash(act2, at + STATIC_AT, plain, STATIC_AT, ELLSWIFT_SIZE)) {
      return HANDSHAKE_BAD_STATIC_KEY_TAG
    }
    if (!this.mixEcdh(plain, STATIC_AT)) return HANDSHAKE_BAD_KEY
    if (!symmetric.decryptAndHash(act2, at + CERTIFICATE_AT, plain, CERTIFICATE_AT, CERTIFICATE_SIZE)) {
      return HANDSHAKE_BAD_CERTIFICATE_TAG
    }
    copyBytes(plain, CERTIFICATE_AT, this.certificate, 0, CERTIFICATE_SIZE)
    if (!this.curve.xOnly(plain, STATIC_AT, this.remoteStaticKey, 0)) return HANDSHAKE_BAD_KEY
    return HANDSHAKE_OK
  }

  /** MixKey(ECDH(e, a key of the peer's)). */
  private mixEcdh(theirs: Uint8Array, theirsAt: i32): bool {
    if (!this.curve.ecdh(theirs, theirsAt, this.ephemeral, 0, this.secret, true, this.dh, 0)) return false
    this.symmetric.mixKey(this.dh)
    return true
  }

  /** Verifies the signature (4.5.3) and then the dates, which mean nothing without a valid signature. */
  private judge(authorityKey: Uint8Array, nowSeconds: i32, toleranceSeconds: i32): i32 {
    const certificate = this.certificate
    const version: i32 = certificateVersion(certificate, 0)
    if (version !== CERTIFICATE_VERSION) return HANDSHAKE_CERTIFICATE_VERSION
    const validFrom: i32 = certificateValidFrom(certificate, 0)
    const notValidAfter: i32 = certificateNotValidAfter(certificate, 0)
    certificateDigest(version, validFrom, notValidAfter, this.remoteStaticKey, 0, this.dh, 0)
    if (!this.curve.verify(this.dh, 0, certificate, CERTIFICATE_SIGNATURE_AT, authorityKey, 0)) {
      return HANDSHAKE_BAD_SIGNATURE
    }
    if (isCertificateNotYetValid(certificate, 0, nowSeconds, toleranceSeconds)) return HANDSHAKE_NOT_YET_VALID
    if (isCertificateExpired(certificate, 0, nowSeconds, toleranceSeconds)) return HANDSHAKE_EXPIRED
    return HANDSHAKE_OK
  }

  private end(code: i32): i32 {
    this.state = DONE
    this.symmetric.clear()
    this.secret.fill(0)
    this.dh.fill(0)
    this.plain.fill(0)
    return code
  }
}

/** The server's side. */
export class Responder {
  /** For frames to the client. */
  readonly send: CipherState = new CipherState()
  /** For frames from the client. */
  readonly receive: CipherState = new CipherState()

  private readonly curve: Curve
  private readonly staticSecret: Uint8Array
  private readonly staticEllSwift: Uint8Array
  private readonly certificate: Uint8Array
  private readonly symmetric: SymmetricState = new SymmetricState()
  private readonly dh: Uint8Array = new Uint8Array(32)
  private state: i32 = NEW

  /**
   * The static key as its secret (32 bytes) and one ElligatorSwift encoding of it (64 bytes), and the certificate for it
   * (74 bytes, SIGNATURE_NOISE_MESSAGE). The arrays stay the caller's; many handshakes may share them.
   */
  constructor(curve: Curve, staticSecret: Uint8Array, staticEllSwift: Uint8Array, certificate: Uint8Array) {
    this.curve = curve
    this.staticSecret = staticSecret
    this.staticEllSwift = staticEllSwift
    this.certificate = certificate
  }

  /**
   * Takes act 1 (64 bytes) and writes act 2, 234 bytes to send. Secret and entropy are 32 random bytes each; use them once
   * and clear them.
   */
  respond(
    act1: Uint8Array,
    at: i32,
    ephemeralSecret: Uint8Array,
    entropy: Uint8Array,
    out: Uint8Array,
    outAt: i32
  ): i32 {
    if (this.state !== NEW) return this.end(HANDSHAKE_OUT_OF_ORDER)
    if (((act1.length - at) | 0) < ACT1_SIZE) return this.end(HANDSHAKE_TOO_SHORT)
    const symmetric = this.symmetric
    const staticAt: i32 = (outAt + STATIC_AT) | 0
    const certificateAt: i32 = (outAt + CERTIFICATE_AT) | 0
    // 4.5.1.2: re, and the empty payload of act 1.
    symmetric.mixHash(act1, at, ELLSWIFT_SIZE)
    symmetric.mixHash(act1, at, 0)
    // 4.5.2.1: e, ee, s, es, certificate.
    if (!this.curve.createEllSwift(ephemeralSecret, entropy, out, outAt)) return this.end(HANDSHAKE_BAD_SECRET)
    symmetric.mixHash(out, outAt, ELLSWIFT_SIZE)
    if (!this.mixEcdh(act1, at, out, outAt, ephemeralSecret)) return this.end(HANDSHAKE_BAD_KEY)
    copyBytes(this.staticEllSwift, 0, out, staticAt, ELLSWIFT_SIZE)
    symmetric.encryptAndHash(out, staticAt, ELLSWIFT_SIZE)
    if (!this.mixEcdh(act1, at, this.staticEllSwift, 0, this.staticSecret)) return this.end(HANDSHAKE_BAD_KEY)
    copyBytes(this.certificate, 0, out, certificateAt, CERTIFICATE_SIZE)
    symmetric.encryptAndHash(out, certificateAt, CERTIFICATE_SIZE)
    symmetric.split(this.receive, this.send)
    return this.end(HANDSHAKE_OK)
  }

  /** Clears all state and keys. */
  reset(): void {
    this.end(HANDSHAKE_OUT_OF_ORDER)
    this.send.clear()
    this.receive.clear()
    this.symmetric.reset()
    this.state = NEW
  }

  /** MixKey(ECDH(a key of ours, re)). */
  private mixEcdh(theirs: Uint8Array, theirsAt: i32, ours: Uint8Array, oursAt: i32, secret: Uint8Array): bool {
    if (!this.curve.ecdh(theirs, theirsAt, ours, oursAt, secret, false, this.dh, 0)) return false
    this.symmetric.mixKey(this.dh)
    return true
  }

  private end(code: i32): i32 {
    this.state = DONE
    this.symmetric.clear()
    this.dh.fill(0)
    return code
  }
}
