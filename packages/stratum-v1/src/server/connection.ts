/**
 * A pool's end of one miner's connection: a pure machine. Lines and the time in, events out; calls of the layer above in,
 * lines out (`takeLines`). It reads no clock and no socket.
 *
 * It decides what the protocol decides: the order of the handshake, which job, difficulty and extranonce hold, what a
 * submit refers to, and that every request has one answer. Whether a share is good is for the layer above.
 *
 * Order: answers of the handshake leave in the order of their requests, and nothing else is sent before the answer to
 * subscribe, because miners take the next line for it. A difficulty and an extranonce wait for the next job.
 */
import type { Schema } from "effect"
import { describeValue, excerpt, FloodError, LineError, ParamsError, paramsError, SilenceError } from "../error.ts"
import type { EncodedLine, Line } from "../line/line.ts"
import { readAnswerId, readRequestId, type Refusal, refusalLine, type RequestId } from "../message/answer.ts"
import { OTHER, UNAUTHORIZED_WORKER } from "../message/error-code.ts"
import type { Subscription } from "../message/subscription.ts"
import * as ToClient from "../message/to-client.ts"
import * as ToServer from "../message/to-server.ts"
import { BIP320_MASK } from "../values/version-bits.ts"
import type { Closing, ServerEvent } from "./event.ts"
import { Extensions } from "./extensions.ts"
import { HandshakeQueue } from "./handshake-queue.ts"
import type { Job } from "./job.ts"
import { MinerWork } from "./miner-work.ts"
import { type Answer, answerLine, Request } from "./request.ts"
import { type RefusedShare, readShare } from "./share.ts"
import { Workers } from "./workers.ts"

export interface ServerOptions {
  /** Version bits that miners may roll, within BIP323; 0 for none. Default BIP320's, which all firmware knows. */
  readonly versionMask?: number
  /** How many jobs a miner may submit shares for. Default 16. */
  readonly maxJobs?: number
  /**
   * Whether shares of the jobs before a clean one come as events too: they are stale, but may be blocks, or valid still if the
   * previous hash is the same. Default false: they are refused here.
   */
  readonly keepsStaleJobs?: boolean
  /** How many workers one connection may name. Default 32. */
  readonly maxWorkers?: number
  /** How many requests of the handshake may wait for their answers; more end the connection. Default 64. */
  readonly maxWaiting?: number
  /** How many shares may wait for their answers; more are refused. Default 1024. */
  readonly maxUnansweredShares?: number
  /** After how long a silence a ping is sent: some firmware gives up after 60 s. Default 30,000. */
  readonly keepAliveMs?: number
  /** How long a miner may take to subscribe. Default 15,000. */
  readonly subscribeWithinMs?: number
}

export class ServerConnection<Work> {
  readonly #options: Required<Omit<ServerOptions, "versionMask">>
  readonly #openedAt: number
  #sentAt: number
  #events: Array<ServerEvent<Work>> = []
  #lines: Array<EncodedLine> = []
  #closing = false

  readonly #handshake: HandshakeQueue
  #unansweredShares = 0
  /** The id of the request for the miner's version while it is unanswered. */
  #versionRequest: number | undefined
  #nextId = 1

  readonly #workers = new Workers()
  readonly #extensions: Extensions
  readonly #work: MinerWork<Work>

  /** `now` in milliseconds. */
  constructor(now: number, options: ServerOptions = {}) {
    this.#openedAt = now
    this.#sentAt = now
    this.#options = {
      maxJobs: options.maxJobs ?? 16,
      keepsStaleJobs: options.keepsStaleJobs ?? false,
      maxWorkers: options.maxWorkers ?? 32,
      maxWaiting: options.maxWaiting ?? 64,
      maxUnansweredShares: options.maxUnansweredShares ?? 1024,
      keepAliveMs: options.keepAliveMs ?? 30_000,
      subscribeWithinMs: options.subscribeWithinMs ?? 15_000
    }
    this.#handshake = new HandshakeQueue(this.#options.maxWaiting)
    this.#extensions = new Extensions(options.versionMask ?? BIP320_MASK)
    this.#work = new MinerWork(this.#options.maxJobs, this.#options.keepsStaleJobs, (line) => this.#send(line))
  }

  /** The workers that were authorized. */
  get workers(): ReadonlySet<string> {
    return this.#workers.names
  }

  /** Whether the miner understands another extranonce1 without a new connection. */
  get understandsExtranonce(): boolean {
    return this.#extensions.understandsExtranonce
  }

  /** The version bits that a miner's shares may roll. */
  get versionMask(): number {
    return this.#extensions.versionMask
  }

  /** The lines of one read. After `Closing`, always the last event, nothing more is looked at. */
  receive(lines: ReadonlyArray<Line>): ReadonlyArray<ServerEvent<Work>> {
    for (const line of lines) {
      if (this.#closing) break
      this.#receive(line)
    }
    return this.#takeEvents()
  }

  /** What the reader of lines failed with: it is told to the miner, and the connection ends. */
  fail(error: LineError): ReadonlyArray<ServerEvent<Work>> {
    this.#fail(error)
    return this.#takeEvents()
  }

  /** To be called from time to time: sends a ping after a silence, and ends a connection that does not subscribe. */
  tick(now: number): ReadonlyArray<ServerEvent<Work>> {
    if (this.#closing) return []
    if (this.#work.started) {
      // A second set_difficulty before a job would take effect a job later in cgminer, and the same job again makes some
      // miners repeat their work. A ping is known or ignored, and the id null wants no answer.
      if (now - this.#sentAt >= this.#options.keepAliveMs) this.#send(ToClient.PoolPing.line(null, {}))
      return []
    }
    const waitedMs = now - this.#openedAt
    const hasSubscribed = this.#work.told !== undefined || this.#handshake.find("subscribe") !== undefined
    if (!hasSubscribed && waitedMs >= this.#options.subscribeWithinMs) {
      this.#close(new SilenceError({ awaited: ToServer.Subscribe.name, waitedMs }))
    }
    return this.#takeEvents()
  }

  /** The lines to be sent, in one write (`joinLines`). */
  takeLines(now: number): ReadonlyArray<EncodedLine> {
    const lines = this.#lines
    if (lines.length === 0) return lines
    this.#lines = []
    this.#sentAt = now
    return lines
  }

  /** Answers `Subscribe`; the job that was given so far follows the answer. */
  answerSubscribe(request: Request, subscription: Subscription): void {
    if (request.answer !== undefined) return
    this.#work.subscribed(subscription)
    this.#answer(request, { result: ToServer.Subscribe.result!.write(subscription) })
  }

  /** Answers `Authorize` or `Submit` with true. */
  accept(request: Request): void {
    if (request.answer !== undefined) return
    if (request.kind === "authorize") this.#workers.names.add(request.worker)
    this.#answer(request, accepted)
  }

  /** Answers a request with an error of `ErrorCode`. */
  refuse(request: Request, refusal: Refusal): void {
    if (request.answer === undefined) this.#answer(request, { refusal })
  }

  /** The difficulty of later jobs; whole from 1 up, rounded down. */
  setDifficulty(difficulty: number): void {
    this.#work.setDifficulty(difficulty)
  }

  /** The target of later jobs; the miner is told its difficulty, whole from 1 up and rounded down. */
  setTarget(target: Uint8Array): void {
    this.#work.setTarget(target)
  }

  /**
   * Another extranonce1 for later jobs. A miner that does not understand that is told to connect again: then this is
   * false, and the connection is to be closed when its lines are sent.
   */
  setExtranonce(extranonce1: Uint8Array, extranonce2Size: number): boolean {
    if (this.#work.told === undefined) return true
    if (!this.#extensions.understandsExtranonce) {
      this.reconnect()
      return false
    }
    this.#work.setExtranonce(extranonce1, extranonce2Size)
    return true
  }

  /**
   * Bytes of this miner's own in the coinbase of later jobs, behind the job's prefix and before extranonce1. So a miner that was
   * told its extranonce1 before anybody knew what it would work on has an extranonce of its own all the same.
   */
  setCoinbaseInsert(bytes: Uint8Array): void {
    this.#work.setCoinbaseInsert(bytes)
  }

  /** Other version bits for later jobs, within BIP323; told to a miner that asked for some. */
  setVersionMask(mask: number): void {
    this.#extensions.allow(mask)
    if (this.#work.started) this.#tellMask()
  }

  /** The job to work on now. Before the miner has subscribed only the latest is kept. */
  notify(job: Job<Work>): void {
    this.#work.notify(job, this.versionMask)
  }

  /** Asks for the name of the miner's software; `DeviceVersion` follows if it answers. */
  askVersion(): void {
    if (!this.#work.started || this.#versionRequest !== undefined) return
    this.#versionRequest = this.#nextId++
    this.#send(ToClient.GetVersion.line(this.#versionRequest, {}))
  }

  showMessage(text: string): void {
    if (this.#work.started) this.#send(ToClient.ShowMessage.line(null, { text }))
  }

  /**
   * Tells the miner to connect again, to the same address unless another is given. The connection is to be closed when its
   * lines are sent.
   */
  reconnect(host?: string, port?: number, waitSeconds?: number): void {
    this.#send(ToClient.Reconnect.line(null, { host, port, waitSeconds }))
    this.#closing = true
  }

  #receive(line: Line): void {
    const { method } = line
    if (typeof method !== "string") return this.#receiveAnswer(line)
    const id = readRequestId(line.id)
    if (id === undefined) {
      const error = { field: "id", expected: "a number, a short string or null", actual: describeValue(line.id) }
      return this.#refuseNow(undefined, method, OTHER, paramsError({ method: method.slice(0, 64), ...error }))
    }
    if (method === "mining.submit") return this.#submit(id, line.params)
    const known = methods.get(method)
    if (known === undefined) {
      return this.#refuseNow(id, method, OTHER, `unknown method ${excerpt(method)}`)
    }
    const message = known.read(line.params)
    if (message instanceof ParamsError) return this.#refuseNow(id, known.name, OTHER, message)
    this.#handle(id, message)
  }

  #handle(id: RequestId | null, message: ToServer.ToServer): void {
    switch (message._tag) {
      case "mining.configure": {
        const { event, result } = this.#extensions.configure(message)
        this.#events.push(event)
        return this.#answerNow(id, ToServer.Configure.result!.write(result))
      }
      case "mining.subscribe":
        return this.#subscribe(id, message)
      case "mining.authorize":
        return this.#authorize(id, message)
      case "mining.suggest_difficulty":
        this.#events.push({ _tag: "Suggested", difficulty: message.difficulty, target: undefined })
        return this.#answerNow(id, true)
      case "mining.suggest_target":
        this.#events.push({ _tag: "Suggested", difficulty: undefined, target: message.target })
        return this.#answerNow(id, true)
      case "mining.extranonce.subscribe":
        this.#extensions.understandsExtranonce = true
        return this.#answerNow(id, true)
      case "mining.multi_version":
        return this.#answerNow(id, this.#extensions.allowsVersionRolling)
      case "mining.get_transactions":
        return this.#refuseNow(id, message._tag, OTHER, "the transactions of a job are not known here")
      case "mining.ping":
        return this.#answerNow(id, "pong")
      case "pong":
      case "mining.submit":
        return
    }
  }

  #subscribe(id: RequestId | null, { session, userAgent }: ToServer.Subscribe): void {
    const known = this.#work.told
    if (known !== undefined) return this.#answerNow(id, ToServer.Subscribe.result!.write(known))
    const request = this.#wait("subscribe", id)
    if (request !== undefined) this.#events.push({ _tag: "Subscribe", request, userAgent, session })
  }

  #authorize(id: RequestId | null, { password = "", worker }: ToServer.Authorize): void {
    if (this.#workers.names.has(worker)) return this.#answerNow(id, true)
    if (this.#workers.names.size + this.#handshake.count("authorize") >= this.#options.maxWorkers) {
      const text = `expected at most ${this.#options.maxWorkers} workers on one connection; got one more`
      return this.#refuseNow(id, ToServer.Authorize.name, UNAUTHORIZED_WORKER, text)
    }
    const request = this.#wait("authorize", id, worker)
    if (request !== undefined) this.#events.push({ _tag: "Authorize", request, worker, password })
  }

  #submit(id: RequestId | null, params: unknown): void {
    const share = readShare(params, this.#work, this.#workers)
    if ("code" in share) return this.#refuseShare(id, share)
    if (this.#unansweredShares >= this.#options.maxUnansweredShares) {
      return this.#refuseShare(id, { code: OTHER, reason: `${this.#unansweredShares} shares wait for an answer` })
    }
    this.#unansweredShares++
    const { extranonce2, held, nonce, ntime, version, worker } = share
    const request = new Request("share", id, worker)
    this.#events.push({ _tag: "Submit", request, worker, held, extranonce2, ntime, nonce, version })
  }

  /** An answer to a request of ours, or no message at all. Answers that nobody waits for are ignored: pings have some. */
  #receiveAnswer(line: Line): void {
    if (line.result === undefined && line.error === undefined) {
      const id = readRequestId(line.id)
      const [expected, actual] = ["a request with a method", describeValue(line.method)]
      if (id === null || id === undefined) return this.#fail(new LineError({ reason: "no-message", expected, actual }))
      return this.#refuseNow(
        id,
        "request",
        OTHER,
        paramsError({ method: "request", field: "method", expected, actual })
      )
    }
    const id = readAnswerId(line.id)
    if (id === undefined || id !== this.#versionRequest) return
    this.#versionRequest = undefined
    if (typeof line.result === "string") this.#events.push({ _tag: "DeviceVersion", version: line.result })
  }

  /** A request for the layer above; undefined where another like it waits for its answer already, or too many do. */
  #wait(kind: "subscribe" | "authorize", id: RequestId | null, worker = ""): Request | undefined {
    const first = this.#handshake.find(kind, worker)
    const request = new Request(kind, id, worker)
    if (!this.#queue(request)) return undefined
    if (first === undefined) return request
    ;(first.repeats ??= []).push(request)
    return undefined
  }

  /** Keeps the request's place in the order of answers. */
  #queue(request: Request): boolean {
    if (this.#handshake.add(request)) return true
    this.#close(new FloodError({ limit: this.#options.maxWaiting }))
    return false
  }

  #answerNow(id: RequestId | null, result: Schema.Json): void {
    this.#answerInTurn(id, { result })
  }

  #refuseNow(id: RequestId | null | undefined, method: string, code: number, reason: ParamsError | string): void {
    this.#events.push({ _tag: "Refused", method: method.slice(0, 64), code, reason })
    const refusal = { code, text: typeof reason === "string" ? reason : reason.message }
    // An id that cannot be sent back is answered all the same, for whoever reads the log.
    if (id === undefined) return this.#send(refusalLine(null, refusal))
    this.#answerInTurn(id, { refusal })
  }

  #refuseShare(id: RequestId | null, { code, reason }: RefusedShare): void {
    this.#events.push({ _tag: "Refused", method: ToServer.Submit.name, code, reason })
    if (id !== null) this.#send(refusalLine(id, { code, text: typeof reason === "string" ? reason : reason.message }))
  }

  #answerInTurn(id: RequestId | null, answer: Answer): void {
    if (id === null) return
    if (this.#handshake.isEmpty) return this.#send(answerLine(id, answer))
    const request = new Request("other", id)
    request.answer = answer
    this.#queue(request)
  }

  #answer(request: Request, answer: Answer): void {
    request.answer = answer
    if (request.kind === "share") {
      this.#unansweredShares--
      if (request.id !== null) this.#send(answerLine(request.id, answer))
      return
    }
    for (const repeat of request.repeats ?? []) repeat.answer = answer
    let subscribed = false
    for (const { answer, id, kind } of this.#handshake.takeAnswered()) {
      if (id !== null) this.#send(answerLine(id, answer!))
      if (kind === "subscribe" && "result" in answer!) subscribed = true
    }
    if (!subscribed) return
    this.#tellMask()
    this.#work.start(this.versionMask)
  }

  #tellMask(): void {
    const mask = this.#extensions.takeNewMask()
    if (mask !== undefined) this.#send(ToClient.SetVersionMask.line(null, { mask }))
  }

  #send(line: EncodedLine): void {
    if (!this.#closing) this.#lines.push(line)
  }

  #fail(error: LineError): void {
    if (this.#closing) return
    this.#send(refusalLine(null, { code: OTHER, text: error.message }))
    this.#close(error)
  }

  #close(reason: Closing["reason"]): void {
    this.#closing = true
    this.#events.push({ _tag: "Closing", reason })
  }

  #takeEvents(): ReadonlyArray<ServerEvent<Work>> {
    const events = this.#events
    if (events.length > 0) this.#events = []
    return events
  }
}

const accepted: Answer = { result: true }

/** The methods of miners by every name that they have. */
const methods = new Map<string, { readonly name: string; read(params: unknown): ToServer.ToServer | ParamsError }>(
  ToServer.toServer.flatMap((method) => [method.name, ...method.aliases].map((name) => [name, method] as const))
)
