/**
 * The client's end of one connection of Job Declaration (specification, section 6): keeps tokens ahead, declares jobs, gives the
 * transactions that the server lacks, and pushes solutions. It is a pure machine of `(messages, now) -> messages and events`. After its
 * first fault it does nothing more: the shell closes the connection.
 */
import { JobDeclaration, printable } from "@sluice/protocol"
import { TokenBucket } from "@sluice/transport"
import { Result } from "effect"
import type { TokenMode } from "../token/tokens.ts"
import { DeclarationFault } from "./client-fault.ts"
import { type PoolOutputs, readPoolOutputs } from "./pool-outputs.ts"

export interface DeclarationClientOptions {
  readonly mode: TokenMode
  /** `user_identifier` of AllocateMiningJobToken: that of the channel at the pool. */
  readonly userIdentifier: string
  /** How long the server may take to allocate a token. Default 10 seconds. */
  readonly tokenTimeoutMs?: number
  /** How long the server may take to answer a declaration. Default 30 seconds. */
  readonly answerTimeoutMs?: number
}

/** A token that is good for one job, with the outputs that the job must have. */
export interface AllocatedToken {
  readonly bytes: Uint8Array
  readonly outputs: PoolOutputs
}

/** A job to declare. */
export interface Declaration {
  readonly token: AllocatedToken
  readonly version: number
  /** The halves of the coinbase with BIP141's fields (6.4.4). */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  /** Of all transactions but the coinbase, in order. */
  readonly wtxids: ReadonlyArray<Uint8Array>
  readonly transactions: ReadonlyArray<Uint8Array>
  readonly excessData: Uint8Array
}

export type DeclarationClientEvent =
  /** There is a token; before there was none. */
  | { readonly _tag: "TokenReady" }
  /** The server accepts the job. `token` goes into SetCustomMiningJob. */
  | { readonly _tag: "Declared"; readonly requestId: number; readonly token: Uint8Array }
  | {
      readonly _tag: "DeclarationRefused"
      readonly requestId: number
      readonly errorCode: string
      readonly details: string
    }
  /** As in the message (3.6.5): an empty host or port 0 is the present one. */
  | { readonly _tag: "Reconnect"; readonly host: string; readonly port: number }
  | { readonly _tag: "Failed"; readonly fault: DeclarationFault }

/** The tokens that are kept: for the present job, and for the next one. */
const TOKENS_AHEAD = 2
/** A token that is older is not used: servers forget tokens, and do not say when. */
const MAX_TOKEN_AGE_MS = 300_000
const TOKEN_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 30_000
/** The most declarations without an answer that are remembered. */
const MAX_DECLARATIONS = 4
/** The most ids of declarations that are remembered: an answer to one of them is no fault, even if it comes late. */
const MAX_DECLARED_IDS = 1024
/** How often a server may ask for transactions of one declaration: each answer has up to a block's bytes. */
const MAX_QUESTIONS = 3
const MAX_MESSAGES_PER_SECOND = 20
/** The most bytes of error details that are shown. */
const MAX_DETAILS = 200

interface Pending {
  readonly wtxidCount: number
  readonly transactions: ReadonlyArray<Uint8Array>
  readonly since: number
  questions: number
  /** Its block has ended: the server need not answer. */
  isGivenUp: boolean
}

export class DeclarationClient {
  /** The first fault. */
  fault: DeclarationFault | undefined = undefined
  readonly mode: TokenMode
  readonly #options: DeclarationClientOptions
  readonly #messages: TokenBucket
  #out: Array<JobDeclaration.ToServer> = []
  #requestId = 0
  /** Requests for tokens without an answer, by request id, with the time. */
  readonly #requests = new Map<number, number>()
  /** Oldest first. */
  #tokens: Array<AllocatedToken & { readonly at: number }> = []
  #outputs: PoolOutputs | undefined
  /** The bytes that the outputs of the connection's first token take: no later one may take more (6.4.3). */
  #announcedSize: number | undefined
  readonly #declarations = new Map<number, Pending>()
  /** Since when the server has answered no declaration of the present block that was sent then or later; Infinity if none waits. */
  #unansweredSince = Infinity
  /** The ids of the last declarations, answered or not. */
  readonly #declaredIds = new Set<number>()

  /** Asks for the first tokens. */
  constructor(options: DeclarationClientOptions, now: number) {
    this.mode = options.mode
    this.#options = options
    this.#messages = new TokenBucket(MAX_MESSAGES_PER_SECOND, now)
    this.#request(now)
  }

  /** The outputs of the token that is used next, or else of the last one; `undefined` before the first. */
  get outputs(): PoolOutputs | undefined {
    return this.#tokens[0]?.outputs ?? this.#outputs
  }

  get tokenCount(): number {
    return this.#tokens.length
  }

  /** Declarations that wait for an answer. */
  get pendingCount(): number {
    return this.#declarations.size
  }

  get hasMessages(): boolean {
    return this.#out.length > 0
  }

  /** Messages for the server. */
  takeMessages(): ReadonlyArray<JobDeclaration.ToServer> {
    const out = this.#out
    this.#out = []
    return out
  }

  /** Takes a token, and asks for another. `undefined` if there is none yet. */
  takeToken(now: number): AllocatedToken | undefined {
    if (this.fault !== undefined) return undefined
    this.#forgetOld(now)
    const token = this.#tokens.shift()
    this.#request(now)
    return token
  }

  /** Takes a token back that was not used. */
  giveBack(token: AllocatedToken, now: number): void {
    this.#tokens.unshift({ ...token, at: now })
  }

  /** Drops all tokens, because the server has forgotten one, and asks for others. */
  dropTokens(now: number): void {
    this.#tokens = []
    this.#request(now)
  }

  /** Declares a job (6.4.4). Returns the id of the request. */
  declare(declaration: Declaration, now: number): number {
    const requestId = this.#nextRequestId()
    const { coinbasePrefix, coinbaseSuffix, excessData, token, transactions, version, wtxids } = declaration
    this.#declarations.set(requestId, {
      wtxidCount: wtxids.length,
      transactions,
      since: now,
      questions: 0,
      isGivenUp: false
    })
    this.#unansweredSince = Math.min(this.#unansweredSince, now)
    this.#declaredIds.add(requestId)
    forgetOldest(this.#declarations, MAX_DECLARATIONS)
    forgetOldest(this.#declaredIds, MAX_DECLARED_IDS)
    this.#out.push({
      _tag: "DeclareMiningJob",
      requestId,
      miningJobToken: token.bytes,
      version,
      coinbaseTxPrefix: coinbasePrefix,
      coinbaseTxSuffix: coinbaseSuffix,
      wtxidList: wtxids,
      excessData
    })
    return requestId
  }

  /** The block of all declarations has ended: waits no longer for answers to them, which may still come. */
  giveUp(): void {
    for (const pending of this.#declarations.values()) pending.isGivenUp = true
    this.#unansweredSince = Infinity
  }

  /** Pushes the solution of a job that was declared (6.4.9). */
  push(solution: Omit<JobDeclaration.PushSolution, "_tag">): void {
    if (this.fault === undefined) this.#out.push({ _tag: "PushSolution", ...solution })
  }

  /** Takes the messages of one read. */
  receive(messages: ReadonlyArray<JobDeclaration.ToClient>, now: number): ReadonlyArray<DeclarationClientEvent> {
    const events: Array<DeclarationClientEvent> = []
    for (const message of messages) {
      if (this.fault !== undefined) break
      this.#receive(message, now, events)
    }
    return events
  }

  /** Looks at the time: call it every second. */
  tick(now: number): ReadonlyArray<DeclarationClientEvent> {
    const events: Array<DeclarationClientEvent> = []
    if (this.fault !== undefined) return events
    this.#forgetOld(now)
    this.#request(now)
    const { answerTimeoutMs = ANSWER_TIMEOUT_MS, tokenTimeoutMs = TOKEN_TIMEOUT_MS } = this.#options
    for (const since of this.#requests.values()) {
      if (now - since < tokenTimeoutMs) continue
      this.#fail("no-token", `it has allocated no token within ${tokenTimeoutMs / 1000} s`, events)
      return events
    }
    if (now - this.#unansweredSince >= answerTimeoutMs) {
      this.#fail("no-answer", `it has not answered DeclareMiningJob within ${answerTimeoutMs / 1000} s`, events)
    }
    return events
  }

  /** Ends the connection for a reason that its messages do not show. */
  end(fault: DeclarationFault): void {
    this.fault ??= fault
  }

  #receive(message: JobDeclaration.ToClient, now: number, events: Array<DeclarationClientEvent>): void {
    if (this.#messages.take(1, now) > 0) {
      const limit = `more than ${MAX_MESSAGES_PER_SECOND} messages a second`
      return this.#fail("too-many-messages", `it sends ${limit}; the last is ${message._tag}`, events)
    }
    switch (message._tag) {
      case "AllocateMiningJobToken.Success":
        return this.#allocated(message, now, events)
      case "DeclareMiningJob.Success": {
        const pending = this.#answered(message, events)
        if (pending === undefined) return
        if (message.newMiningJobToken.length === 0) {
          return this.#fail("violation", "DeclareMiningJob.Success (6.4.5) has an empty token", events)
        }
        events.push({ _tag: "Declared", requestId: message.requestId, token: message.newMiningJobToken.slice() })
        return
      }
      case "DeclareMiningJob.Error": {
        if (this.#answered(message, events) === undefined) return
        events.push({
          _tag: "DeclarationRefused",
          requestId: message.requestId,
          errorCode: printable(message.errorCode),
          details: printable(Buffer.from(message.errorDetails.subarray(0, MAX_DETAILS)).toString("utf8"))
        })
        return
      }
      case "ProvideMissingTransactions":
        return this.#provide(message, events)
      case "Reconnect":
        events.push({ _tag: "Reconnect", host: message.newHost, port: message.newPort })
        return
    }
  }

  #allocated(
    { coinbaseTxOutputs, miningJobToken, requestId }: JobDeclaration.AllocateMiningJobTokenSuccess,
    now: number,
    events: Array<DeclarationClientEvent>
  ): void {
    if (!this.#requests.delete(requestId)) {
      return this.#fail(
        "violation",
        `it allocated a token for request ${requestId}, which waits for none (6.4.3)`,
        events
      )
    }
    if (miningJobToken.length === 0) {
      return this.#fail("violation", "AllocateMiningJobToken.Success (6.4.3) has an empty token", events)
    }
    const read = readPoolOutputs(coinbaseTxOutputs)
    if (Result.isFailure(read)) return this.#fail("outputs", `coinbase_tx_outputs (6.4.3): ${read.failure}`, events)
    const outputs = read.success
    this.#announcedSize ??= outputs.bytes.length
    if (outputs.bytes.length > this.#announcedSize) {
      const sizes = `${outputs.bytes.length} bytes of outputs, and announced ${this.#announcedSize} with its first token`
      return this.#fail("outputs", `it wants ${sizes} (6.4.3)`, events)
    }
    const isFirst = this.#tokens.length === 0
    this.#outputs = outputs
    this.#tokens.push({ bytes: miningJobToken.slice(), outputs, at: now })
    if (isFirst) events.push({ _tag: "TokenReady" })
  }

  /** The declaration that an answer is for; `undefined` for one that was forgotten. */
  #answered(
    { _tag, requestId }: JobDeclaration.DeclareMiningJobSuccess | JobDeclaration.DeclareMiningJobError,
    events: Array<DeclarationClientEvent>
  ): Pending | undefined {
    const pending = this.#declarations.get(requestId)
    this.#declarations.delete(requestId)
    if (pending === undefined && !this.#declaredIds.has(requestId)) {
      this.#fail("violation", `${_tag} is for request ${requestId}, which declared no job`, events)
    }
    // A server may answer the newest declaration only.
    if (pending?.isGivenUp === false) {
      this.#unansweredSince = Math.min(
        ...[...this.#declarations].map(([id, { isGivenUp, since }]) => (isGivenUp || id < requestId ? Infinity : since))
      )
    }
    return pending
  }

  #provide(message: JobDeclaration.ProvideMissingTransactions, events: Array<DeclarationClientEvent>): void {
    const { requestId, unknownTxPositionList: positions } = message
    const refuse = (detail: string) => this.#fail("violation", `ProvideMissingTransactions (6.4.7) ${detail}`, events)
    const pending = this.#declarations.get(requestId)
    if (pending === undefined) {
      return this.#declaredIds.has(requestId) ? undefined : refuse(`is for request ${requestId}, which declared no job`)
    }
    if (++pending.questions > MAX_QUESTIONS) return refuse(`came more than ${MAX_QUESTIONS} times for one declaration`)
    const wrong = positions.find((position) => position >= pending.wtxidCount)
    if (wrong !== undefined) {
      return refuse(`asks for position ${wrong} of a job of ${pending.wtxidCount} transactions`)
    }
    if (new Set(positions).size !== positions.length) return refuse("asks for a position twice")
    this.#out.push({
      _tag: "ProvideMissingTransactions.Success",
      requestId,
      transactionList: positions.map((position) => pending.transactions[position]!)
    })
  }

  #nextRequestId(): number {
    this.#requestId = (this.#requestId + 1) >>> 0
    return this.#requestId
  }

  /** Asks for as many tokens as are missing. */
  #request(now: number): void {
    while (this.fault === undefined && this.#tokens.length + this.#requests.size < TOKENS_AHEAD) {
      const requestId = this.#nextRequestId()
      this.#requests.set(requestId, now)
      this.#out.push({ _tag: "AllocateMiningJobToken", userIdentifier: this.#options.userIdentifier, requestId })
    }
  }

  #forgetOld(now: number): void {
    this.#tokens = this.#tokens.filter(({ at }) => now - at < MAX_TOKEN_AGE_MS)
  }

  #fail(reason: DeclarationFault["reason"], message: string, events: Array<DeclarationClientEvent>): void {
    this.fault = new DeclarationFault({ reason, message })
    events.push({ _tag: "Failed", fault: this.fault })
  }
}

/** Removes the oldest entries beyond the limit. */
const forgetOldest = (entries: Map<number, unknown> | Set<number>, limit: number): void => {
  for (const oldest of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(oldest)
  }
}
