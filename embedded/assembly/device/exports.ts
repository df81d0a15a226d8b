/**
 * The device module's interface, common to all profiles. Arguments and results are numbers; bytes are passed by their address in
 * the module's memory. Put input bytes into the exchange (512 bytes at `exchangeAt`); copy output bytes before the next call.
 * Constants are those of packages/core/src/device.
 *
 * One instance of the module is one device with one connection. `create` comes first; nothing allocates after it.
 */
import { HeaderHasher } from "../../../packages/core/src/header"
import { sha256d } from "../../../packages/core/src/sha256"
import { exchangeAt as exchange } from "../curve"
import { own } from "./instance"

/** The version of the interface. Increases when an export changes its meaning. */
const INTERFACE_VERSION: i32 = 1
const EXCHANGE_SIZE: i32 = 512

const secret = new Uint8Array(32)
const entropy = new Uint8Array(32)
const bytes = new Uint8Array(256)
const header = new Uint8Array(80)
const target = new Uint8Array(32)
const hash = new Uint8Array(32)
const midstate = new Int32Array(8)
const hasher = new HeaderHasher()

// About the module.

export function interfaceVersion(): i32 {
  return INTERFACE_VERSION
}
export function exchangeAt(): usize {
  return exchange()
}
export function exchangeSize(): i32 {
  return EXCHANGE_SIZE
}

// Settings, for the next connection (user, hashrate and maximum target: for the next channel and `updateChannel`).

/** Sets a text (TEXT_) of at most 255 bytes. Returns false if it is longer. */
export function setText(text: i32, at: usize, length: i32): bool {
  if (length < 0 || length > 255) return false
  memory.copy(bytes.dataStart, at, length as usize)
  return own().settings.setText(text, bytes, 0, length)
}
/** The server's port, as it was dialled. */
export function setPort(port: u32): void {
  own().settings.port = port
}
/** Flags of SetupConnection (5.3.1). */
export function setFlags(flags: u32): void {
  own().settings.flags = flags
}
/** Hashes a second. */
export function setNominalHashRate(hashesPerSecond: f32): void {
  own().settings.nominalHashRateBits = reinterpret<i32>(hashesPerSecond)
}
/** The easiest target that the device accepts, 32 bytes, least significant first. Any by default. */
export function setMaxTarget(at: usize): void {
  const settings = own().settings
  memory.copy(settings.source.dataStart + settings.maxTargetAt(), at, 32)
}
/** The pool's authority key: 32 bytes, the x-coordinate. */
export function setAuthorityKey(at: usize): void {
  memory.copy(own().link.authorityKey.dataStart, at, 32)
}
/** Disables Noise. */
export function setPlain(plain: bool): void {
  own().link.isPlain = plain
}
/** The time limit for each answer of the server; 0 for none. Default 30,000 ms. */
export function setTimeout(milliseconds: u32): void {
  own().settings.timeoutMs = milliseconds
}
/** Seconds by which the clocks of both ends may differ, for the certificate's dates. Default 10. */
export function setClockTolerance(seconds: u32): void {
  own().link.clockToleranceSeconds = seconds
}

// The connection.

/**
 * Begins a connection, the transport being open: 64 random bytes (secret: they are the key), the time in seconds since 1970
 * for the certificate's dates or 0 without a clock, and milliseconds of a clock that may begin anywhere. The random bytes
 * are overwritten. False where they cannot be used, once in 2^127 times.
 */
export function connect(random: usize, unixSeconds: u32, nowMs: u32): bool {
  memory.copy(secret.dataStart, random, 32)
  memory.copy(entropy.dataStart, random + 32, 32)
  memory.fill(random, 0, 64)
  const begun = own().connect(secret, entropy, unixSeconds, nowMs)
  secret.fill(0)
  entropy.fill(0)
  return begun
}
/** Clears the connection. Call it when the transport is closed. */
export function disconnect(): void {
  own().disconnect()
}
/** Sets the time of the clock of `connect`. Call it about once a second, and before `submit` and `receive`. */
export function tick(nowMs: u32): void {
  own().tick(nowMs)
}
/** DEVICE_ state. */
export function state(): i32 {
  return own().state
}

/** The address for received bytes, at most `receiveRoom`. Call it each time. */
export function receiveAt(): usize {
  const link = own().link
  return link.input.dataStart + link.receiveAt()
}
export function receiveRoom(): i32 {
  return own().link.receiveRoom()
}
/** Reports how many bytes were put there. */
export function received(length: i32): void {
  own().link.received(length)
}
/** The address of the bytes to send; their number is `sendLength`. */
export function sendAt(): usize {
  const link = own().link
  return link.output.dataStart + link.sendAt
}
export function sendLength(): i32 {
  return own().link.sendLength()
}
/** Reports how many of them were sent. */
export function sent(length: i32): void {
  own().link.sent(length)
}

/** The next event (EVENT_), 0 if more bytes are needed. Call it until it returns 0, after each `received` and `tick`. */
export function nextEvent(): i32 {
  return own().next()
}
/** The broken RULE_. */
export function eventRule(): i32 {
  return own().event.rule
}
/** msg_type of the message, -1 for none. */
export function eventMessageType(): i32 {
  return own().event.messageType
}
export function eventChannelId(): u32 {
  return own().event.channelId
}
export function eventGroupChannelId(): u32 {
  return own().event.groupChannelId
}
export function eventJobId(): u32 {
  return own().event.jobId
}
export function eventSequenceNumber(): u32 {
  return own().event.sequenceNumber
}
/** Shares, as the server counts. */
export function eventCount(): u32 {
  return own().event.count
}
/** Shares, as the device counts. */
export function eventAnswered(): u32 {
  return own().event.answered
}
/** Sum of the difficulties of accepted shares, as the server counts. */
export function eventDifficultySum(): u64 {
  const event = own().event
  return ((event.sumHigh as u32 as u64) << 32) | (event.sumLow as u32 as u64)
}
export function eventFlags(): u32 {
  return own().event.flags
}
export function eventValue(): u32 {
  return own().event.value
}
/** A text of the server, valid until `receiveAt`. It may contain any bytes, also unprintable ones. */
export function eventTextAt(): usize {
  const created = own()
  return created.link.input.dataStart + created.event.textAt
}
export function eventTextLength(): i32 {
  return own().event.textLength
}

// The channel.

export function channelId(): u32 {
  return own().channelId
}
/** 32 bytes: the target of later jobs. */
export function targetAt(): usize {
  return own().target.dataStart
}
export function extranoncePrefixAt(): usize {
  return own().extranoncePrefix.dataStart
}
export function extranoncePrefixLength(): i32 {
  return own().extranoncePrefixLength
}
/** Requests a channel if there is none, for instance after it was refused or closed. Returns false if it cannot now. */
export function openChannel(): bool {
  return own().openChannel()
}
/** Sends the current hash rate and maximum target to the server (5.3.7). */
export function updateChannel(): bool {
  return own().updateChannel()
}
/** Closes the channel with the reason in TEXT_REASON. */
export function closeChannel(): bool {
  return own().closeChannel()
}

// Work.

export function hasWork(): bool {
  return own().work.isThere
}
/** 80 bytes: the header with the first ntime and nonce 0. */
export function workHeaderAt(): usize {
  return own().work.header.dataStart
}
/** 32 bytes, least significant first: a hash at or below it is a share. */
export function workTargetAt(): usize {
  return own().work.target.dataStart
}
/** Writes the SHA-256 state after the header's first 64 bytes with this version: 32 bytes, words big-endian. */
export function workMidstate(version: u32, out: usize): void {
  memory.copy(header.dataStart, own().work.header.dataStart, 80)
  store<u32>(header.dataStart, version)
  hasher.load(header, 0)
  hasher.saveMidstate(midstate)
  for (let i = 0; i < 8; i++) store<u32>(out + (i << 2), bswap<u32>(midstate[i]))
}
export function workJobId(): u32 {
  return own().work.jobId
}
export function workVersion(): u32 {
  return own().work.version
}
/** The bits of the version that may be changed. */
export function workVersionMask(): u32 {
  return own().work.versionMask
}
export function workMinNtime(): u32 {
  return own().work.minNtime
}
/** The latest ntime. Increases with the clock. */
export function workMaxNtime(): u32 {
  return own().maxNtime()
}
/** ntime of the current previous hash. */
export function workPrevHashNtime(): u32 {
  return own().work.prevHashNtime
}
/** When that previous hash came, by the clock of `tick`. */
export function workReceivedAtMs(): u32 {
  return own().work.receivedAtMs
}

// Shares.

/** Submits a share. Returns a SUBMIT_ code. */
export function submit(jobId: u32, nonce: u32, ntime: u32, version: u32): i32 {
  return own().submit(jobId, nonce, ntime, version)
}
/** The sequence number of the last submitted share. */
export function sequenceNumber(): u32 {
  return own().sequenceNumber
}
/** Number of shares without an answer. */
export function pendingShares(): i32 {
  return own().pending.count
}

// Hashing in software, and for checking the results of hardware.

/** Loads a header of 80 bytes for `search`. Ignores its nonce. */
export function searchHeader(at: usize): void {
  memory.copy(header.dataStart, at, 80)
  hasher.load(header, 0)
}
/** Tries `count` nonces. Returns the offset of the first nonce whose hash meets the target (32 bytes), -1 if none does. */
export function search(firstNonce: u32, count: i32, targetAt: usize): i32 {
  memory.copy(target.dataStart, targetAt, 32)
  return hasher.search(firstNonce, count, target, 0)
}
/** Writes the hash of a header, 32 bytes, internal byte order. Replaces the header of `searchHeader`. */
export function hashHeader(at: usize, out: usize): void {
  memory.copy(header.dataStart, at, 80)
  hasher.load(header, 0)
  hasher.hash(load<i32>(header.dataStart + 76), hash, 0)
  memory.copy(out, hash.dataStart, 32)
}
/** Writes SHA-256 of SHA-256 of at most 256 bytes, 32 bytes; base58check ends with its first four. False for more bytes. */
export function hashTwice(at: usize, length: i32, out: usize): bool {
  if (length < 0 || length > 256) return false
  memory.copy(bytes.dataStart, at, length as usize)
  sha256d(bytes, 0, length, hash, 0)
  memory.copy(out, hash.dataStart, 32)
  return true
}
