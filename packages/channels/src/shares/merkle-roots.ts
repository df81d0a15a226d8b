/** Computes the merkle roots of many coinbases at once, and keeps the last few roots of a channel. */
import { Sha256Lanes } from "@sluice/bitcoin"
import type { Job } from "../jobs/job.ts"

/** The bytes between a coinbase's prefix and suffix: the server's part, then the miner's. */
export interface Extranonce {
  readonly extranoncePrefix: Uint8Array
  readonly extranonce: Uint8Array
}

/** How many coinbases are hashed in one go. More of them use the same memory in turn. */
const AT_ONCE = 64
/** Room for three more, because hashes come in fours. */
const ROOM = AT_ONCE + 3
/** The most bytes of a coinbase, with padding. */
const MAX_COINBASE = 4096

const ROOTS = Sha256Lanes.FIRST_FREE
const COINBASES = ROOTS + ROOM * 32
/** A path has at most 255 nodes (7.2). */
const PATH = COINBASES + ROOM * MAX_COINBASE
const END = PATH + 255 * 32

/**
 * Computes the merkle roots of a job with these extranonces, which have the same size: 32 bytes each in internal byte order, one
 * after the other. Hashes four at a time (Sha256Lanes of @sluice/bitcoin), which takes a fourth of the time of core's
 * `ShareCheck` for the same result. Returns `undefined` for a coinbase above 4 KB.
 */
export const merkleRootsOf = (job: Job, extranonces: ReadonlyArray<Extranonce>): Uint8Array | undefined => {
  const roots = new Uint8Array(extranonces.length * 32)
  const [first] = extranonces
  if (first === undefined) return roots
  const { coinbasePrefix, coinbaseSuffix, merklePath, merklePathBytes } = job
  const extranonceAt = coinbasePrefix.length
  const suffixAt = extranonceAt + first.extranoncePrefix.length + first.extranonce.length
  const length = suffixAt + coinbaseSuffix.length
  const size = Sha256Lanes.paddedSize(length)
  if (size > MAX_COINBASE) return undefined
  const memory = Sha256Lanes.lanesMemory(END)
  memory.set(merklePathBytes, PATH)
  memory.set(coinbasePrefix, COINBASES)
  memory.set(coinbaseSuffix, COINBASES + suffixAt)
  Sha256Lanes.pad(memory, COINBASES, length)
  for (let i = 1; i < Math.min(AT_ONCE, extranonces.length); i++) {
    memory.copyWithin(COINBASES + i * size, COINBASES, COINBASES + size)
  }
  for (let from = 0; from < extranonces.length; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, extranonces.length - from)
    for (let i = 0; i < count; i++) {
      const { extranonce, extranoncePrefix } = extranonces[from + i]!
      const at = COINBASES + i * size + extranonceAt
      memory.set(extranoncePrefix, at)
      memory.set(extranonce, at + extranoncePrefix.length)
    }
    Sha256Lanes.hashMessages(COINBASES, size, count, ROOTS)
    Sha256Lanes.foldPath(ROOTS, count, PATH, merklePath.length)
    roots.set(memory.subarray(ROOTS, ROOTS + count * 32), from * 32)
  }
  return roots
}

/** How many roots a channel keeps. */
const KEPT = 4

/**
 * The merkle roots of a standard channel's last few jobs, which most shares are for. The root of an older job is computed again
 * from the job and the channel's prefix, so that the memory of a channel does not grow while a previous hash lasts.
 */
export class MerkleRoots {
  readonly #jobIds: Array<number> = []
  readonly #roots: Array<Uint8Array> = []
  #next = 0

  get(jobId: number): Uint8Array | undefined {
    for (let i = 0; i < this.#jobIds.length; i++) if (this.#jobIds[i] === jobId) return this.#roots[i]
    return undefined
  }

  /** Keeps a root. Replaces the oldest if there is no room. */
  set(jobId: number, root: Uint8Array): void {
    this.#jobIds[this.#next] = jobId
    this.#roots[this.#next] = root
    this.#next = (this.#next + 1) % KEPT
  }
}
