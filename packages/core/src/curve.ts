/**
 * The elliptic curve as the handshake sees it: secp256k1 with keys in ElligatorSwift encoding (BIP324) and signatures
 * after BIP340 (4.3.1).
 *
 * An implementation must run in constant time for secrets and accept any bytes of a peer: on unusable input it returns false and
 * never throws.
 */
export abstract class Curve {
  /**
   * Writes a 64-byte ElligatorSwift encoding of the secret key's public key. The 32 bytes of entropy choose one of its many
   * encodings. Returns false if the secret (32 bytes) is not 1 to n - 1.
   */
  abstract createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: i32): bool

  /**
   * Writes the 32 bytes of BIP324's `v2_ecdh` (tagged hash of both encodings, the initiator's first, and of the shared
   * x-coordinate). `secret` belongs to `ours`; `initiator` says which side this is.
   */
  abstract ecdh(
    theirs: Uint8Array,
    theirsAt: i32,
    ours: Uint8Array,
    oursAt: i32,
    secret: Uint8Array,
    initiator: bool,
    out: Uint8Array,
    outAt: i32
  ): bool

  /** Writes the 32-byte x-coordinate that 64 bytes of ElligatorSwift encode. */
  abstract xOnly(ellSwift: Uint8Array, at: i32, out: Uint8Array, outAt: i32): bool

  /** Whether the signature (BIP340, 64 bytes) of a 32-byte message is by the x-only key of 32 bytes. */
  abstract verify(
    message32: Uint8Array,
    messageAt: i32,
    signature64: Uint8Array,
    signatureAt: i32,
    publicKey: Uint8Array,
    publicKeyAt: i32
  ): bool
}
