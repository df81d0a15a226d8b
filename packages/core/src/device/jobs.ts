/** The jobs of a device's channel: future jobs, and jobs whose shares are still valid. */
import { copyBytes } from "../bytes.ts"

/** The most future jobs to keep. Further jobs replace the oldest. */
export const FUTURE_JOBS: i32 = 16
/** The most jobs of the current previous hash to remember, for late shares. */
export const VALID_JOBS: i32 = 64

/** Jobs without `min_ntime`, each in a slot of its own. */
export class FutureJobs {
  readonly versions: Int32Array = new Int32Array(FUTURE_JOBS)
  /** The bits of the version that may be rolled. */
  readonly masks: Int32Array = new Int32Array(FUTURE_JOBS)
  /** The merkle root, 32 bytes a slot. Not used for jobs of extended channels. */
  readonly roots: Uint8Array = new Uint8Array(FUTURE_JOBS << 5)
  private readonly ids: Int32Array = new Int32Array(FUTURE_JOBS)
  /** 1 if the slot has a job. */
  private readonly used: Int32Array = new Int32Array(FUTURE_JOBS)
  private newest: i32 = -1

  clear(): void {
    this.used.fill(0)
  }

  /** Replaces the oldest job. */
  add(id: i32, version: i32, mask: i32): i32 {
    const slot: i32 = (this.newest + 1) & (FUTURE_JOBS - 1)
    this.newest = slot
    this.used[slot] = 1
    this.ids[slot] = id
    this.versions[slot] = version
    this.masks[slot] = mask
    return slot
  }

  setRoot(slot: i32, root: Uint8Array, rootAt: i32): void {
    copyBytes(root, rootAt, this.roots, slot << 5, 32)
  }

  /** The slot of a job, or -1. */
  find(id: i32): i32 {
    for (let slot: i32 = 0; slot < FUTURE_JOBS; slot++) {
      if (this.used[slot] === 1 && this.ids[slot] === id) return slot
    }
    return -1
  }

  isUsed(slot: i32): bool {
    return this.used[slot] === 1
  }

  forget(slot: i32): void {
    this.used[slot] = 0
  }
}

/** Jobs that are or were mined on the current previous hash. */
export class ValidJobs {
  readonly versions: Int32Array = new Int32Array(VALID_JOBS)
  readonly masks: Int32Array = new Int32Array(VALID_JOBS)
  readonly minNtimes: Int32Array = new Int32Array(VALID_JOBS)
  private readonly ids: Int32Array = new Int32Array(VALID_JOBS)
  private count: i32 = 0
  private newest: i32 = -1

  clear(): void {
    this.count = 0
    this.newest = -1
  }

  add(id: i32, version: i32, mask: i32, minNtime: i32): void {
    this.newest = (this.newest + 1) & (VALID_JOBS - 1)
    if (this.count < VALID_JOBS) this.count = (this.count + 1) | 0
    this.ids[this.newest] = id
    this.versions[this.newest] = version
    this.masks[this.newest] = mask
    this.minNtimes[this.newest] = minNtime
  }

  /** The index of a job, or -1. */
  find(id: i32): i32 {
    for (let i: i32 = 0; i < this.count; i++) {
      if (this.ids[i] === id) return i
    }
    return -1
  }
}
