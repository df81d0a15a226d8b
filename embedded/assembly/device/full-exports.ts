/**
 * Additional exports of profile full: the codecs of all messages, and both ends of a Noise connection, for a node, a pool or a
 * proxy written in C. Frames and messages are in one buffer and passed by their offset; keys and acts are passed by address. One
 * instance serves one connection and any number of messages.
 */
import { Initiator, Responder } from "../../../packages/core/src/handshake"
import { decodeOf, encodeOf, wordCountOf, wordsOf } from "../messages"
import { ModuleCurve } from "./module-curve"

export { createEllSwift, sign, xOnly } from "../curve"

/** A whole encrypted frame is at most 2^24 - 1 bytes, 6 of header and 257 tags. */
const MAX_BUFFER: i32 = 0xffffff + 22 + 257 * 16

let buffer: Uint8Array | null = null
const curve = new ModuleCurve()
const initiator = new Initiator(curve)
const staticSecret = new Uint8Array(32)
const staticKey = new Uint8Array(64)
const certificate = new Uint8Array(74)
const responder = new Responder(curve, staticSecret, staticKey, certificate)
const secret = new Uint8Array(32)
const entropy = new Uint8Array(32)
const firstAct = new Uint8Array(64)
const act = new Uint8Array(234)
const authorityKey = new Uint8Array(32)

function ownBuffer(): Uint8Array {
  const made = buffer
  if (made === null) unreachable()
  return made!
}

/** Makes the buffer, once, of at most 16,781,349 bytes; false otherwise. Nothing allocates after it and `create`. */
export function createBuffer(size: i32): bool {
  if (buffer !== null || size < 1 || size > MAX_BUFFER) return false
  buffer = new Uint8Array(size)
  return true
}
export function bufferAt(): usize {
  return ownBuffer().dataStart
}

// Messages, by their number in sluice-messages.h.

/** Reads a message's payload. Returns the offset behind its fields, a DECODE_ code, or -5 for a bad message number or offset. */
export function decodeMessage(message: i32, from: i32, end: i32): i32 {
  const b = ownBuffer()
  return from < 0 || end < from || end > b.length ? -5 : decodeOf(message, b, from, end)
}
/** Writes a message's payload. Its byte fields come from the buffer. Returns the offset behind it, an ENCODE_ code, or -5. */
export function encodeMessage(message: i32, from: i32, end: i32): i32 {
  const b = ownBuffer()
  return from < 0 || end < from || end > b.length ? -5 : encodeOf(message, b, b, from, end)
}
/** The number of words of a message, 0 for an unknown number. */
export function messageWords(message: i32): i32 {
  return wordCountOf(message)
}
/** A word of a message: decoded last, or to be encoded. */
export function messageWord(message: i32, word: i32): u32 {
  return word < 0 || word >= wordCountOf(message) ? 0 : load<u32>(wordsOf(message) + ((word as usize) << 2))
}
export function setMessageWord(message: i32, word: i32, value: u32): void {
  if (word >= 0 && word < wordCountOf(message)) store<u32>(wordsOf(message) + ((word as usize) << 2), value)
}

// Noise. HANDSHAKE_ codes.

/** The server's static key (secret of 32 bytes, an encoding of 64) and its certificate of 74 bytes. */
export function setServerKey(secretAt: usize, keyAt: usize, certificateAt: usize): void {
  memory.copy(staticSecret.dataStart, secretAt, 32)
  memory.copy(staticKey.dataStart, keyAt, 64)
  memory.copy(certificate.dataStart, certificateAt, 74)
}
/** The server's part of a new connection: act 1 (64 bytes) and 64 random bytes, which are overwritten; writes act 2. */
export function respond(act1: usize, random: usize, act2: usize): i32 {
  take(random)
  memory.copy(firstAct.dataStart, act1, 64)
  responder.reset()
  const code = responder.respond(firstAct, 0, secret, entropy, act, 0)
  forget()
  if (code === 0) memory.copy(act2, act.dataStart, 234)
  return code
}
/** The client's first part of a new connection: 64 random bytes, which are overwritten; writes act 1. */
export function initiate(random: usize, act1: usize): i32 {
  take(random)
  initiator.reset()
  const code = initiator.start(secret, entropy, act, 0)
  forget()
  if (code === 0) memory.copy(act1, act.dataStart, 64)
  return code
}
/** The client's second part: act 2, the authority's key (32 bytes), the time and how far it may be off, in seconds. */
export function finishHandshake(act2: usize, authorityAt: usize, unixSeconds: u32, toleranceSeconds: u32): i32 {
  memory.copy(act.dataStart, act2, 234)
  memory.copy(authorityKey.dataStart, authorityAt, 32)
  return initiator.finish(act, 0, authorityKey, unixSeconds, toleranceSeconds)
}
/** Clears the keys of both ends. */
export function closeNoise(): void {
  initiator.reset()
  responder.reset()
}
/** Encrypts the plain frame at `from` to another place of the buffer; its size there, -1 without a key or room. */
export function sealFrame(server: bool, from: i32, to: i32): i32 {
  const b = ownBuffer()
  if (from < 0 || to < 0 || from > b.length - 6) return -1
  const payload = (b[from + 3] as i32) | ((b[from + 4] as i32) << 8) | ((b[from + 5] as i32) << 16)
  const sealed = 22 + payload + 16 * ((payload + 65518) / 65519)
  if (from + 6 + payload > b.length || to > b.length - sealed) return -1
  return server ? responder.send.sealFrame(b, from, b, to) : initiator.send.sealFrame(b, from, b, to)
}
/** Decrypts a header of 22 bytes in place; its first 6 bytes are then the plain header. */
export function openHeader(server: bool, at: i32): bool {
  const b = ownBuffer()
  if (at < 0 || at > b.length - 22) return false
  return server ? responder.receive.openHeader(b, at) : initiator.receive.openHeader(b, at)
}
/** Decrypts a payload in place, `payloadLength` bytes once it is plain. */
export function openPayload(server: bool, at: i32, payloadLength: i32): bool {
  const b = ownBuffer()
  if (at < 0 || payloadLength < 0 || payloadLength > 0xffffff) return false
  if (at + payloadLength + 16 * ((payloadLength + 65518) / 65519) > b.length) return false
  return server
    ? responder.receive.openPayload(b, at, payloadLength)
    : initiator.receive.openPayload(b, at, payloadLength)
}

function take(random: usize): void {
  memory.copy(secret.dataStart, random, 32)
  memory.copy(entropy.dataStart, random + 32, 32)
  memory.fill(random, 0, 64)
}

function forget(): void {
  secret.fill(0)
  entropy.fill(0)
}
