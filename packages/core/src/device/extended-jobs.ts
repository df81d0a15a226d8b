/**
 * The extended jobs of a device (5.3.16). It stores SHA-256's state after the coinbase up to the extranonce, which does not change
 * any more (5.3.10), the rest of the coinbase and the merkle path.
 *
 * The bytes of future jobs share one array of fixed size: a new job overwrites the oldest. The current job has its own
 * space.
 */
import { copyBytes } from "../bytes.ts"
import { merkleFold } from "../merkle.ts"
import { Sha256 } from "../sha256.ts"
import { FUTURE_JOBS, FutureJobs } from "./jobs.ts"

/** Bytes of a started block that belong to a job, at most. */
const MAX_STARTED: i32 = 63
/** The slot of the current job: behind those of the future jobs. */
export const ACTIVE_SLOT: i32 = FUTURE_JOBS

/** Marker and flag behind the version; a witness of one item of 32 bytes before the lock time (BIP141). */
const MARKER_AT: i32 = 4
const MARKER_SIZE: i32 = 2
const WITNESS_SIZE: i32 = 34
const LOCK_TIME_SIZE: i32 = 4

/** Whether a coinbase begins as one with BIP141 fields: an input count of zero cannot be. */
export function hasWitness(b: Uint8Array, prefixAt: i32, prefixLength: i32): bool {
  if (prefixLength <= MARKER_AT) return false
  const marker: i32 = b[prefixAt + 4]
  if (marker !== 0) return false
  if (prefixLength === 5) return true
  const flag: i32 = b[prefixAt + 5]
  return flag !== 0
}

/** Whether a suffix ends in the one witness that can be stripped, and the lock time. */
export function isStrippable(b: Uint8Array, suffixAt: i32, suffixLength: i32): bool {
  const from: i32 = (suffixLength - WITNESS_SIZE - LOCK_TIME_SIZE) | 0
  if (from < 0) return false
  const witnessAt: i32 = (suffixAt + from) | 0
  const items: i32 = b[witnessAt]
  const size: i32 = b[witnessAt + 1]
  return items === 1 && size === 32
}

export class ExtendedJobs {
  /** The root of the last `computeRoot`. */
  readonly root: Uint8Array = new Uint8Array(32)
  private readonly bytes: Uint8Array
  /** The offset of the current job's bytes, behind those of the future jobs. */
  private readonly activeAt: i32
  private next: i32 = 0
  private readonly sha: Sha256 = new Sha256()
  private readonly midstate: Int32Array = new Int32Array(8)
  // Of each slot.
  private readonly midstates: Int32Array = new Int32Array((FUTURE_JOBS + 1) << 3)
  private readonly hashed: Int32Array = new Int32Array((FUTURE_JOBS + 1) | 0)
  private readonly places: Int32Array = new Int32Array((FUTURE_JOBS + 1) | 0)
  private readonly startedLengths: Int32Array = new Int32Array((FUTURE_JOBS + 1) | 0)
  private readonly suffixLengths: Int32Array = new Int32Array((FUTURE_JOBS + 1) | 0)
  private readonly pathCounts: Int32Array = new Int32Array((FUTURE_JOBS + 1) | 0)

  /** Has room for jobs of messages of `maxPayload` bytes: the current job and at least two future ones. */
  constructor(maxPayload: i32) {
    const most: i32 = (maxPayload + MAX_STARTED) | 0
    const future: i32 = most << 1
    this.activeAt = future
    this.bytes = new Uint8Array((future + most) | 0)
  }

  /** Drops all jobs. `FutureJobs` manages the slots. */
  clear(): void {
    this.next = 0
  }

  /**
   * Takes a job from a message in `b` into a slot: coinbase prefix, extranonce prefix, coinbase suffix (either both with
   * BIP141's fields, that are left out, or both without) and merkle path. Future jobs whose place it takes are forgotten.
   */
  set(
    slot: i32,
    jobs: FutureJobs,
    b: Uint8Array,
    prefixAt: i32,
    prefixLength: i32,
    extranoncePrefix: Uint8Array,
    extranoncePrefixLength: i32,
    suffixAt: i32,
    suffixLength: i32,
    pathAt: i32,
    pathCount: i32
  ): void {
    const strip: bool = hasWitness(b, prefixAt, prefixLength)
    const sha = this.sha
    sha.reset()
    if (strip) {
      const restAt: i32 = (prefixAt + MARKER_AT + MARKER_SIZE) | 0
      sha.update(b, prefixAt, MARKER_AT)
      sha.update(b, restAt, (prefixLength - MARKER_AT - MARKER_SIZE) | 0)
    } else {
      sha.update(b, prefixAt, prefixLength)
    }
    sha.update(extranoncePrefix, 0, extranoncePrefixLength)
    const kept: i32 = strip ? (suffixLength - WITNESS_SIZE - LOCK_TIME_SIZE) | 0 : suffixLength
    const lastAt: i32 = (suffixAt + suffixLength - LOCK_TIME_SIZE) | 0
    const suffix: i32 = strip ? (kept + LOCK_TIME_SIZE) | 0 : kept
    const size: i32 = (MAX_STARTED + suffix + (pathCount << 5)) | 0
    const place: i32 = slot === ACTIVE_SLOT ? this.activeAt : this.take(slot, jobs, size)
    sha.saveMidstate(this.midstate)
    this.midstates.set(this.midstate, slot << 3)
    const started: i32 = sha.saveStarted(this.bytes, place)
    const stripped: i32 = strip ? MARKER_SIZE : 0
    const coinbase: i32 = (prefixLength - stripped + extranoncePrefixLength) | 0
    let at: i32 = (place + started) | 0
    copyBytes(b, suffixAt, this.bytes, at, kept)
    at = (at + kept) | 0
    if (strip) {
      copyBytes(b, lastAt, this.bytes, at, LOCK_TIME_SIZE)
      at = (at + LOCK_TIME_SIZE) | 0
    }
    copyBytes(b, pathAt, this.bytes, at, pathCount << 5)
    this.places[slot] = place
    this.hashed[slot] = (coinbase - started) | 0
    this.startedLengths[slot] = started
    this.suffixLengths[slot] = suffix
    this.pathCounts[slot] = pathCount
  }

  /** Makes a future job the current one. */
  activate(slot: i32): void {
    copyBytes(this.bytes, this.places[slot], this.bytes, this.activeAt, this.sizeOf(slot))
    for (let i: i32 = 0; i < 8; i++) this.midstates[(ACTIVE_SLOT << 3) + i] = this.midstates[(slot << 3) + i]
    this.places[ACTIVE_SLOT] = this.activeAt
    this.hashed[ACTIVE_SLOT] = this.hashed[slot]
    this.startedLengths[ACTIVE_SLOT] = this.startedLengths[slot]
    this.suffixLengths[ACTIVE_SLOT] = this.suffixLengths[slot]
    this.pathCounts[ACTIVE_SLOT] = this.pathCounts[slot]
  }

  /** Computes the merkle root of a slot's job with this extranonce into `root`. */
  computeRoot(slot: i32, extranonce: Uint8Array, extranonceAt: i32, extranonceLength: i32): void {
    const sha = this.sha
    const place: i32 = this.places[slot]
    const suffixAt: i32 = (place + this.startedLengths[slot]) | 0
    const pathAt: i32 = (suffixAt + this.suffixLengths[slot]) | 0
    for (let i: i32 = 0; i < 8; i++) this.midstate[i] = this.midstates[(slot << 3) + i]
    sha.loadMidstate(this.midstate, this.hashed[slot])
    sha.update(this.bytes, place, this.startedLengths[slot])
    sha.update(extranonce, extranonceAt, extranonceLength)
    sha.update(this.bytes, suffixAt, this.suffixLengths[slot])
    sha.digestTwice(this.root, 0)
    merkleFold(this.root, 0, this.bytes, pathAt, this.pathCounts[slot])
  }

  /** The size of a slot's job in bytes. */
  private sizeOf(slot: i32): i32 {
    return (this.startedLengths[slot] + this.suffixLengths[slot] + (this.pathCounts[slot] << 5)) | 0
  }

  /** Reserves `size` bytes for a future job, behind the last one. Drops the jobs that it overwrites. */
  private take(slot: i32, jobs: FutureJobs, size: i32): i32 {
    if (((this.activeAt - this.next) | 0) < size) this.next = 0
    const place: i32 = this.next
    const end: i32 = (place + size) | 0
    for (let other: i32 = 0; other < FUTURE_JOBS; other++) {
      const otherEnd: i32 = (this.places[other] + this.sizeOf(other)) | 0
      if (other !== slot && this.places[other] < end && place < otherEnd) jobs.forget(other)
    }
    this.next = end
    return place
  }
}
