/**
 * The kit's side of the connections of a template client (7): makes templates that are easy to solve, and judges solutions by
 * them. Pure but for random bytes.
 */
import {
  BlockDecodeError,
  coinbasePrefix,
  merkleRootFromPath,
  type Output,
  parseTransaction,
  serializeOutputs,
  type Transaction,
  witnessCommitmentOutput
} from "@sluice/bitcoin"
import { ShareCheck, Target, Version } from "@sluice/core"
import { TemplateDistribution } from "@sluice/protocol"
import type { ToServer } from "../conduct.ts"
import type { Breach, Ledger } from "../ledger.ts"

interface Given {
  readonly template: TemplateDistribution.NewTemplate
  readonly outputs: ReadonlyArray<Output>
  state: "future" | "active" | "stale" | "dropped"
  prevHash: TemplateDistribution.SetNewPrevHash | undefined
  /** The number of the previous hash, from 1 on. */
  prevHashNumber: number
  sentAt: number
}

export class TemplateBooks {
  /** The client's latest CoinbaseOutputConstraints, if any. */
  constraints: TemplateDistribution.CoinbaseOutputConstraints | undefined = undefined
  /** How many of the next requests for transactions to answer with an error. */
  refuseNext = 0
  private readonly ledger: Ledger
  private readonly random: (size: number) => Uint8Array
  private readonly given = new Map<bigint, Given>()
  private prevHash: TemplateDistribution.SetNewPrevHash | undefined = undefined
  private prevHashNumber = 0
  private sentAt = 0
  /** The number of the latest previous hash that the client has submitted a solution for. */
  private shown = 0
  private lastId = 0n

  constructor(ledger: Ledger, random: (size: number) => Uint8Array) {
    this.ledger = ledger
    this.random = random
  }

  /** Begins another connection: the client sends its constraints again, and may not have read the last messages. */
  begin(): void {
    this.constraints = undefined
    this.shown = 0
  }

  /** Judges a message and gives the answers to it. */
  receive(message: ToServer, now: number): ReadonlyArray<Uint8Array> {
    switch (message._tag) {
      case "CoinbaseOutputConstraints": {
        const isFirst = this.constraints === undefined
        this.constraints = message
        if (!isFirst) return [this.template().frame]
        const { frame, templateId } = this.template({ future: true })
        return [frame, this.newPrevHash(templateId, now)]
      }
      case "RequestTransactionData":
        return [this.answerRequest(message)]
      case "SubmitSolution":
        this.judge(message, now)
        return []
      default:
        return []
    }
  }

  /** Makes a template with a random merkle path, as if it had transactions. */
  template({ future = false } = {}): { readonly templateId: bigint; readonly frame: Uint8Array } {
    const templateId = ++this.lastId
    // A random commitment, so that the check finds a client that drops it or computes its own.
    const outputs = [witnessCommitmentOutput(this.random(32))]
    const height = coinbasePrefix(840_000 + this.prevHashNumber + (future ? 1 : 0))
    const template = TemplateDistribution.NewTemplate.make({
      templateId,
      futureTemplate: future,
      version: VERSION,
      coinbaseTxVersion: 2,
      coinbasePrefix: height,
      coinbaseTxInputSequence: 0xfffffffe,
      coinbaseTxValueRemaining: 312_500_000n + templateId,
      coinbaseTxOutputsCount: outputs.length,
      coinbaseTxOutputs: serializeOutputs(outputs),
      coinbaseTxLocktime: 839_999,
      merklePath: [this.random(32), this.random(32)]
    })
    this.given.set(templateId, {
      template,
      outputs,
      state: future ? "future" : "active",
      prevHash: future ? undefined : this.prevHash,
      prevHashNumber: future ? 0 : this.prevHashNumber,
      sentAt: this.sentAt
    })
    for (const [id, { state }] of this.given) {
      if (this.given.size <= MAX_TEMPLATES) break
      if (state === "stale" || state === "dropped") this.given.delete(id)
    }
    return { templateId, frame: TemplateDistribution.NewTemplate.codec.encode(template) }
  }

  /** Makes a SetNewPrevHash for a new block, which names a future template. */
  newPrevHash(templateId: bigint, now: number): Uint8Array {
    const target = new Uint8Array(32)
    Target.nBitsToTarget(EASIEST, target, 0)
    const message = TemplateDistribution.SetNewPrevHash.make({
      templateId,
      prevHash: this.random(32),
      headerTimestamp: Math.floor(now / 1000),
      nbits: EASIEST,
      target
    })
    this.prevHash = message
    this.prevHashNumber++
    this.sentAt = now
    for (const given of this.given.values()) {
      if (given.template.templateId === templateId) {
        Object.assign(given, { state: "active", prevHash: message, prevHashNumber: this.prevHashNumber, sentAt: now })
      } else if (given.state === "active") given.state = "stale"
      else if (given.state === "future") given.state = "dropped"
    }
    return TemplateDistribution.SetNewPrevHash.codec.encode(message)
  }

  private answerRequest({ templateId }: TemplateDistribution.RequestTransactionData): Uint8Array {
    const isKnown = this.given.has(templateId)
    this.ledger.note("client-transactions.known", isKnown, "requests for templates that were sent", `${templateId}`)
    const { RequestTransactionDataError, RequestTransactionDataSuccess } = TemplateDistribution
    if (isKnown && this.refuseNext === 0) {
      const success = { templateId, excessData: new Uint8Array(0), transactionList: [] }
      return RequestTransactionDataSuccess.codec.encode(RequestTransactionDataSuccess.make(success))
    }
    this.refuseNext = Math.max(0, this.refuseNext - 1)
    const errorCode = isKnown ? "stale-template-id" : "template-id-not-found"
    return RequestTransactionDataError.codec.encode(RequestTransactionDataError.make({ templateId, errorCode }))
  }

  private judge(solution: TemplateDistribution.SubmitSolution, now: number): void {
    const { ledger } = this
    const { coinbaseTx, headerNonce, headerTimestamp, templateId, version } = solution
    const given = this.given.get(templateId)
    ledger.note("client-solutions.template", given !== undefined, "a template that was sent", `${templateId}`)
    if (given === undefined) return
    const { outputs, prevHash, prevHashNumber, state, template } = given
    const workable = state === "active" || state === "stale"
    const named = "no solution of a template that no SetNewPrevHash has named"
    ledger.note("client-templates.named", workable, named, `a solution of template ${templateId}`)
    if (!workable || prevHash === undefined) return
    const knowsBetter = state === "stale" && this.shown > prevHashNumber
    const stale = "no solutions of earlier templates after the first solution on a new previous hash"
    ledger.note("client-templates.stale", !knowsBetter, stale, `a solution of template ${templateId}`)
    this.shown = Math.max(this.shown, prevHashNumber)

    const rolled = Version.isVersionRolledWithin(template.version | 0, version | 0, Version.VERSION_MASK)
    const versions = `0x${template.version.toString(16)} in all bits but those of BIP323`
    ledger.note("client-solutions.version", rolled, versions, `0x${version.toString(16)}`)
    const first = prevHash.headerTimestamp
    const latest = first + Math.ceil((now - given.sentAt) / 1000) + TIME_TOLERANCE
    const inTime = headerTimestamp >= first && headerTimestamp <= latest
    ledger.note("client-solutions.time", inTime, `a time from ${first} to ${latest}`, `${headerTimestamp}`)

    const coinbase = readCoinbase(coinbaseTx)
    ledger.note("client-solutions.coinbase", coinbase !== undefined, "a readable coinbase transaction", "other bytes")
    if (coinbase === undefined) return
    this.judgeCoinbase(coinbase, template, outputs)

    const root = merkleRootFromPath(coinbase.txid, template.merklePath)
    check.hash(version | 0, prevHash.prevHash, root, headerTimestamp | 0, prevHash.nbits | 0, headerNonce | 0)
    const hash = Buffer.from(check.digest.toReversed()).toString("hex")
    const most = Buffer.from(prevHash.target.toReversed()).toString("hex")
    ledger.note("client-solutions.target", check.meets(prevHash.target, 0), `a hash of at most ${most}`, hash)
  }

  private judgeCoinbase(
    { inputs, lockTime, outputs, version, witnesses }: Transaction,
    template: TemplateDistribution.NewTemplate,
    wanted: ReadonlyArray<Output>
  ): void {
    const { ledger } = this
    const note = (id: string, holds: boolean, expected: string, came: string): Breach | undefined =>
      ledger.note(id, holds, expected, came)
    const [input] = inputs
    const script = input?.script ?? NOTHING
    const begins = Buffer.compare(script.subarray(0, template.coinbasePrefix.length), template.coinbasePrefix) === 0
    note("client-solutions.prefix", begins, `a script that begins ${hex(template.coinbasePrefix)}`, hex(script))
    note("client-solutions.script", script.length <= 100, "a script of at most 100 bytes", `${script.length}`)
    const fields = [version >>> 0, input?.sequence, lockTime].join(", ")
    const { coinbaseTxInputSequence, coinbaseTxLocktime, coinbaseTxVersion } = template
    const given = [coinbaseTxVersion, coinbaseTxInputSequence, coinbaseTxLocktime].join(", ")
    note("client-solutions.fields", fields === given, `version, sequence, locktime ${given}`, fields)
    const last = serializeOutputs(outputs.slice(-wanted.length))
    const same = outputs.length >= wanted.length && Buffer.compare(last, serializeOutputs(wanted)) === 0
    note("client-solutions.outputs", same, "the template's outputs as the last ones", hex(last))
    const own = outputs.slice(0, -wanted.length)
    const value = own.reduce((sum, output) => sum + output.value, 0n)
    const most = template.coinbaseTxValueRemaining
    note("client-solutions.value", value <= most, `at most ${most} satoshis`, `${value}`)
    const size = serializeOutputs(own).length
    const room = this.constraints?.coinbaseOutputMaxAdditionalSize ?? 0
    note(
      "client-solutions.size",
      size <= room,
      `at most ${room} bytes of outputs, as the client's constraints say`,
      `${size}`
    )
    const [witness] = witnesses
    const reserved = witness?.length === 1 && witness[0]?.length === 32
    note("client-solutions.witness", reserved, "a coinbase with a witness of 32 bytes", `${witness?.length ?? 0} items`)
  }
}

const NOTHING = new Uint8Array(0)
const VERSION = 0x20000000
/** The target that half of all hashes meet. */
const EASIEST = 0x207fffff
const MAX_TEMPLATES = 64
/** Seconds by which clocks and rounding may differ. */
const TIME_TOLERANCE = 2
const check = new ShareCheck()

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const readCoinbase = (bytes: Uint8Array): Transaction | undefined => {
  try {
    return parseTransaction(bytes)
  } catch (error) {
    if (!(error instanceof BlockDecodeError)) throw error
    return undefined
  }
}
