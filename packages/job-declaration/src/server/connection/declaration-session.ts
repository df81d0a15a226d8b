/**
 * One connection of a job declarator (specification, section 6.4): a pure machine that takes messages, the node's verdicts and the time,
 * and gives replies, events and requests to the node. Long work is done in steps of about a millisecond, so that the server answers
 * other connections in between.
 */
import { JobDeclaration } from "@sluice/protocol"
import { Result } from "effect"
import { allocatedOutputs, whyUnpaid } from "../../custom-job/payout-rules.ts"
import type { DeclaredJob, TokenMode } from "../../token/tokens.ts"
import {
  type ChainTip,
  checkCoinbase,
  checkCommitment,
  checkSums,
  MAX_BLOCK_TRANSACTIONS,
  merklePathOf
} from "../blocks/block-check.ts"
import { type DeclaredBlock, proposal } from "../blocks/declared-block.ts"
import { readDeclaredCoinbase } from "../blocks/declared-coinbase.ts"
import type { AcceptedJob } from "../blocks/declared-jobs.ts"
import { type Refusal, refusal } from "../blocks/refusal.ts"
import { ofVerdict } from "../blocks/verdict.ts"
import { Declaration, declarationBytes } from "./declaration.ts"
import { locate, MIN_TRANSACTION_WEIGHT, readSome, release, roomFor } from "./declared-transactions.ts"
import type { SessionContext, SessionOutbox } from "./session-context.ts"
import { serialKey, SessionTokens } from "./session-tokens.ts"

export class DeclarationSession {
  readonly mode: TokenMode
  readonly #context: SessionContext
  /** From `FairLimit.address`. */
  readonly #address: string
  readonly #tokens: SessionTokens
  readonly #declarations = new Map<number, Declaration>()
  /** Those with work for `step`. */
  readonly #ready: Array<Declaration> = []
  /** Accepted jobs, oldest first. */
  readonly #jobs: Array<AcceptedJob> = []
  /** Bytes of declarations and jobs. */
  #bytes = 0

  constructor(context: SessionContext, mode: TokenMode, address: string) {
    this.#context = context
    this.mode = mode
    this.#address = address
    this.#tokens = new SessionTokens(context, mode, address)
  }

  /** Whether `step` has something to do. */
  get isBusy(): boolean {
    return this.#ready.length > 0
  }

  /** The longest payload that the client has a reason to send now, in bytes. */
  get maxPayload(): number {
    let most = MAX_DECLARATION_SIZE
    for (const declaration of this.#declarations.values()) {
      if (declaration.stage !== "transactions") continue
      most = Math.max(most, ANSWER_HEAD + declaration.room + 3 * declaration.missing.length)
    }
    return most
  }

  /** Takes one message. `now` in milliseconds. */
  onMessage(message: JobDeclaration.ToServer, now: number, out: SessionOutbox): void {
    switch (message._tag) {
      case "AllocateMiningJobToken":
        return this.#allocate(message, now, out)
      case "DeclareMiningJob":
        return this.#declare(message, now, out)
      case "ProvideMissingTransactions.Success":
        return this.#provide(message, out)
      case "PushSolution":
        return this.#solve(message, out)
    }
  }

  /** Does a part of the work that waits. */
  step(now: number, out: SessionOutbox): void {
    const declaration = this.#ready[0]
    if (declaration !== undefined) this.#advance(declaration, now, out)
  }

  /** The block of a declaration for the node to judge; undefined if its verdict is not awaited any more. */
  proposalOf(declaration: Declaration): Uint8Array | undefined {
    return this.#isOpen(declaration) && declaration.stage === "verdict"
      ? proposal(blockOf(declaration), this.#context.store)
      : undefined
  }

  /**
   * The node's verdict: `null` accepts the block, a string is BIP22's reason. `undefined`: there is no verdict, because of `why`.
   * `asked` is the `asked` of the declaration when the node was asked.
   */
  onVerdict(
    declaration: Declaration,
    asked: number,
    verdict: string | null | undefined,
    why: string,
    now: number,
    out: SessionOutbox
  ): void {
    if (!this.#isOpen(declaration) || declaration.stage !== "verdict" || declaration.asked !== asked) return
    if (verdict === undefined) return this.#refuse(declaration, refusal("internal-error", why), out)
    const wrong = ofVerdict(verdict)
    if (wrong === "old-tip") {
      // The node has another tip than it said: it will say it soon.
      this.#wait(declaration, "tip", now + this.#context.times.tipMs)
      return
    }
    if (wrong !== undefined) return this.#refuse(declaration, wrong, out)
    this.#accept(declaration, now, out)
  }

  /** The node has another tip. */
  onTip(tip: ChainTip, now: number, out: SessionOutbox): void {
    for (const job of this.#jobs.slice()) if (job.block.tip.height < tip.height - 1) this.#dropJob(job)
    for (const declaration of this.#declarations.values()) {
      if (declaration.stage === "tip" || (declaration.tip !== undefined && !isSameTip(declaration.tip, tip))) {
        this.#begin(declaration, now, out)
      }
    }
  }

  /** Ends waits whose time is over. */
  onTick(now: number, out: SessionOutbox): void {
    this.#tokens.expire(now)
    const { times } = this.#context
    for (const declaration of this.#declarations.values()) {
      if (now < declaration.deadline) continue
      const seconds = (ms: number) => `within ${ms / 1000} s`
      switch (declaration.stage) {
        case "tip":
          this.#refuse(declaration, this.#staleTip(declaration), out)
          break
        case "transactions": {
          const details = `${declaration.missing.length} transactions were not sent ${seconds(times.transactionsMs)}`
          this.#refuse(declaration, refusal("missing-txs", details), out)
          break
        }
        case "verdict":
          this.#refuse(
            declaration,
            refusal("internal-error", `the node gave no verdict ${seconds(times.verdictMs)}`),
            out
          )
      }
    }
  }

  /** The connection has ended. Its accepted jobs stay for a block that the pool finds. */
  close(): void {
    for (const declaration of this.#declarations.values()) {
      this.#leave(declaration)
      this.#free(declaration)
    }
    for (const job of this.#jobs) this.#context.jobs.abandon(job)
    this.#tokens.close()
  }

  #allocate(message: JobDeclaration.AllocateMiningJobToken, now: number, out: SessionOutbox): void {
    const miningJobToken = this.#tokens.allocate(message.userIdentifier, now)
    // There is no message that refuses a token.
    if (miningJobToken === undefined) {
      out.end = "it or its address has as many unexpired tokens as it may (maxTokens)"
      return
    }
    out.replies.push(
      JobDeclaration.AllocateMiningJobTokenSuccess.make({
        requestId: message.requestId,
        miningJobToken,
        coinbaseTxOutputs: allocatedOutputs(this.#context.payout())
      })
    )
    out.events.push({ _tag: "TokenAllocated", userIdentifier: message.userIdentifier })
  }

  #declare(message: JobDeclaration.DeclareMiningJob, now: number, out: SessionOutbox): void {
    const { limits, maxOfConnection } = this.#context
    const declaration = this.#read(message, now)
    if (Result.isFailure(declaration)) return this.#answerRefusal(message.requestId, declaration.failure, out)
    if (this.#declarations.size >= maxOfConnection.declarations || !limits.declarations.hasRoom(this.#address, 1)) {
      return this.#answerRefusal(message.requestId, TOO_MANY_DECLARATIONS, out)
    }
    if (!this.#takeBytes(declaration.success.bytes)) {
      return this.#answerRefusal(message.requestId, TOO_MANY_BYTES, out)
    }
    limits.declarations.add(this.#address, 1)
    this.#declarations.set(message.requestId, declaration.success)
    this.#begin(declaration.success, now, out)
  }

  /** Checks what needs no transactions. A token is used up by any declaration that has it, whatever becomes of it. */
  #read(message: JobDeclaration.DeclareMiningJob, now: number): Result.Result<Declaration, Refusal> {
    const { payout } = this.#context
    const bad = (details: string) => Result.fail(refusal("invalid-mining-job-token", details))
    if (this.mode === "coinbase-only") {
      return bad("this connection has no flag DECLARE_TX_DATA: in coinbase-only mode jobs are not declared")
    }
    const used = this.#tokens.use(message.miningJobToken, now)
    if (Result.isFailure(used)) return bad(used.failure)
    const token = used.success
    if (this.#declarations.has(message.requestId)) {
      return Result.fail(
        refusal("invalid-job", `request_id ${message.requestId} is that of a declaration being checked`)
      )
    }
    const count = message.wtxidList.length
    if (count > MAX_BLOCK_TRANSACTIONS) {
      return Result.fail(
        refusal(
          "invalid-job",
          `a block has at most ${MAX_BLOCK_TRANSACTIONS} transactions beside its coinbase; got ${count}`
        )
      )
    }
    return Result.gen(function* () {
      const coinbase = yield* readDeclaredCoinbase(message.coinbaseTxPrefix, message.coinbaseTxSuffix)
      const unpaid = whyUnpaid(coinbase.transaction.outputs, payout())
      if (unpaid !== undefined) return yield* Result.fail(refusal("invalid-coinbase-tx", unpaid))
      return new Declaration(message, { token, coinbase, bytes: declarationBytes(message), now })
    })
  }

  /** Begins the check, or begins it again for another tip. */
  #begin(declaration: Declaration, now: number, out: SessionOutbox): void {
    const tip = this.#context.tip()
    const { height } = declaration.coinbase
    // While the client is asked or its answer is read, the rest of the check is still to come.
    const isAsking = declaration.stage === "transactions" || declaration.stage === "read"
    if (tip === undefined || height === tip.height + 1) {
      if (!isAsking) this.#wait(declaration, "tip", now + this.#context.times.tipMs)
      return
    }
    if (height !== tip.height) return this.#refuse(declaration, this.#staleTip(declaration), out)
    declaration.tip = tip
    const wrong = checkCoinbase(declaration.coinbase, tip, declaration.version)
    if (wrong !== undefined) return this.#refuse(declaration, wrong, out)
    if (!isAsking) this.#enqueue(declaration, declaration.isLocated ? "path" : "locate")
  }

  #enqueue(declaration: Declaration, stage: Declaration["stage"]): void {
    declaration.stage = stage
    declaration.deadline = Infinity
    if (!this.#ready.includes(declaration)) this.#ready.push(declaration)
  }

  #wait(declaration: Declaration, stage: Declaration["stage"], deadline: number): void {
    declaration.stage = stage
    declaration.deadline = deadline
    const at = this.#ready.indexOf(declaration)
    if (at >= 0) this.#ready.splice(at, 1)
  }

  /** Does the next part of the check. */
  #advance(declaration: Declaration, now: number, out: SessionOutbox): void {
    switch (declaration.stage) {
      case "locate":
        return this.#locate(declaration, now, out)
      case "read":
        return this.#readAnswer(declaration, out)
      case "path":
        return this.#hash(declaration, now, out)
      case "commitment":
        return this.#conclude(declaration, now, out)
    }
  }

  #hash(declaration: Declaration, now: number, out: SessionOutbox): void {
    const { store, tip: present } = this.#context
    const [tip, current] = [declaration.tip!, present()!]
    // The tip changed while the client was asked.
    if (!isSameTip(tip, current)) return this.#begin(declaration, now, out)
    const wrong = checkSums(declaration, store, tip)
    if (wrong !== undefined) return this.#refuse(declaration, wrong, out)
    declaration.merklePath = merklePathOf(declaration, store)
    declaration.stage = "commitment"
  }

  #conclude(declaration: Declaration, now: number, out: SessionOutbox): void {
    const { hasProposals, store, times } = this.#context
    const wrong = checkCommitment(declaration, store)
    if (wrong !== undefined) return this.#refuse(declaration, wrong, out)
    if (!hasProposals()) return this.#accept(declaration, now, out)
    this.#wait(declaration, "verdict", now + times.verdictMs)
    declaration.asked++
    out.proposals.push(declaration)
  }

  /** Looks the transactions up, and asks the client for those that are not there. */
  #locate(declaration: Declaration, now: number, out: SessionOutbox): void {
    locate(declaration, this.#context.store)
    const { count, missing, requestId } = declaration
    if (missing.length === 0) {
      declaration.stage = "path"
      return
    }
    const room = roomFor(declaration, this.#context.store)
    if (room < missing.length * MIN_TRANSACTION_WEIGHT) {
      const details = `the block has no room for ${missing.length} transactions beside those that are known`
      return this.#refuse(declaration, refusal("invalid-job", details), out)
    }
    if (!this.#takeBytes(room)) return this.#refuse(declaration, TOO_MANY_BYTES, out)
    declaration.bytes += room
    declaration.room = room
    this.#wait(declaration, "transactions", now + this.#context.times.transactionsMs)
    out.replies.push(JobDeclaration.ProvideMissingTransactions.make({ requestId, unknownTxPositionList: [...missing] }))
    out.events.push({ _tag: "TransactionsRequested", missing: missing.length, transactions: count })
  }

  #provide(message: JobDeclaration.ProvideMissingTransactionsSuccess, out: SessionOutbox): void {
    const declaration = this.#declarations.get(message.requestId)
    if (declaration?.stage !== "transactions") {
      out.faults++
      out.events.push({
        _tag: "MessageIgnored",
        reason: `transactions for request_id ${message.requestId}, which nobody has asked for, or not any more`
      })
      return
    }
    const { transactionList } = message
    const { missing, room } = declaration
    const sent = transactionList.reduce((sum, { length }) => sum + length, 0)
    if (transactionList.length !== missing.length) {
      const details = `expected ${missing.length} transactions, those at the positions that were asked for; got ${transactionList.length}`
      return this.#refuse(declaration, refusal("missing-txs", details), out)
    }
    if (sent > room) {
      const details = `the block has room for ${room} bytes of missing transactions; got ${sent}`
      return this.#refuse(declaration, refusal("invalid-job", details), out)
    }
    this.#giveBytes(declaration, room - sent)
    declaration.answer = message
    this.#enqueue(declaration, "read")
  }

  #readAnswer(declaration: Declaration, out: SessionOutbox): void {
    const wrong = readSome(declaration, this.#context.store)
    if (wrong !== undefined) return this.#refuse(declaration, wrong, out)
    if (declaration.come < declaration.missing.length) return
    declaration.answer = undefined
    declaration.stage = "path"
  }

  #accept(declaration: Declaration, now: number, out: SessionOutbox): void {
    const { jobs, tokens } = this.#context
    const block = blockOf(declaration)
    const { coinbase, requestId, token } = declaration
    const declared: DeclaredJob = {
      ...coinbase.fields,
      version: declaration.version,
      prevHash: block.tip.prevHash,
      merklePath: block.merklePath
    }
    out.replies.push(
      JobDeclaration.DeclareMiningJobSuccess.make({ requestId, newMiningJobToken: tokens.declare(token, declared) })
    )
    out.events.push({
      _tag: "JobDeclared",
      height: coinbase.height,
      transactions: declaration.count,
      missing: declaration.missing.length,
      ms: now - declaration.begun
    })
    this.#leave(declaration)
    // The job has the declaration's transactions and bytes from here on.
    const job = { serial: serialKey(token.serial), address: this.#address, block, bytes: declaration.bytes }
    jobs.add(job)
    this.#jobs.push(job)
    if (this.#jobs.length > MAX_JOBS) this.#dropJob(this.#jobs[0]!)
  }

  #refuse(declaration: Declaration, why: Refusal, out: SessionOutbox): void {
    this.#leave(declaration)
    this.#free(declaration)
    this.#answerRefusal(declaration.requestId, why, out)
  }

  #answerRefusal(requestId: number, { details, errorCode }: Refusal, out: SessionOutbox): void {
    out.replies.push(
      JobDeclaration.DeclareMiningJobError.make({
        requestId,
        errorCode,
        errorDetails: Buffer.from(details.slice(0, MAX_DETAILS))
      })
    )
    out.events.push({ _tag: "JobRefused", errorCode, details })
    // A new block in the middle of a declaration is nobody's fault.
    if (errorCode !== "stale-chain-tip") out.faults++
  }

  #staleTip({ coinbase }: Declaration): Refusal {
    const tip = this.#context.tip()
    return tip === undefined
      ? refusal("internal-error", "the server's node does not answer")
      : refusal(
          "stale-chain-tip",
          `the coinbase is for height ${coinbase.height}; the next block has height ${tip.height}`
        )
  }

  #solve(message: JobDeclaration.PushSolution, out: SessionOutbox): void {
    const { extranonce, nonce, ntime, prevHash, version } = message
    const ignore = (reason: string): void => {
      out.faults++
      out.events.push({ _tag: "MessageIgnored", reason })
    }
    const solution = { version, extranonce, ntime, nonce }
    for (const job of this.#jobs.toReversed()) {
      if (Buffer.compare(job.block.tip.prevHash, prevHash) !== 0) continue
      const found = this.#context.jobs.solved(job, solution)
      if (found === "no-block") continue
      // The pool may have told of the block first.
      if (found === "repeated") return
      out.blocks.push(found)
      return
    }
    ignore("a solution that makes no block of one of the last declared jobs")
  }

  /** Takes it out of the declarations. Its transactions and bytes stay taken. */
  #leave(declaration: Declaration): void {
    if (!this.#declarations.delete(declaration.requestId)) return
    this.#context.limits.declarations.add(this.#address, -1)
    const at = this.#ready.indexOf(declaration)
    if (at >= 0) this.#ready.splice(at, 1)
  }

  /** Lets the transactions and the bytes of a declaration go. */
  #free(declaration: Declaration): void {
    release(declaration, this.#context.store)
    this.#giveBytes(declaration, declaration.bytes)
  }

  #takeBytes(bytes: number): boolean {
    const { limits, maxOfConnection } = this.#context
    // Its own older jobs give way.
    while (this.#bytes + bytes > maxOfConnection.bytes || !limits.bytes.hasRoom(this.#address, bytes)) {
      const oldest = this.#jobs[0]
      if (oldest === undefined) return false
      this.#dropJob(oldest)
    }
    limits.bytes.add(this.#address, bytes)
    this.#bytes += bytes
    return true
  }

  #giveBytes(declaration: Declaration, bytes: number): void {
    declaration.bytes -= bytes
    this.#bytes -= bytes
    this.#context.limits.bytes.add(this.#address, -bytes)
  }

  #dropJob(job: AcceptedJob): void {
    this.#jobs.splice(this.#jobs.indexOf(job), 1)
    this.#bytes -= job.bytes
    this.#context.jobs.drop(job)
  }

  #isOpen(declaration: Declaration): boolean {
    return this.#declarations.get(declaration.requestId) === declaration
  }
}

const blockOf = ({ coinbase, merklePath, slots, tip, version }: Declaration): DeclaredBlock => ({
  coinbase,
  slots,
  tip: tip!,
  version,
  merklePath
})

const isSameTip = (a: ChainTip, b: ChainTip): boolean =>
  a.bits === b.bits && Buffer.compare(a.prevHash, b.prevHash) === 0

const TOO_MANY_DECLARATIONS = refusal(
  "internal-error",
  "as many declarations of this connection or address are being checked as may be (maxDeclarations)"
)
const TOO_MANY_BYTES = refusal("internal-error", "the server keeps no more bytes of declared jobs (maxBytes)")
/** Jobs of a connection for which a solution may come. The specification promises one (section 6.4.9). */
const MAX_JOBS = 8
const MAX_DETAILS = 1_000
/** The longest DeclareMiningJob of a block: its list, its coinbase twice as long as any, and the rest. */
const MAX_DECLARATION_SIZE = 32 * MAX_BLOCK_TRANSACTIONS + 3 * 65_537 + 512
/** The request id and the count of ProvideMissingTransactions.Success. */
const ANSWER_HEAD = 6
