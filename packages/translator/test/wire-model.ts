/**
 * What can be known of one V1 connection from its lines alone, by the rules of V1: which header each submit is, and how it was
 * answered. Written without the machines of the package, to compare two connections with a translation between them.
 */
import { ShareCheck } from "@sluice/core"
import { type Line, ParamsError, targetOfDifficulty, ToClient, ToServer } from "@sluice/stratum-v1"

/** A job as a miner was told of it. */
export interface ToldJob {
  readonly notify: ToClient.Notify
  readonly extranonce1: Uint8Array
  readonly extranonce2Size: number
  readonly difficulty: number
  /** The lower of this difficulty and that of the job before: miners may be late. */
  readonly easiest: number
  readonly mask: number
}

export interface SeenShare {
  readonly worker: string
  /** The hash of its header; undefined if it is for no job that was told. */
  readonly hash: string | undefined
  readonly job: ToldJob | undefined
  /** The answers that came: one at the end. */
  readonly answers: Array<"accepted" | number>
}

export class WireModel {
  readonly jobs: Array<ToldJob> = []
  readonly shares: Array<SeenShare> = []
  /** The ids of requests, with how many answers each got. */
  readonly requests = new Map<string, number>()
  readonly authorized: Array<string> = []
  #byId = new Map<unknown, SeenShare>()
  #authorizing = new Map<unknown, string>()
  #configureId: unknown
  #extranonce: Pick<ToldJob, "extranonce1" | "extranonce2Size"> = { extranonce1: new Uint8Array(0), extranonce2Size: 0 }
  #difficulty = 1
  #mask = 0

  /** A line of the miner. */
  fromMiner(line: Line): void {
    const { id, method } = line
    if (id === null || id === undefined || typeof method !== "string") return
    this.requests.set(JSON.stringify(id), 0)
    if (method === "mining.configure") this.#configureId = id
    if (method === "mining.authorize") this.#authorizing.set(id, (line.params as ReadonlyArray<string>)[0]!)
    if (method !== "mining.submit") return
    const submit = ToServer.Submit.read(line.params)
    const share = submit instanceof ParamsError ? unreadable() : this.#read(submit)
    this.#byId.set(id, share)
    this.shares.push(share)
  }

  /** A line to the miner. */
  toMiner(line: Line): void {
    const { method, params } = line
    if (typeof method === "string") return this.#told(right(readToClient(method, params)))
    const key = JSON.stringify(line.id)
    this.requests.set(key, (this.requests.get(key) ?? 1000) + 1)
    const share = this.#byId.get(line.id)
    const code = Array.isArray(line.error) ? (line.error[0] as number) : undefined
    if (share !== undefined) return void share.answers.push(code ?? "accepted")
    if (line.id === this.#configureId && code === undefined) {
      const { versionRolling, versionRollingMask } = right(ToServer.Configure.readResult(line.result))
      if (versionRolling === true) this.#mask = versionRollingMask!
    }
    if (Array.isArray(line.result) && line.result.length === 3) {
      this.#extranonce = right(ToServer.Subscribe.readResult(line.result))
    }
    const worker = this.#authorizing.get(line.id)
    if (worker !== undefined && line.result === true) this.authorized.push(worker)
  }

  /** The hash of a header for the job, in hex. */
  hashOf({ extranonce1, notify }: ToldJob, extranonce2: Uint8Array, ntime: number, nonce: number, version: number) {
    const { coinbasePrefix, coinbaseSuffix, merklePath, nbits, prevHash } = notify
    const path = new Uint8Array(Buffer.concat(merklePath))
    check.merkleRoot(coinbasePrefix, extranonce1, extranonce2, coinbaseSuffix, path, merklePath.length)
    check.hash(version, prevHash, check.root, ntime, nbits, nonce)
    return Buffer.from(check.digest).toString("hex")
  }

  #read({ extranonce2, jobId, nonce, ntime, versionBits, worker }: ToServer.Submit): SeenShare {
    const job = this.jobs.findLast(({ notify }) => notify.jobId === jobId)
    if (job === undefined) return { worker, hash: undefined, job, answers: [] }
    const { mask, notify } = job
    const version = versionBits === undefined ? notify.version : ((notify.version & ~mask) | (versionBits & mask)) >>> 0
    return { worker, hash: this.hashOf(job, extranonce2, ntime, nonce, version), job, answers: [] }
  }

  #told(message: ToClient.ToClient): void {
    switch (message._tag) {
      case "mining.set_difficulty":
        this.#difficulty = message.difficulty
        return
      case "mining.set_extranonce":
        this.#extranonce = message
        return
      case "mining.set_version_mask":
        this.#mask = message.mask
        return
      case "mining.notify": {
        const difficulty = this.#difficulty
        const easiest = Math.min(difficulty, this.jobs.at(-1)?.difficulty ?? difficulty)
        const { extranonce1, extranonce2Size } = this.#extranonce
        this.jobs.push({ notify: message, extranonce1, extranonce2Size, difficulty, easiest, mask: this.#mask })
      }
    }
  }
}

/** Whether a hash, in hex, meets a difficulty. */
export const meets = (hash: string, difficulty: number): boolean => {
  const bigEndian = Uint8Array.from(Buffer.from(hash, "hex")).toReversed()
  return Buffer.compare(bigEndian, targetOfDifficulty(difficulty).toReversed()) <= 0
}

const unreadable = (): SeenShare => ({ worker: "", hash: undefined, job: undefined, answers: [] })

const readToClient = (method: string, params: unknown): ToClient.ToClient | ParamsError =>
  ToClient.toClient
    .find(({ aliases, name }) => name === method || (aliases as ReadonlyArray<string>).includes(method))!
    .read(params)

const right = <T>(value: T): Exclude<T, ParamsError> => {
  if (value instanceof ParamsError) throw value
  return value as Exclude<T, ParamsError>
}

const check = new ShareCheck()
