/**
 * The hashes of shares that came together, four at a time (Sha256Lanes of @sluice/bitcoin): a read of a proxy's socket has
 * dozens of them. It knows nothing of rules. What it gives is what core's `ShareCheck` gives, in a fourth of the time.
 */
import { Sha256Lanes } from "@sluice/bitcoin"
import { HEADER_SIZE, writeHeader } from "@sluice/core"
import type { Job } from "../job.ts"

/** What the hash of a share depends on beside the previous hash. */
export interface HashedShare {
  readonly share: { readonly nonce: number; readonly ntime: number; readonly version: number }
  readonly job: Job
  /** What is between the coinbase's prefix and suffix: of the server's own, and of the miner's. */
  readonly extranoncePrefix: Uint8Array
  readonly extranonce: Uint8Array
  /** Where it is known: 32 bytes, internal byte order. */
  readonly merkleRoot: Uint8Array | undefined
}

/** Shares that are hashed in one go; more of them take turns in the same memory. */
const AT_ONCE = 64
/** Three more, which those of whole fours are. */
const ROOM = AT_ONCE + 3
/** Coinbases above this size with their padding, in bytes, are hashed one by one. */
const MAX_COINBASE = 4096

const HEADER_ROOM = Sha256Lanes.paddedSize(HEADER_SIZE)
const HEADERS = Sha256Lanes.FIRST_FREE
const HASHES = HEADERS + ROOM * HEADER_ROOM
const ROOTS = HASHES + ROOM * 32
const COINBASES = ROOTS + ROOM * 32
/** A path has at most 255 nodes (7.2). */
const PATH = COINBASES + ROOM * MAX_COINBASE
const END = PATH + 255 * 32

export class ShareHashes {
  /** Where the hash of a share begins in `#hashes`. */
  readonly #places = new Map<HashedShare["share"], number>()
  #hashes = new Uint8Array(0)

  /** Hashes the shares, in place of those before; not those with a coinbase too large for that. */
  compute(shares: ReadonlyArray<HashedShare>, prevHash: { readonly hash: Uint8Array; readonly nbits: number }): void {
    this.#places.clear()
    this.#hashes = new Uint8Array(shares.length * 32)
    let done = 0
    const memory = new Uint8Array(Sha256Lanes.lanesMemory(END).buffer)
    for (const [job, some] of Map.groupBy(shares, jobOfRoot)) {
      if (job !== undefined && Sha256Lanes.paddedSize(coinbaseLength(some[0]!)) > MAX_COINBASE) continue
      for (let first = 0; first < some.length; first += AT_ONCE) {
        const part = some.slice(first, first + AT_ONCE)
        if (job === undefined) part.forEach((share, index) => memory.set(share.merkleRoot!, ROOTS + index * 32))
        else computeRoots(job, part, memory)
        part.forEach(({ share }, index) => {
          const at = HEADERS + index * HEADER_ROOM
          const root = ROOTS + index * 32
          writeHeader(
            memory,
            at,
            share.version,
            prevHash.hash,
            0,
            memory,
            root,
            share.ntime,
            prevHash.nbits,
            share.nonce
          )
          Sha256Lanes.pad(memory, at, HEADER_SIZE)
          this.#places.set(share, (done + index) * 32)
        })
        Sha256Lanes.hashMessages(HEADERS, HEADER_ROOM, part.length, HASHES)
        this.#hashes.set(memory.subarray(HASHES, HASHES + part.length * 32), done * 32)
        done += part.length
      }
    }
  }

  /** Whether the hash of this share is known; then it is in `into`: 32 bytes, internal byte order. */
  take(share: HashedShare["share"], into: Uint8Array): boolean {
    if (this.#places.size === 0) return false
    const place = this.#places.get(share)
    if (place === undefined) return false
    for (let i = 0; i < 32; i++) into[i] = this.#hashes[place + i]!
    return true
  }

  forget(): void {
    this.#places.clear()
  }
}

/** Whose coinbase the merkle root has to be computed from, if it is not known. */
const jobOfRoot = ({ job, merkleRoot }: HashedShare): Job | undefined => (merkleRoot === undefined ? job : undefined)

const coinbaseLength = ({ extranonce, extranoncePrefix, job }: HashedShare): number =>
  job.coinbasePrefix.length + extranoncePrefix.length + extranonce.length + job.coinbaseSuffix.length

/** The merkle roots of shares of one job, to ROOTS. Their coinbases differ in the extranonce, which has the same size in all. */
const computeRoots = (job: Job, shares: ReadonlyArray<HashedShare>, memory: Uint8Array): void => {
  const length = coinbaseLength(shares[0]!)
  const size = Sha256Lanes.paddedSize(length)
  memory.set(job.coinbasePrefix, COINBASES)
  memory.set(job.coinbaseSuffix, COINBASES + length - job.coinbaseSuffix.length)
  Sha256Lanes.pad(memory, COINBASES, length)
  shares.forEach(({ extranonce, extranoncePrefix }, index) => {
    const at = COINBASES + index * size
    if (index > 0) memory.copyWithin(at, COINBASES, COINBASES + size)
    memory.set(extranoncePrefix, at + job.coinbasePrefix.length)
    memory.set(extranonce, at + job.coinbasePrefix.length + extranoncePrefix.length)
  })
  Sha256Lanes.hashMessages(COINBASES, size, shares.length, ROOTS)
  memory.set(job.merklePathBytes, PATH)
  Sha256Lanes.foldPath(ROOTS, shares.length, PATH, job.merklePath.length)
}
