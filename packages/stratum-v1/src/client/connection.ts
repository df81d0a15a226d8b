/**
 * A miner's end of one connection to a pool: a pure machine. Lines and the time in, events out; calls of the layer above in,
 * lines out (`takeLines`). It reads no clock and no socket.
 *
 * `start` sends configure and subscribe; workers are authorized when subscribe is answered, as some pools insist. A
 * difficulty, an extranonce and a version mask hold from the next notify on, so that each job comes with its own.
 */
import { Target } from "@sluice/core"
import { excerpt, type LineError, ParamsError, RefusedError, SilenceError } from "../error.ts"
import type { Line } from "../line/line.ts"
import {
  readAnswerId,
  readRefusal,
  readRequestId,
  type Refusal,
  RefusalField,
  refusalLine,
  resultLine
} from "../message/answer.ts"
import { type ConfigureOptions, VERSION_ROLLING } from "../message/configuration.ts"
import { OTHER } from "../message/error-code.ts"
import type { Method, Params, ParamsOf } from "../message/method.ts"
import type { Subscription } from "../message/subscription.ts"
import * as ToClient from "../message/to-client.ts"
import * as ToServer from "../message/to-server.ts"
import { targetOfDifficulty } from "../values/difficulty.ts"
import { BIP323_MASK, versionBitsOf } from "../values/version-bits.ts"
import type { ClientEvent, Failed } from "./event.ts"
import type { ClientJob } from "./job.ts"
import { type Pending, PendingRequests } from "./pending-requests.ts"

export interface ClientOptions {
  readonly userAgent: string
  /** The id of an earlier subscription, to get its extranonce1 again. */
  readonly session?: string | undefined
  /** The version bits to ask for, within BIP323, its default; 0 leaves mining.configure out, for pools that it confuses. */
  readonly versionMask?: number
  /** How many shares may wait for their answers; no more are submitted then. Default 4096. */
  readonly maxPendingShares?: number
  /** How long an answer may take. Default 60,000. */
  readonly answerWithinMs?: number
  /** How long the pool may send nothing at all. Default 300,000. */
  readonly silenceMs?: number
}

/** A solution of a job. */
export interface FoundShare {
  readonly extranonce2: Uint8Array
  readonly ntime: number
  readonly nonce: number
  /** The whole version. */
  readonly version: number
}

export class ClientConnection {
  readonly #options: Required<Omit<ClientOptions, "session">> & Pick<ClientOptions, "session">
  readonly #pending: PendingRequests
  #heardAt: number
  #events: Array<ClientEvent> = []
  #lines: Array<string> = []
  #ended = false

  #subscription: Subscription | undefined
  /** What was asked before the pool could take it: sent when subscribe is answered. */
  #postponed: Array<(now: number) => void> = []
  #versionMask = 0
  #target = targetOfDifficulty(1)
  #prevHash: Uint8Array | undefined
  /** The latest job, where it came before the answer to subscribe. */
  #earlyJob: ToClient.Notify | undefined

  /** `now` in milliseconds. */
  constructor(now: number, options: ClientOptions) {
    this.#heardAt = now
    this.#options = {
      userAgent: options.userAgent,
      session: options.session,
      versionMask: (options.versionMask ?? BIP323_MASK) & BIP323_MASK,
      maxPendingShares: options.maxPendingShares ?? 4096,
      answerWithinMs: options.answerWithinMs ?? 60_000,
      silenceMs: options.silenceMs ?? 300_000
    }
    this.#pending = new PendingRequests(this.#options.maxPendingShares)
  }

  /** How many shares wait for their answers. */
  get pendingShares(): number {
    return this.#pending.shares
  }

  /** Begins the handshake. */
  start(now: number): void {
    const mask = this.#options.versionMask
    if (mask !== 0) {
      const options = { ...noOptions, versionRollingMask: mask, versionRollingMinBitCount: 2 }
      this.#ask("configure", "", ToServer.Configure, { extensions: [VERSION_ROLLING], options }, now)
    }
    const { session, userAgent } = this.#options
    this.#ask("subscribe", "", ToServer.Subscribe, { ...noSubscribe, userAgent, session }, now)
  }

  /** Names a worker; `Authorized` follows. */
  authorize(worker: string, password: string, now: number): void {
    this.#afterSubscribe((at) => this.#ask("authorize", worker, ToServer.Authorize, { worker, password }, at), now)
  }

  /** Asks for a difficulty; the pool answers with set_difficulty, or does not. */
  suggestDifficulty(difficulty: number, now: number): void {
    this.#afterSubscribe((at) => this.#ask("other", "", ToServer.SuggestDifficulty, { difficulty }, at), now)
  }

  /** Submits a share; `ShareAnswered` follows, with the number that this gives. Undefined where too many wait already. */
  submit(job: ClientJob, worker: string, share: FoundShare, now: number): number | undefined {
    if (this.#ended) return undefined
    const { extranonce2, nonce, ntime, version } = share
    const { jobId } = job.notify
    const versionBits = job.versionMask === 0 ? undefined : versionBitsOf(version, job.versionMask)
    const params = { worker, jobId, extranonce2, ntime, nonce, versionBits }
    return this.#ask("share", worker, ToServer.Submit, params, now)
  }

  /** The lines of one read. After `Failed`, always the last event, nothing more is looked at. */
  receive(lines: ReadonlyArray<Line>, now: number): ReadonlyArray<ClientEvent> {
    this.#heardAt = now
    for (const line of lines) {
      if (this.#ended) break
      if (typeof line.method === "string") this.#receiveMethod(line, line.method)
      else this.#receiveAnswer(line, now)
    }
    return this.#takeEvents()
  }

  /** What the reader of lines failed with: `Failed` is the last event. */
  fail(error: LineError, now: number): ReadonlyArray<ClientEvent> {
    this.#fail(error, now)
    return this.#takeEvents()
  }

  /** The connection has ended: shares without an answer are refused, each with its event. */
  end(now: number): ReadonlyArray<ClientEvent> {
    this.#end(now)
    return this.#takeEvents()
  }

  /** To be called from time to time: gives up what the pool does not answer, and a pool that is silent. */
  tick(now: number): ReadonlyArray<ClientEvent> {
    if (this.#ended) return []
    const silentMs = now - this.#heardAt
    if (silentMs >= this.#options.silenceMs) {
      this.#fail(new SilenceError({ awaited: "any line", waitedMs: silentMs }), now)
    }
    for (const request of this.#pending.takeOlder(now - this.#options.answerWithinMs)) this.#giveUp(request, now)
    return this.#takeEvents()
  }

  /** The lines to be sent, in one write (`joinLines`). */
  takeLines(): ReadonlyArray<string> {
    const lines = this.#lines
    if (lines.length > 0) this.#lines = []
    return lines
  }

  #receiveMethod(line: Line, method: string): void {
    const known = methods.get(method)
    const id = readRequestId(line.id) ?? null
    if (known === undefined) {
      if (id !== null) this.#lines.push(refusalLine(id, { code: OTHER, text: `unknown method ${excerpt(method)}` }))
      return
    }
    const message = known.read(line.params)
    if (message instanceof ParamsError) {
      this.#events.push({ _tag: "Malformed", error: message })
      if (id !== null) this.#lines.push(refusalLine(id, { code: OTHER, text: message.message }))
      return
    }
    switch (message._tag) {
      case "mining.notify":
        return this.#notify(message)
      case "mining.set_difficulty":
        this.#target = targetOfDifficulty(message.difficulty)
        return
      case "mining.set_target":
        this.#target = message.target
        return
      case "mining.set_extranonce":
        if (this.#subscription !== undefined) {
          const { extranonce1, extranonce2Size } = message
          this.#subscription = { ...this.#subscription, extranonce1, extranonce2Size }
        }
        return
      case "mining.set_version_mask":
        return this.#setVersionMask(message.mask)
      case "client.reconnect": {
        const { host, port, waitSeconds = 0 } = message
        this.#events.push({ _tag: "ReconnectAsked", host: host || undefined, port: port || undefined, waitSeconds })
        return
      }
      case "client.show_message":
        this.#events.push({ _tag: "Message", text: message.text })
        return
      case "client.get_version":
        if (id !== null) this.#lines.push(resultLine(id, this.#options.userAgent))
        return
      case "mining.ping":
        if (id !== null) this.#lines.push(resultLine(id, "pong"))
        return
    }
  }

  #notify(notify: ToClient.Notify): void {
    const subscription = this.#subscription
    if (subscription === undefined) {
      this.#earlyJob = notify
      return
    }
    const clean = notify.clean || !this.#isPrevHash(notify.prevHash)
    this.#prevHash = notify.prevHash
    const { extranonce1, extranonce2Size } = subscription
    const job = { notify, target: this.#target, extranonce1, extranonce2Size, versionMask: this.#versionMask, clean }
    this.#events.push({ _tag: "JobReceived", job })
  }

  #isPrevHash(hash: Uint8Array): boolean {
    return this.#prevHash !== undefined && Target.compareU256(this.#prevHash, 0, hash, 0) === 0
  }

  /** Only bits that were asked for: a pool that says more means that it would allow them. */
  #setVersionMask(mask: number): void {
    const within = mask & this.#options.versionMask
    if (within === this.#versionMask) return
    this.#versionMask = within
    this.#events.push({ _tag: "VersionMaskChanged", mask: within })
  }

  #receiveAnswer(line: Line, now: number): void {
    const id = readAnswerId(line.id)
    const request = id === undefined ? undefined : this.#pending.take(id)
    if (request !== undefined) return this.#answeredWith(request, readRefusal(line), line.result, now)
    // An error with the id null is meant for people. An answer that came too late, or to nothing, changes nothing.
    const said = id === undefined ? RefusalField.read(line.error) : undefined
    if (said !== undefined) this.#events.push({ _tag: "Message", text: said.text })
  }

  #answeredWith(request: Pending, refusal: Refusal | undefined, result: unknown, now: number): void {
    if (request.kind === "subscribe" || request.kind === "subscribe-again") {
      return this.#subscribed(request, refusal, result, now)
    }
    if (request.kind === "configure" && refusal === undefined) {
      const granted = ToServer.Configure.readResult(result)
      if (granted instanceof ParamsError) this.#events.push({ _tag: "Malformed", error: granted })
      else if (granted.versionRolling === true) this.#setVersionMask(granted.versionRollingMask ?? 0xffffffff)
      return
    }
    this.#answered(request, refusal, now)
  }

  #answered({ id, kind, sentAt, worker }: Pending, refusal: Refusal | undefined, now: number): void {
    if (kind === "share") this.#events.push({ _tag: "ShareAnswered", share: id, refusal, tookMs: now - sentAt })
    if (kind === "authorize") this.#events.push({ _tag: "Authorized", worker, refusal })
  }

  #giveUp(request: Pending, now: number): void {
    const waitedMs = now - request.sentAt
    if (request.kind === "subscribe" || request.kind === "subscribe-again") {
      return this.#fail(new SilenceError({ awaited: ToServer.Subscribe.name, waitedMs }), now)
    }
    this.#answered(request, { code: OTHER, text: `no answer within ${Math.round(waitedMs / 1000)} s` }, now)
  }

  #subscribed({ kind }: Pending, refusal: Refusal | undefined, result: unknown, now: number): void {
    if (refusal !== undefined) {
      // As cgminer does: some pools want no parameters.
      if (kind === "subscribe") return void this.#ask("subscribe-again", "", ToServer.Subscribe, noSubscribe, now)
      return this.#fail(new RefusedError({ method: ToServer.Subscribe.name, ...refusal }), now)
    }
    const subscription = ToServer.Subscribe.readResult(result)
    if (subscription instanceof ParamsError) return this.#fail(subscription, now)
    this.#subscription = subscription
    this.#events.push({ _tag: "Subscribed", subscription })
    for (const send of this.#postponed) send(now)
    this.#postponed = []
    this.#ask("other", "", ToServer.ExtranonceSubscribe, {}, now)
    if (this.#earlyJob !== undefined) this.#notify(this.#earlyJob)
    this.#earlyJob = undefined
  }

  #afterSubscribe(send: (now: number) => void, now: number): void {
    if (this.#subscription === undefined) this.#postponed.push(send)
    else send(now)
  }

  #ask<P extends Params>(
    kind: Pending["kind"],
    worker: string,
    method: Method<string, P>,
    params: ParamsOf<P>,
    now: number
  ): number | undefined {
    const id = this.#pending.add(kind, worker, now)
    if (id !== undefined) this.#lines.push(method.line(id, params))
    return id
  }

  #fail(error: Failed["error"], now: number): void {
    if (this.#ended) return
    this.#end(now)
    this.#events.push({ _tag: "Failed", error })
  }

  #end(now: number): void {
    this.#ended = true
    const refusal = { code: OTHER, text: "the connection to the pool ended" }
    for (const request of this.#pending.takeOlder(Infinity)) this.#answered(request, refusal, now)
  }

  #takeEvents(): ReadonlyArray<ClientEvent> {
    const events = this.#events
    if (events.length > 0) this.#events = []
    return events
  }
}

const noOptions: ConfigureOptions = {
  versionRollingMask: undefined,
  versionRollingMinBitCount: undefined,
  minimumDifficulty: undefined,
  hardwareVersion: undefined,
  softwareVersion: undefined,
  hardwareId: undefined
}
const noSubscribe = { userAgent: undefined, session: undefined, host: undefined, port: undefined }

/** The methods of pools by every name that they have. */
const methods = new Map<string, { read(params: unknown): ToClient.ToClient | ParamsError }>(
  ToClient.toClient.flatMap((method) => [method.name, ...method.aliases].map((name) => [name, method] as const))
)
