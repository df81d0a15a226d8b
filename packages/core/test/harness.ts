/**
 * The package behind a flat interface, so that a test can drive its two builds alike: arguments are numbers, bytes lie in
 * one array, the arena, and are named by where they begin. Node runs this file as it is; `assembly/entry.ts` makes a
 * WebAssembly module of it.
 */
import { ChaCha20Poly1305 } from "../src/aead.ts"
import * as bytes from "../src/bytes.ts"
import * as certificates from "../src/certificate.ts"
import { chacha20Block as chacha20BlockOf } from "../src/chacha20.ts"
import { CipherState } from "../src/cipher-state.ts"
import { CoinbaseCheck } from "../src/coinbase.ts"
import { Curve } from "../src/curve.ts"
import * as frames from "../src/frame.ts"
import { Initiator, Responder } from "../src/handshake.ts"
import * as headers from "../src/header.ts"
import * as keyed from "../src/hkdf.ts"
import * as merkle from "../src/merkle.ts"
import { Poly1305 } from "../src/poly1305.ts"
import * as hashes from "../src/sha256.ts"
import { ShareCheck } from "../src/share.ts"
import { SymmetricState } from "../src/symmetric-state.ts"
import * as targets from "../src/target.ts"
import * as versions from "../src/version.ts"

export const ARENA_SIZE: i32 = 17825792
export const arena = new Uint8Array(ARENA_SIZE)

// bytes.ts

export function readU16(at: i32): i32 {
  return bytes.readU16(arena, at)
}
export function readU24(at: i32): i32 {
  return bytes.readU24(arena, at)
}
export function readU32(at: i32): i32 {
  return bytes.readU32(arena, at)
}
export function readU32BigEndian(at: i32): i32 {
  return bytes.readU32BigEndian(arena, at)
}
export function writeU16(at: i32, v: i32): void {
  bytes.writeU16(arena, at, v)
}
export function writeU24(at: i32, v: i32): void {
  bytes.writeU24(arena, at, v)
}
export function writeU32(at: i32, v: i32): void {
  bytes.writeU32(arena, at, v)
}
export function writeU32BigEndian(at: i32, v: i32): void {
  bytes.writeU32BigEndian(arena, at, v)
}
export function writeU64(at: i32, low: i32, high: i32): void {
  bytes.writeU64(arena, at, low, high)
}
export function isBelowU32(a: i32, b: i32): bool {
  return bytes.isBelowU32(a, b)
}
export function copyBytes(from: i32, to: i32, length: i32): void {
  bytes.copyBytes(arena, from, arena, to, length)
}

// sha256.ts

export function sha256(at: i32, length: i32, out: i32): void {
  hashes.sha256(arena, at, length, arena, out)
}
export function sha256d(at: i32, length: i32, out: i32): void {
  hashes.sha256d(arena, at, length, arena, out)
}

const hasher = new hashes.Sha256()
const midstate = new Int32Array(8)

/** The message in three pieces, cut at `first` and `second`, once or twice. */
export function sha256Pieces(at: i32, length: i32, first: i32, second: i32, out: i32, twice: i32): void {
  hasher.update(arena, at, first)
  hasher.update(arena, at + first, second - first)
  hasher.update(arena, at + second, length - second)
  if (twice !== 0) hasher.digestTwice(arena, out)
  else hasher.digest(arena, out)
}
/** The message with a midstate saved after `blocks` blocks and gone on from by another hasher. */
export function sha256Midstate(at: i32, length: i32, blocks: i32, out: i32): void {
  hasher.reset()
  hasher.update(arena, at, blocks * 64)
  hasher.saveMidstate(midstate)
  hasher.clear()
  hasher.loadMidstate(midstate, blocks * 64)
  hasher.update(arena, at + blocks * 64, length - blocks * 64)
  hasher.digest(arena, out)
}

const started = new Uint8Array(64)

/** The message with everything that a hasher has after `cut` bytes handed on to another. */
export function sha256Resumed(at: i32, length: i32, cut: i32, out: i32): void {
  hasher.reset()
  hasher.update(arena, at, cut)
  hasher.saveMidstate(midstate)
  const count: i32 = hasher.saveStarted(started, 0)
  hasher.clear()
  hasher.loadMidstate(midstate, cut - count)
  hasher.update(started, 0, count)
  hasher.update(arena, at + cut, length - cut)
  hasher.digest(arena, out)
}

// hkdf.ts

export function hmacSha256(key: i32, keyLength: i32, data: i32, dataLength: i32, out: i32): void {
  keyed.hmacSha256(arena, key, keyLength, arena, data, dataLength, arena, out)
}
const out1 = new Uint8Array(32)
const out2 = new Uint8Array(32)
export function hkdf2(chainingKey: i32, ikm: i32, ikmLength: i32, out: i32): void {
  keyed.hkdf2(arena.subarray(chainingKey, chainingKey + 32), arena, ikm, ikmLength, out1, out2)
  arena.set(out1, out)
  arena.set(out2, out + 32)
}

// chacha20.ts, poly1305.ts, aead.ts

const keyWords = new Int32Array(8)
const words = new Int32Array(20)

export function chacha20Block(key: i32, counter: i32, nonce: i32, out: i32): void {
  for (let i: i32 = 0; i < 8; i++) keyWords[i] = bytes.readU32(arena, key + i * 4)
  const nonce0: i32 = bytes.readU32(arena, nonce)
  const nonce1: i32 = bytes.readU32(arena, nonce + 4)
  const nonce2: i32 = bytes.readU32(arena, nonce + 8)
  chacha20BlockOf(keyWords, counter, nonce0, nonce1, nonce2, words)
  for (let i: i32 = 0; i < 16; i++) bytes.writeU32(arena, out + i * 4, words[i] as i32)
}

const mac = new Poly1305()
const part = new Uint8Array(20)

/** Poly1305 of any message (RFC 8439, 2.5): the last block, where it is not whole, has its 1 bit within. */
export function poly1305(key: i32, at: i32, length: i32, out: i32): void {
  for (let i: i32 = 0; i < 8; i++) keyWords[i] = bytes.readU32(arena, key + i * 4)
  mac.start(keyWords)
  const whole: i32 = length & -16
  for (let p: i32 = 0; p < whole; p += 16) {
    for (let i: i32 = 0; i < 4; i++) words[i] = bytes.readU32(arena, at + p + i * 4)
    mac.blocks(words, 1, 0x40000)
  }
  if (whole < length) {
    part.fill(0)
    bytes.copyBytes(arena, at + whole, part, 0, length - whole)
    part[length - whole] = 1
    for (let i: i32 = 0; i < 4; i++) words[i] = bytes.readU32(part, i * 4)
    mac.blocks(words, 1, 0)
  }
  mac.finish(words)
  for (let i: i32 = 0; i < 4; i++) bytes.writeU32(arena, out + i * 4, words[i] as i32)
}

const aead = new ChaCha20Poly1305()

export function aeadKey(key: i32): void {
  aead.setKey(arena, key)
}
export function aeadClear(): void {
  aead.clear()
}
export function aeadSeal(low: i32, high: i32, ad: i32, adLength: i32, at: i32, length: i32): void {
  aead.seal(low, high, arena, ad, adLength, arena, at, length)
}
export function aeadOpen(low: i32, high: i32, ad: i32, adLength: i32, at: i32, length: i32): bool {
  return aead.open(low, high, arena, ad, adLength, arena, at, length)
}
export function aeadSealNonce(nonce: i32, ad: i32, adLength: i32, at: i32, length: i32): void {
  aead.sealNonce(arena, nonce, arena, ad, adLength, arena, at, length)
}
export function aeadOpenNonce(nonce: i32, ad: i32, adLength: i32, at: i32, length: i32): bool {
  return aead.openNonce(arena, nonce, arena, ad, adLength, arena, at, length)
}

// frame.ts

export function frameExtensionType(at: i32): i32 {
  return frames.frameExtensionType(arena, at)
}
export function frameMessageType(at: i32): i32 {
  return frames.frameMessageType(arena, at)
}
export function framePayloadLength(at: i32): i32 {
  return frames.framePayloadLength(arena, at)
}
export function writeFrameHeader(at: i32, extensionType: i32, messageType: i32, payloadLength: i32): void {
  frames.writeFrameHeader(arena, at, extensionType, messageType, payloadLength)
}
export function encryptedPayloadLength(payloadLength: i32): i32 {
  return frames.encryptedPayloadLength(payloadLength)
}

// cipher-state.ts

const sender = new CipherState()
const receiver = new CipherState()

export function cipherKey(key: i32): void {
  sender.setKey(arena, key)
  receiver.setKey(arena, key)
}
export function cipherNonce(low: i32, high: i32): void {
  sender.setNonce(low, high)
  receiver.setNonce(low, high)
}
export function cipherClear(): void {
  sender.clear()
  receiver.clear()
}
export function cipherSkipPayload(payloadLength: i32): void {
  sender.skipPayload(payloadLength)
  receiver.skipPayload(payloadLength)
}
export function cipherIsReady(): bool {
  return sender.isReady()
}
export function cipherEncrypt(ad: i32, adLength: i32, at: i32, length: i32): bool {
  return sender.encryptWithAd(arena, ad, adLength, arena, at, length)
}
export function cipherDecrypt(ad: i32, adLength: i32, at: i32, length: i32): bool {
  return receiver.decryptWithAd(arena, ad, adLength, arena, at, length)
}
export function cipherSealFrame(at: i32, out: i32): i32 {
  return sender.sealFrame(arena, at, arena, out)
}
export function cipherSealPlaced(at: i32, payloadLength: i32): i32 {
  return sender.sealPlaced(arena, at, payloadLength)
}
export function cipherOpenHeader(at: i32): bool {
  return receiver.openHeader(arena, at)
}
export function cipherOpenPayload(at: i32, payloadLength: i32): bool {
  return receiver.openPayload(arena, at, payloadLength)
}

// certificate.ts

export function certificateVersion(at: i32): i32 {
  return certificates.certificateVersion(arena, at)
}
export function certificateValidFrom(at: i32): i32 {
  return certificates.certificateValidFrom(arena, at)
}
export function certificateNotValidAfter(at: i32): i32 {
  return certificates.certificateNotValidAfter(arena, at)
}
export function certificateDigest(version: i32, validFrom: i32, notValidAfter: i32, xOnly: i32, out: i32): void {
  certificates.certificateDigest(version, validFrom, notValidAfter, arena, xOnly, arena, out)
}
export function isCertificateNotYetValid(at: i32, now: i32, tolerance: i32): bool {
  return certificates.isCertificateNotYetValid(arena, at, now, tolerance)
}
export function isCertificateExpired(at: i32, now: i32, tolerance: i32): bool {
  return certificates.isCertificateExpired(arena, at, now, tolerance)
}

// symmetric-state.ts, handshake.ts

class NoCurve extends Curve {
  override createEllSwift(_secret: Uint8Array, _entropy: Uint8Array, _out: Uint8Array, _outAt: i32): bool {
    return false
  }
  override ecdh(
    _theirs: Uint8Array,
    _theirsAt: i32,
    _ours: Uint8Array,
    _oursAt: i32,
    _secret: Uint8Array,
    _initiator: bool,
    _out: Uint8Array,
    _outAt: i32
  ): bool {
    return false
  }
  override xOnly(_ellSwift: Uint8Array, _at: i32, _out: Uint8Array, _outAt: i32): bool {
    return false
  }
  override verify(
    _message32: Uint8Array,
    _messageAt: i32,
    _signature64: Uint8Array,
    _signatureAt: i32,
    _publicKey: Uint8Array,
    _publicKeyAt: i32
  ): bool {
    return false
  }
}

let curve: Curve = new NoCurve()

/** Gives the handshakes made from now on their curve. */
export function useCurve(next: Curve): void {
  curve = next
}

/** The first ck and h (4.5.1), 32 bytes each. */
export function initialSymmetricState(out: i32): void {
  const state = new SymmetricState()
  arena.set(state.ck, out)
  arena.set(state.h, out + 32)
}

let initiator = new Initiator(curve)
let responder = new Responder(curve, new Uint8Array(32), new Uint8Array(64), new Uint8Array(74))

export function newInitiator(): void {
  initiator = new Initiator(curve)
}
export function initiatorStart(ephemeralSecret: i32, entropy: i32, out: i32): i32 {
  return initiator.start(slice(ephemeralSecret, 32), slice(entropy, 32), arena, out)
}
export function initiatorFinish(act2: i32, authorityKey: i32, now: i32, tolerance: i32): i32 {
  return initiator.finish(arena, act2, slice(authorityKey, 32), now, tolerance)
}
export function initiatorReset(): void {
  initiator.reset()
}
export function initiatorClear(): void {
  initiator.clear()
}
/** Act 2 at the very end of an array that is too short for it. */
export function initiatorFinishShort(act2: i32, length: i32, authorityKey: i32, now: i32, tolerance: i32): i32 {
  return initiator.finish(slice(act2, length), 0, slice(authorityKey, 32), now, tolerance)
}
/** The certificate (74 bytes) and the server's x-only key (32 bytes) as they came. */
export function initiatorPeer(out: i32): void {
  arena.set(initiator.certificate, out)
  arena.set(initiator.remoteStaticKey, out + 74)
}
export function newResponder(staticSecret: i32, staticEllSwift: i32, certificate: i32): void {
  responder = new Responder(curve, slice(staticSecret, 32), slice(staticEllSwift, 64), slice(certificate, 74))
}
export function responderRespond(act1: i32, ephemeralSecret: i32, entropy: i32, out: i32): i32 {
  return responder.respond(arena, act1, slice(ephemeralSecret, 32), slice(entropy, 32), arena, out)
}
export function responderReset(): void {
  responder.reset()
}
export function responderRespondShort(act1: i32, length: i32, ephemeralSecret: i32, entropy: i32, out: i32): i32 {
  return responder.respond(slice(act1, length), 0, slice(ephemeralSecret, 32), slice(entropy, 32), arena, out)
}
export function initiatorSealFrame(at: i32, out: i32): i32 {
  return initiator.send.sealFrame(arena, at, arena, out)
}
export function initiatorOpenHeader(at: i32): bool {
  return initiator.receive.openHeader(arena, at)
}
export function initiatorOpenPayload(at: i32, payloadLength: i32): bool {
  return initiator.receive.openPayload(arena, at, payloadLength)
}
export function responderSealFrame(at: i32, out: i32): i32 {
  return responder.send.sealFrame(arena, at, arena, out)
}
export function responderOpenHeader(at: i32): bool {
  return responder.receive.openHeader(arena, at)
}
export function responderOpenPayload(at: i32, payloadLength: i32): bool {
  return responder.receive.openPayload(arena, at, payloadLength)
}

// target.ts

export function compareU256(a: i32, b: i32): i32 {
  return targets.compareU256(arena, a, arena, b)
}
export function nBitsToTarget(nBits: i32, out: i32): bool {
  return targets.nBitsToTarget(nBits, arena, out)
}
export function targetToDifficulty(at: i32): f64 {
  return targets.targetToDifficulty(arena, at)
}
export function difficultyToTarget(difficulty: f64, out: i32): void {
  targets.difficultyToTarget(difficulty, arena, out)
}

// coinbase.ts

const coinbase = new CoinbaseCheck()

/** The prefix lies at `at`, the suffix at `suffixAt`. */
export function checkCoinbase(at: i32, length: i32, extranonceLength: i32, suffixAt: i32, suffixLength: i32): i32 {
  return coinbase.check(arena, at, length, extranonceLength, arena, suffixAt, suffixLength)
}

// merkle.ts, header.ts, version.ts, share.ts

export function merkleFold(root: i32, path: i32, count: i32): void {
  merkle.merkleFold(arena, root, arena, path, count)
}
export function writeHeader(
  at: i32,
  version: i32,
  prevHash: i32,
  merkleRoot: i32,
  ntime: i32,
  nBits: i32,
  nonce: i32
): void {
  headers.writeHeader(arena, at, version, arena, prevHash, arena, merkleRoot, ntime, nBits, nonce)
}

const headerHasher = new headers.HeaderHasher()

export function headerLoad(header: i32): void {
  headerHasher.load(arena, header)
}
export function headerHash(nonce: i32, out: i32): void {
  headerHasher.hash(nonce, arena, out)
}
export function headerSearch(firstNonce: i32, count: i32, target: i32): i32 {
  return headerHasher.search(firstNonce, count, arena, target)
}

export function isVersionRolledWithin(jobVersion: i32, version: i32, mask: i32): bool {
  return versions.isVersionRolledWithin(jobVersion, version, mask)
}
export function nextVersion(version: i32, mask: i32): i32 {
  return versions.nextVersion(version, mask)
}

const share = new ShareCheck()

/** Coinbase prefix, extranonce prefix, extranonce and coinbase suffix lie one after the other at `at`. */
export function shareMerkleRoot(
  at: i32,
  prefixLength: i32,
  extranoncePrefixLength: i32,
  extranonceLength: i32,
  suffixLength: i32,
  path: i32,
  count: i32,
  out: i32
): void {
  const extranoncePrefixAt: i32 = at + prefixLength
  const extranonceAt: i32 = extranoncePrefixAt + extranoncePrefixLength
  const suffixAt: i32 = extranonceAt + extranonceLength
  share.merkleRoot(
    slice(at, prefixLength),
    slice(extranoncePrefixAt, extranoncePrefixLength),
    slice(extranonceAt, extranonceLength),
    slice(suffixAt, suffixLength),
    slice(path, count * 32),
    count
  )
  arena.set(share.root, out)
}
/** Writes the header, 80 bytes, and its hash, 32 bytes; the root is the last `shareMerkleRoot`'s. */
export function shareHash(version: i32, prevHash: i32, ntime: i32, nBits: i32, nonce: i32, out: i32): void {
  share.hash(version, slice(prevHash, 32), share.root, ntime, nBits, nonce)
  arena.set(share.header, out)
  arena.set(share.digest, out + 80)
}
export function shareMeets(target: i32): bool {
  return share.meets(arena, target)
}

function slice(at: i32, length: i32): Uint8Array {
  return arena.subarray(at, at + length)
}
