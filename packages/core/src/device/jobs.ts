/** The jobs of a device's channel: those that wait for a previous hash, and those whose shares are still good. */
import { copyBytes } from "../bytes.ts"

/** Future jobs that are kept; of more the oldest are forgotten. */
export const FUTURE_JOBS: i32 = 16
/** Jobs of the present previous hash that are remembered for late shares. */
export const VALID_JOBS: i32 = 64

/** Jobs without `min_ntime`, each in a slot of its own. */
export class FutureJobs {
  readonly versions: Int32Array = new Int32Array(FUTURE_JOBS)
  /** Which bits of the version may be rolled. */
  readonly masks: Int32Array = new Int32Array(FUTURE_JOBS)
  /** 32 bytes a slot; of extended channels' jobs nothing. */
  readonly roots: Uint8Array = new Uint8Array(FUTURE_JOBS << 5)
  private readonly ids: Int32Array = new Int32Array(FUTURE_JOBS)
  /** 1 where there is a job. */
  private readonly used: Int32Array = new Int32Array(FUTURE_JOBS)
  private newest: i32 = -1

  clear(): void {
    this.used.fill(0)
  }

  /** Takes the slot of the oldest. */
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

/** Jobs that are or were mined on the present previous hash. */
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

  /** The place of a job, or -1. */
  find(id: i32): i32 {
    for (let i: i32 = 0; i < this.count; i++) {
      if (this.ids[i] === id) return i
    }
    return -1
  }
}
