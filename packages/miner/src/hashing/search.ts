/**
 * Enumerates the headers of one work (specification, section 5.1).
 *
 * The nonce changes fastest, then the version bits of BIP323 (if the job allows it), then the extranonce (on an extended
 * channel), then nTime, which waits for the clock. Threads divide the nonces: each has its own range and tries all values of the
 * other fields. So no header is tried twice, and the division needs neither version rolling nor an extended channel.
 */
import type { ExtendedWork, ChannelWork } from "@sluice/channels"
import { Header, ShareCheck, Version } from "@sluice/core"

/** The range of nonces of one thread: the `index`th of `count` equal ranges. */
export interface Lane {
  readonly index: number
  readonly count: number
}

/** The number of values of each field of the header. Smaller only in tests. */
export interface SearchSpace {
  readonly nonces: number
  readonly versions: number
  /** The most values; a channel with few bytes of extranonce has fewer. */
  readonly extranonces: number
}

export const FULL_SEARCH_SPACE: SearchSpace = { nonces: 2 ** 32, versions: 2 ** 24, extranonces: Infinity }

/** The fields of a share to submit. */
export interface FoundShare {
  readonly channelId: number
  readonly jobId: number
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  /** Empty on a standard channel. */
  readonly extranonce: Uint8Array
}

const BIP320_VERSIONS = 2 ** 16
const OTHER_BITS = Version.VERSION_MASK & ~Version.BIP320_VERSION_MASK

export class Search {
  readonly work: ChannelWork
  /** How many headers the last `run` tried. */
  tried = 0
  readonly #space: SearchSpace
  readonly #firstNonce: number
  readonly #nonceCount: number
  readonly #hasher = new Header.HeaderHasher()
  readonly #header = new Uint8Array(Header.HEADER_SIZE)
  #root: Uint8Array
  readonly #extranonce: Uint8Array
  readonly #check = new ShareCheck()
  #nonceOffset = 0
  #version: number
  #versionIndex = 0
  #extranonceIndex = 0
  #ntime: number

  constructor(work: ChannelWork, lane: Lane, space: SearchSpace = FULL_SEARCH_SPACE) {
    this.work = work
    this.#space = space
    this.#firstNonce = Math.floor((space.nonces * lane.index) / lane.count)
    this.#nonceCount = Math.floor((space.nonces * (lane.index + 1)) / lane.count) - this.#firstNonce
    this.#version = work.version
    this.#ntime = work.minNtime
    this.#extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0)
    this.#root = work._tag === "StandardWork" ? work.merkleRoot : this.#computeRoot()
    this.#load()
  }

  /** The nTime to search next. `run` does nothing until the clock allows it. */
  get ntime(): number {
    return this.#ntime
  }

  /**
   * Tries at most `count` headers with an nTime up to `latestNtime`, and stops at the first share. `tried` is the number of
   * headers that it tried: 0 if it must wait for the clock.
   */
  run(count: number, latestNtime: number): FoundShare | undefined {
    this.tried = 0
    while (this.tried < count && this.#ntime <= latestNtime && this.#nonceCount > 0) {
      const size = Math.min(count - this.tried, this.#nonceCount - this.#nonceOffset, MAX_SLICE)
      const first = this.#firstNonce + this.#nonceOffset
      const at = this.#hasher.search(first | 0, size, this.work.target, 0)
      const tried = at < 0 ? size : at + 1
      this.tried += tried
      this.#nonceOffset += tried
      const found = at < 0 ? undefined : this.#found(first + at)
      if (this.#nonceOffset === this.#nonceCount) this.#next()
      if (found !== undefined) return found
    }
    return undefined
  }

  #found(nonce: number): FoundShare {
    return {
      channelId: this.work.channelId,
      jobId: this.work.jobId,
      version: this.#version >>> 0,
      ntime: this.#ntime,
      nonce,
      extranonce: this.#extranonce.slice()
    }
  }

  /** Moves to the next header, after all nonces of this one. */
  #next(): void {
    this.#nonceOffset = 0
    if (!this.#nextVersion() && !this.#nextExtranonce()) this.#ntime++
    this.#load()
  }

  /**
   * Moves to the next version. After the last, starts over and returns false. The bits of BIP320 change first, because the pools
   * of Stratum V1, which may be behind the server, allow no others.
   */
  #nextVersion(): boolean {
    if (!this.work.versionRollingAllowed) return false
    this.#versionIndex = (this.#versionIndex + 1) % this.#space.versions
    if (this.#versionIndex === 0) {
      this.#version = this.work.version
      return false
    }
    this.#version = Version.nextVersion(this.#version, Version.BIP320_VERSION_MASK)
    if (this.#versionIndex % BIP320_VERSIONS === 0) this.#version = Version.nextVersion(this.#version, OTHER_BITS)
    return true
  }

  /** Moves to the next extranonce, a little-endian counter. After the last, starts over and returns false. */
  #nextExtranonce(): boolean {
    if (this.work._tag === "StandardWork") return false
    this.#extranonceIndex++
    const overflow = this.#extranonceIndex >= this.#space.extranonces || !increment(this.#extranonce)
    if (overflow) {
      this.#extranonceIndex = 0
      this.#extranonce.fill(0)
    }
    this.#root = this.#computeRoot()
    return !overflow
  }

  #computeRoot(): Uint8Array {
    return this.work._tag === "StandardWork"
      ? this.work.merkleRoot
      : merkleRootOf(this.#check, this.work, this.#extranonce)
  }

  #load(): void {
    const { nbits, prevHash } = this.work
    Header.writeHeader(this.#header, 0, this.#version, prevHash, 0, this.#root, 0, this.#ntime, nbits, 0)
    this.#hasher.load(this.#header, 0)
  }
}

/** Adds 1 to a little-endian number. Returns false if it wrapped to 0. */
const increment = (number: Uint8Array): boolean => {
  for (let i = 0; i < number.length; i++) {
    number[i] = number[i]! + 1
    if (number[i] !== 0) return true
  }
  return false
}

/** The merkle root of extended work with this extranonce. Valid until the next use of `check`. */
export const merkleRootOf = (check: ShareCheck, work: ExtendedWork, extranonce: Uint8Array): Uint8Array => {
  const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
  check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
  return check.root
}

/** The largest count for the core's 32-bit integers. */
const MAX_SLICE = 2 ** 30
