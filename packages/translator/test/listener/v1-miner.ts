/** A V1 miner for tests: it sends lines over a connection of bytes, looks at the lines that come, and mines. */
import { ShareCheck, Target } from "@sluice/core"
import {
  type Line,
  LineReader,
  MAX_POOL_LINE,
  ParamsError,
  targetOfDifficulty,
  ToClient,
  ToServer
} from "@sluice/stratum-v1"
import { type Duplex, Memory, type TransportError } from "@sluice/transport"
import { Dialer, type Endpoint } from "@sluice/transport"
import { Effect, Queue } from "effect"

type Sent = string | { readonly id?: unknown; readonly method: string; readonly params: unknown }

export const SUBSCRIBE = { id: 1, method: "mining.subscribe", params: ["test/1.0"] }
export const AUTHORIZE = { id: 2, method: "mining.authorize", params: ["alice.rig", "x"] }

/** Reads a message that must be right. */
export const right = <T>(value: T): Exclude<T, ParamsError> => {
  if (value instanceof ParamsError) throw value
  return value as Exclude<T, ParamsError>
}

/** What a miner knows from the lines that came, and the search for shares. */
export class MinerState {
  extranonce1: Uint8Array = new Uint8Array(0)
  extranonce2Size = 0
  /** What was told last. */
  difficulty = 1
  /** What holds for the present job. */
  target: Uint8Array = targetOfDifficulty(1)
  job: ToClient.Notify | undefined
  versionMask = 0
  #next: Pick<MinerState, "extranonce1" | "extranonce2Size"> | undefined
  #nonce = 0
  readonly #check = new ShareCheck()

  receive({ method, params, result }: Line): void {
    switch (method) {
      case "mining.notify":
        this.job = right(ToClient.Notify.read(params))
        this.target = targetOfDifficulty(this.difficulty)
        if (this.#next !== undefined) Object.assign(this, this.#next)
        this.#next = undefined
        return
      case "mining.set_difficulty":
        this.difficulty = right(ToClient.SetDifficulty.read(params)).difficulty
        return
      case "mining.set_extranonce":
        this.#next = right(ToClient.SetExtranonce.read(params))
        return
      case "mining.set_version_mask":
        this.versionMask = right(ToClient.SetVersionMask.read(params)).mask
    }
    if (Array.isArray(result) && result.length === 3) {
      const { extranonce1, extranonce2Size } = right(ToServer.Subscribe.readResult(result))
      Object.assign(this, { extranonce1, extranonce2Size })
    }
  }

  /** The parameters of a submit for a hash that meets the target, or, with `bad`, misses it. */
  mine({
    bad = false,
    bits,
    extranonce1 = this.extranonce1,
    job = this.job!,
    ntime = job.ntime,
    target = this.target,
    worker = "alice.rig"
  }: Mined = {}): ReadonlyArray<string> {
    const { coinbasePrefix, coinbaseSuffix, jobId, merklePath, nbits, prevHash } = job
    const extranonce2 = new Uint8Array(this.extranonce2Size).fill(7)
    const version = bits === undefined ? job.version : (job.version & ~this.versionMask) | (bits & this.versionMask)
    const path = new Uint8Array(Buffer.concat(merklePath))
    this.#check.merkleRoot(coinbasePrefix, extranonce1, extranonce2, coinbaseSuffix, path, merklePath.length)
    for (;;) {
      const nonce = this.#nonce++
      this.#check.hash(version, prevHash, this.#check.root, ntime, nbits, nonce)
      if (Target.compareU256(this.#check.digest, 0, target, 0) <= 0 === bad) continue
      const share = { _tag: "mining.submit", worker, jobId, extranonce2, ntime, nonce, versionBits: bits } as const
      return ToServer.Submit.write(share) as ReadonlyArray<string>
    }
  }
}

interface Mined {
  readonly bad?: boolean
  readonly bits?: number
  readonly extranonce1?: Uint8Array
  readonly job?: ToClient.Notify
  readonly ntime?: number
  readonly target?: Uint8Array
  readonly worker?: string
}

export class V1Miner {
  readonly state = new MinerState()
  readonly duplex: Duplex
  /** The lines that came and were not looked at. */
  readonly inbox: Queue.Dequeue<Line, TransportError>
  #id = 100

  constructor(duplex: Duplex, inbox: Queue.Dequeue<Line, TransportError>) {
    this.duplex = duplex
    this.inbox = inbox
  }

  /** Connects until the Scope closes. */
  static readonly connect = Effect.fnUntraced(function* (address: Endpoint = Memory.ADDRESS) {
    const { dial } = yield* Dialer
    const duplex = yield* dial(address)
    const inbox = yield* Queue.unbounded<Line, TransportError>()
    const reader = new LineReader(MAX_POOL_LINE)
    yield* duplex.pull.pipe(
      Effect.flatMap((chunks) => {
        const lines: Array<Line> = []
        for (const chunk of chunks) reader.push(chunk, lines)
        return Queue.offerAll(inbox, lines)
      }),
      Effect.forever,
      Effect.catchCause((cause) => Queue.failCause(inbox, cause)),
      Effect.forkScoped
    )
    return new V1Miner(duplex, inbox)
  })

  send(...lines: ReadonlyArray<Sent>): Effect.Effect<void, TransportError> {
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)) + "\n").join("")
    return this.duplex.write(() => Buffer.from(text))
  }

  /** The next line. */
  readonly next: Effect.Effect<Line, TransportError> = Effect.suspend(() =>
    Effect.tap(Queue.take(this.inbox), (line) => Effect.sync(() => this.state.receive(line)))
  )

  /** The next line that is this method, or the answer to the request of this id. */
  until(what: string | number): Effect.Effect<Line, TransportError> {
    return Effect.flatMap(this.next, (line) =>
      line.method === what || (line.method === undefined && line.id === what) ? Effect.succeed(line) : this.until(what)
    )
  }

  /** Subscribes and authorizes in one write, and waits for a job. */
  readonly work: Effect.Effect<void, TransportError> = Effect.suspend(() =>
    Effect.andThen(this.send(SUBSCRIBE, AUTHORIZE), this.until("mining.notify"))
  )

  /** Sends a share and gives its answer. */
  submit(params: ReadonlyArray<string>): Effect.Effect<Line, TransportError> {
    const id = ++this.#id
    return Effect.andThen(this.send({ id, method: "mining.submit", params }), this.until(id))
  }

  /** Waits for the connection to end. */
  readonly ended: Effect.Effect<TransportError> = Effect.suspend(() => Effect.flip(Effect.forever(this.next)))
}
