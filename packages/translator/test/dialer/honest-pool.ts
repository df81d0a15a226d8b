/** A V1 pool that checks each share by the rules of V1 alone: the lines of its miners in, its lines out. */
import { ShareCheck } from "@sluice/core"
import { type Line, Server, targetOfDifficulty } from "@sluice/stratum-v1"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"

/** One in 256 hashes is a share. */
export const EASY = 2 ** -24
export const NTIME = 1_700_000_000

export interface PoolOptions extends Server.Options {
  readonly difficulty?: number
  readonly extranonce1Size?: number
  readonly extranonce2Size?: number
  /** Why a worker is refused. */
  readonly refuse?: (worker: string, password: string) => string | undefined
}

export interface JobOptions {
  readonly clean?: boolean
  /** Marks the previous hash: another number is another hash. */
  readonly block?: number
  readonly branches?: number
  readonly ntime?: number
}

export interface CheckedShare {
  readonly worker: string
  readonly jobId: string
  readonly extranonce2: string
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  /** The difficulty that is credited; undefined where the share was refused. */
  readonly difficulty: number | undefined
}

export class HonestPool {
  readonly options: PoolOptions
  readonly ends: Array<PoolEnd> = []
  job: Server.Job<undefined> | undefined
  /** While true, new connections get no answers. */
  isDeaf = false
  difficulty: number
  #jobs = 0
  #connections = 0

  constructor(options: PoolOptions = {}) {
    this.options = options
    this.difficulty = options.difficulty ?? EASY
    this.newJob({ clean: true })
  }

  connect(now: number): PoolEnd {
    const end = new PoolEnd(this, now, ++this.#connections)
    this.ends.push(end)
    return end
  }

  newJob({ block = 1, branches = 2, clean = false, ntime = NTIME }: JobOptions = {}): void {
    const { extranonce1Size = 4, extranonce2Size = 8 } = this.options
    const number = ++this.#jobs
    const halves = coinbaseHalves(extranonce1Size + extranonce2Size, { mark: number & 0xff })
    this.job = new Server.Job(
      {
        jobId: number.toString(16),
        prevHash: new Uint8Array(32).fill(block),
        coinbasePrefix: halves.coinbaseTxPrefix,
        coinbaseSuffix: halves.coinbaseTxSuffix,
        merklePath: Array.from({ length: branches }, (_, index) => new Uint8Array(32).fill(index + 1)),
        version: 0x2000_0000,
        nbits: 0x1d00ffff,
        ntime,
        clean
      },
      undefined
    )
    for (const end of this.ends) end.announce()
  }

  setDifficulty(difficulty: number): void {
    this.difficulty = difficulty
    for (const end of this.ends) end.server.setDifficulty(difficulty)
  }
}

export class PoolEnd {
  readonly server: Server.Connection<undefined>
  readonly shares: Array<CheckedShare> = []
  readonly authorized: Array<string> = []
  readonly suggested: Array<number> = []
  userAgent: string | undefined
  extranonce1: Uint8Array
  /** While true, shares wait for `judge`. */
  holdsShares = false
  readonly held: Array<Server.Submit<undefined>> = []
  /** Runs for new lines that were not asked for. */
  onLines: () => void = () => {}
  /** Closes the connection. */
  close: () => void = () => {}
  isClosed = false
  readonly #pool: HonestPool
  readonly #seen = new Set<string>()
  #isWorking = false

  constructor(pool: HonestPool, now: number, connection: number) {
    this.#pool = pool
    this.server = new Server.Connection(now, pool.options)
    this.server.setDifficulty(pool.difficulty)
    this.extranonce1 = new Uint8Array(pool.options.extranonce1Size ?? 4).fill(0xa0 + connection)
  }

  receive(lines: ReadonlyArray<Line>): void {
    for (const event of this.server.receive(lines)) {
      switch (event._tag) {
        case "Subscribe":
          this.userAgent = event.userAgent
          this.server.answerSubscribe(event.request, { session: "1", ...this.#extranonce })
          break
        case "Authorize": {
          const text = this.#pool.options.refuse?.(event.worker, event.password)
          this.authorized.push(`${event.worker}:${event.password}`)
          if (text !== undefined) this.server.refuse(event.request, { code: 24, text })
          else {
            this.server.accept(event.request)
            this.#isWorking = true
            this.announce()
          }
          break
        }
        case "Submit":
          if (this.holdsShares) this.held.push(event)
          else this.judge(event)
          break
        case "Suggested":
          this.suggested.push(event.difficulty!)
          break
        case "Closing":
          throw event.reason
      }
    }
  }

  announce(): void {
    if (!this.#isWorking || this.#pool.job === undefined) return
    this.server.notify(this.#pool.job)
    this.onLines()
  }

  /** Another extranonce1 for later jobs. */
  move(byte: number): void {
    this.extranonce1 = new Uint8Array(this.extranonce1.length).fill(byte)
    if (!this.server.setExtranonce(this.extranonce1, this.#extranonce.extranonce2Size))
      throw new Error("not understood")
  }

  /** Accepts a share if its hash meets the difficulty and is new. */
  judge({ extranonce2, held, nonce, ntime, request, version, worker }: Server.Submit<undefined>): void {
    const { coinbasePrefix, coinbaseSuffix, jobId, merklePath, nbits, prevHash } = held.job.notify
    check.merkleRoot(
      coinbasePrefix,
      held.extranonce1,
      extranonce2,
      coinbaseSuffix,
      Buffer.concat(merklePath),
      merklePath.length
    )
    check.hash(version, prevHash, check.root, ntime, nbits, nonce)
    const hash = Buffer.from(check.digest).toString("hex")
    const difficulty = check.meets(targetOfDifficulty(held.difficulty), 0) ? held.difficulty : undefined
    const isDuplicate = this.#seen.has(hash)
    this.#seen.add(hash)
    const refusal =
      difficulty === undefined
        ? { code: 23, text: "high-hash" }
        : isDuplicate
          ? { code: 22, text: "duplicate" }
          : undefined
    if (refusal === undefined) this.server.accept(request)
    else this.server.refuse(request, refusal)
    this.shares.push({
      worker,
      jobId,
      extranonce2: Buffer.from(extranonce2).toString("hex"),
      version,
      ntime,
      nonce,
      difficulty: refusal === undefined ? difficulty : undefined
    })
  }

  get accepted(): ReadonlyArray<CheckedShare> {
    return this.shares.filter(({ difficulty }) => difficulty !== undefined)
  }

  get #extranonce() {
    return { extranonce1: this.extranonce1, extranonce2Size: this.#pool.options.extranonce2Size ?? 8 }
  }
}

const check = new ShareCheck()
