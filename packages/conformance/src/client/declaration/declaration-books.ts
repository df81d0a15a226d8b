/**
 * The kit's side of the connections of a job declaration client (6): allocates tokens, judges what is declared, and remembers it
 * for the pool beside, which judges the custom jobs. Pure but for random bytes.
 */
import {
  BlockDecodeError,
  compactSize,
  isWitnessCommitment,
  type Output,
  parseJobCoinbase,
  parseTransaction,
  serializeOutputs,
  type Transaction
} from "@sluice/bitcoin"
import { JobDeclaration, type Mining } from "@sluice/protocol"
import { Result } from "effect"
import type { ToServer } from "../conduct.ts"
import type { Ledger } from "../ledger.ts"

/** A job that the kit has accepted, and what it promised. */
interface Declared {
  readonly job: JobDeclaration.DeclareMiningJob
  readonly coinbase: Transaction | undefined
}

export class DeclarationBooks {
  /** How many of the next declared jobs to refuse. */
  refuseNext = 0
  /** How many of the next declared jobs to request all transactions of; the first, for the rules about all messages. */
  requestNext = 1
  /** SetCustomMiningJob messages so far, right or wrong. */
  customJobs = 0
  private readonly ledger: Ledger
  private readonly random: (size: number) => Uint8Array
  /** Tokens that the kit allocated, of all connections. */
  private readonly allocated = new Set<string>()
  /** The jobs that the kit accepted, by their new tokens. */
  private readonly declared = new Map<string, Declared>()
  /** The pool's outputs, as every token has them. */
  private readonly outputs: ReadonlyArray<Output>
  private requestIds = new Set<number>()
  private waiting = new Map<number, JobDeclaration.DeclareMiningJob>()
  private isFullTemplate = false

  constructor(ledger: Ledger, random: (size: number) => Uint8Array) {
    this.ledger = ledger
    this.random = random
    const keyHash = random(20)
    this.outputs = [
      { value: 0n, script: Uint8Array.of(0, 20, ...keyHash) },
      { value: 0n, script: Uint8Array.of(0x6a, 4, ...random(4)) }
    ]
  }

  /** Begins another connection. Tokens and jobs of earlier ones stay good. */
  begin(flags: number): void {
    this.requestIds = new Set()
    this.waiting = new Map()
    this.isFullTemplate = (flags & JobDeclaration.DECLARE_TX_DATA) !== 0
  }

  /** Judges a message and gives the answers to it. */
  receive(message: ToServer): ReadonlyArray<Uint8Array> {
    switch (message._tag) {
      case "AllocateMiningJobToken":
        return this.allocate(message)
      case "DeclareMiningJob":
        return this.judgeJob(message)
      case "ProvideMissingTransactions.Success":
        return this.judgeTransactions(message)
      default:
        return []
    }
  }

  /** Judges a custom job at the pool beside. */
  judgeCustomJob(job: Mining.SetCustomMiningJob): void {
    this.customJobs += 1
    const { ledger } = this
    const token = hex(job.miningJobToken)
    const declared = this.declared.get(token)
    const known = this.isFullTemplate ? declared !== undefined : this.allocated.has(token)
    const expected = this.isFullTemplate ? "the token of a DeclareMiningJob.Success" : "an allocated token"
    ledger.note("client-custom.token", known, expected, token)
    const outputs = outputsOf(job.coinbaseTxOutputs)
    ledger.note(
      "client-custom.outputs",
      outputs !== undefined,
      "outputs behind their count",
      hex(job.coinbaseTxOutputs)
    )
    if (outputs !== undefined) this.judgePayout("client-custom.payout", outputs)
    const coinbase = declared?.coinbase
    if (declared === undefined || coinbase === undefined) return
    const same = hex(job.coinbaseTxOutputs) === hex(withCount(coinbase.outputs))
    ledger.note("client-custom.order", same, "the declared outputs in the declared order", hex(job.coinbaseTxOutputs))
    const fields = [job.version, job.coinbaseTxVersion, job.coinbaseTxInputNSequence, job.coinbaseTxLocktime].join(", ")
    const { inputs, lockTime, version } = coinbase
    const given = [declared.job.version, version >>> 0, inputs[0]!.sequence, lockTime].join(", ")
    ledger.note("client-custom.declared", fields === given, `versions, sequence and locktime ${given}`, fields)
    const script = inputs[0]!.script
    const begins = hex(script).startsWith(hex(job.coinbasePrefix))
    ledger.note(
      "client-custom.prefix",
      begins,
      `a beginning of the declared script ${hex(script)}`,
      hex(job.coinbasePrefix)
    )
  }

  private allocate({ requestId }: JobDeclaration.AllocateMiningJobToken): ReadonlyArray<Uint8Array> {
    this.judgeRequestId(requestId)
    const token = this.random(TOKEN_SIZE)
    remember(this.allocated, hex(token))
    const { AllocateMiningJobTokenSuccess } = JobDeclaration
    const success = { requestId, miningJobToken: token, coinbaseTxOutputs: withCount(this.outputs) }
    return [AllocateMiningJobTokenSuccess.codec.encode(AllocateMiningJobTokenSuccess.make(success))]
  }

  private judgeJob(job: JobDeclaration.DeclareMiningJob): ReadonlyArray<Uint8Array> {
    const { ledger } = this
    const { miningJobToken, requestId, wtxidList } = job
    this.judgeRequestId(requestId)
    ledger.note("client-declare.flag", this.isFullTemplate, "DECLARE_TX_DATA in the setup", "a setup without it")
    const known = this.allocated.has(hex(miningJobToken))
    ledger.note("client-declare.token", known, "a token that was allocated", hex(miningJobToken))
    const coinbase = coinbaseOf(job)
    ledger.note("client-declare.coinbase", coinbase !== undefined, "halves of a coinbase", hex(job.coinbaseTxPrefix))
    if (coinbase !== undefined) {
      const segwit = coinbase.outputs.some(({ script }) => isWitnessCommitment(script))
      const whole = !segwit || coinbase.witnesses.length > 0
      ledger.note("client-declare.witness", whole, "marker, flag and witness beside a commitment", "none")
      this.judgePayout("client-declare.payout", coinbase.outputs)
    }
    if (this.refuseNext > 0) {
      this.refuseNext -= 1
      return [errorFrame(requestId, "conformance-test-refusal")]
    }
    if (this.requestNext === 0 || wtxidList.length === 0) return [this.accept(job)]
    this.requestNext -= 1
    this.waiting.set(requestId, job)
    const { ProvideMissingTransactions } = JobDeclaration
    const unknownTxPositionList = [...wtxidList.keys()]
    return [
      ProvideMissingTransactions.codec.encode(ProvideMissingTransactions.make({ requestId, unknownTxPositionList }))
    ]
  }

  private judgeTransactions(message: JobDeclaration.ProvideMissingTransactionsSuccess): ReadonlyArray<Uint8Array> {
    const { ledger } = this
    const { requestId, transactionList } = message
    const job = this.waiting.get(requestId)
    ledger.note("client-missing.request-id", job !== undefined, "the request_id of the request", `${requestId}`)
    if (job === undefined) return []
    this.waiting.delete(requestId)
    const wtxids = transactionList.map(wtxidOf)
    const wrong = job.wtxidList.findIndex((wtxid, index) => hex(wtxid) !== wtxids[index])
    const whole = wrong < 0 && wtxids.length === job.wtxidList.length
    const expected = `${job.wtxidList.length} transactions in the order of the request`
    const came = wrong < 0 ? `${wtxids.length}` : `another one at position ${wrong}`
    ledger.note("client-missing.transactions", whole, expected, came)
    return [whole ? this.accept(job) : errorFrame(requestId, "missing-txs")]
  }

  private accept(job: JobDeclaration.DeclareMiningJob): Uint8Array {
    const newMiningJobToken = this.random(TOKEN_SIZE)
    for (const oldest of this.declared.keys()) {
      if (this.declared.size < MAX_KEPT) break
      this.declared.delete(oldest)
    }
    this.declared.set(hex(newMiningJobToken), { job, coinbase: coinbaseOf(job) })
    const { DeclareMiningJobSuccess } = JobDeclaration
    return DeclareMiningJobSuccess.codec.encode(
      DeclareMiningJobSuccess.make({ requestId: job.requestId, newMiningJobToken })
    )
  }

  private judgeRequestId(requestId: number): void {
    const unused = !this.requestIds.has(requestId)
    this.ledger.note("client-tokens.request-id", unused, "another request_id for each request", `${requestId} again`)
    if (this.requestIds.size < MAX_KEPT) this.requestIds.add(requestId)
  }

  /** The payout has a value, and the other outputs of the pool are there (6.4.3). */
  private judgePayout(id: string, outputs: ReadonlyArray<Output>): void {
    const missing = this.outputs.filter(({ script }) => !outputs.some((each) => hex(each.script) === hex(script)))
    const paid = outputs.some(({ script, value }) => value > 0n && hex(script) === hex(this.outputs[0]!.script))
    const came = missing.length > 0 ? `none to script ${hex(missing[0]!.script)}` : "the payout without a value"
    this.ledger.note(id, missing.length === 0 && paid, "the pool's outputs, with a value on the first", came)
  }
}

const TOKEN_SIZE = 16
/** The most tokens, jobs and request ids to remember: a client that needs more is not judged by the oldest. */
const MAX_KEPT = 10_000

const remember = (kept: Set<string>, value: string): void => {
  for (const oldest of kept) {
    if (kept.size < MAX_KEPT) break
    kept.delete(oldest)
  }
  kept.add(value)
}

const errorFrame = (requestId: number, errorCode: string): Uint8Array => {
  const { DeclareMiningJobError } = JobDeclaration
  const error = { requestId, errorCode, errorDetails: new Uint8Array(0) }
  return DeclareMiningJobError.codec.encode(DeclareMiningJobError.make(error))
}

/** The coinbase of a declared job: the length of its script says how long the extranonce is. */
const coinbaseOf = ({
  coinbaseTxPrefix: prefix,
  coinbaseTxSuffix: suffix
}: JobDeclaration.DeclareMiningJob): Transaction | undefined => {
  const scriptAt = 4 + (prefix[4] === 0 ? 2 : 0) + 1 + 36
  const extranonceSize = (prefix[scriptAt] ?? 0) - (prefix.length - scriptAt - 1)
  if (extranonceSize < 0 || extranonceSize > 100) return undefined
  return Result.getOrUndefined(parseJobCoinbase({ prefix, extranonceSize, suffix }))
}

const outputsOf = (counted: Uint8Array): ReadonlyArray<Output> | undefined => {
  // As the outputs of a transaction, so that the count is read as Bitcoin writes it.
  const before = [Uint8Array.of(2, 0, 0, 0, 1), new Uint8Array(36), Uint8Array.of(0, 255, 255, 255, 255)]
  return readable(new Uint8Array(Buffer.concat([...before, counted, new Uint8Array(4)])))?.outputs
}

const wtxidOf = (bytes: Uint8Array): string | undefined => {
  const transaction = readable(bytes)
  return transaction === undefined ? undefined : hex(transaction.wtxid)
}

const readable = (bytes: Uint8Array): Transaction | undefined => {
  try {
    return parseTransaction(bytes)
  } catch (error) {
    if (!(error instanceof BlockDecodeError)) throw error
    return undefined
  }
}

const withCount = (outputs: ReadonlyArray<Output>): Uint8Array =>
  new Uint8Array(Buffer.concat([compactSize(outputs.length), serializeOutputs(outputs)]))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
