/**
 * One answer of the node's `getblocktemplate`, and the templates (specification, section 7.2) made from it. Clients differ
 * only in which transactions fit beside their coinbase. Clients with the same transactions share one template, which is made
 * and encoded once.
 */
import {
  coinbaseMerklePathFromDisplay,
  coinbasePrefix,
  hashFromDisplay,
  isWitnessCommitment,
  serializeOutputs,
  witnessCommitmentFromDisplay,
  witnessCommitmentOutput
} from "@sluice/bitcoin"
import { type BlockTemplate, type TemplateTransaction, type TemplateTransactions, transactionsOf } from "@sluice/node"
import { TemplateDistribution } from "@sluice/protocol"
import { MAX_BLOCK_WEIGHT } from "../../coinbase-constraints.ts"
import { BlockSpace } from "./block-space.ts"

/** The node's answer, in the types of the protocol. Throws a `TypeError` for a malformed hash, and for fees above the coinbase value. */
export class NodeTemplate {
  readonly source: BlockTemplate
  readonly height: number
  /** Internal order. */
  readonly prevHash: Uint8Array
  readonly nbits: number
  /** 32 bytes, little-endian. */
  readonly target: Uint8Array
  readonly space: BlockSpace
  /** Milliseconds, when the answer came. */
  readonly receivedAt: number
  /** About how many bytes of memory it holds: mostly the transactions in hex. */
  readonly size: number
  readonly #transactions: TemplateTransactions
  readonly #work = new Map<number, TemplateWork>()

  constructor(source: BlockTemplate, receivedAt: number) {
    this.source = source
    this.height = source.height
    this.prevHash = hashFromDisplay(source.previousblockhash)
    this.nbits = Number.parseInt(source.bits, 16)
    this.target = hashFromDisplay(source.target)
    this.#transactions = transactionsOf(source)
    const { costs, digits } = this.#transactions
    this.space = new BlockSpace(costs, {
      weight: source.weightlimit ?? MAX_BLOCK_WEIGHT,
      sigops: source.sigoplimit
    })
    if (this.space.fees > source.coinbasevalue) {
      throw new TypeError(
        `the coinbase value holds subsidy and fees; got ${source.coinbasevalue} satoshis, and fees of ${this.space.fees}`
      )
    }
    this.receivedAt = receivedAt
    this.size = digits + costs.length * BYTES_BESIDE_DATA
  }

  get transactionCount(): number {
    return this.#transactions.costs.length
  }

  /** The fees of all transactions, in satoshis. */
  get fees(): number {
    return this.space.fees
  }

  /** Subsidy and all fees, in satoshis. */
  get value(): bigint {
    return BigInt(this.source.coinbasevalue)
  }

  /** Whether both are for the same place in the chain. On test networks the bits can change without a new block. */
  continues(other: NodeTemplate): boolean {
    return other.source.previousblockhash === this.source.previousblockhash && other.source.bits === this.source.bits
  }

  /** The work of a block after this many steps of leaving transactions out (`BlockSpace`). */
  work(steps: number): TemplateWork {
    let work = this.#work.get(steps)
    if (work === undefined) {
      work = this.#makeWork(steps)
      this.#work.set(steps, work)
    }
    return work
  }

  /** The node's clock, in seconds: its time in the answer, and what has passed since. */
  clock(now: number): number {
    return this.source.curtime + Math.max(0, Math.floor((now - this.receivedAt) / 1000))
  }

  /** The first time to put into a header, in seconds. */
  headerTimestamp(now: number): number {
    return Math.max(this.source.mintime, this.clock(now))
  }

  #makeWork(steps: number): TemplateWork {
    const { source, space } = this
    const transactions = this.#transactions
    const value = this.value - BigInt(space.feesLeftOut(steps))
    const script = Buffer.from(source.default_witness_commitment ?? "", "hex")
    // btcd gives only the hash here.
    if (steps === 0 && script.length === COMMITMENT_SIZE && isWitnessCommitment(script)) {
      return new TemplateWork(value, new Uint8Array(script), transactions.merklePath(), () => transactions.all())
    }
    const staying = () => space.after(steps, transactions.all())
    const made = witnessCommitmentOutput(witnessCommitmentFromDisplay(staying().map(({ hash }) => hash)))
    return new TemplateWork(
      value,
      made.script,
      coinbaseMerklePathFromDisplay(staying().map(({ txid }) => txid)),
      staying
    )
  }
}

/** The parts that all templates with the same transactions share. */
export class TemplateWork {
  /** The amount that the coinbase may spend, in satoshis. */
  readonly value: bigint
  /** The 32 bytes of the witness commitment. */
  readonly commitment: Uint8Array
  /** The witness commitment output, serialized without a count. */
  readonly outputs: Uint8Array
  readonly merklePath: ReadonlyArray<Uint8Array>
  readonly #transactions: () => ReadonlyArray<TemplateTransaction>

  /** `script` is the script of the witness commitment output. */
  constructor(
    value: bigint,
    script: Uint8Array,
    merklePath: ReadonlyArray<Uint8Array>,
    transactions: () => ReadonlyArray<TemplateTransaction>
  ) {
    this.value = value
    this.commitment = script.slice(COMMITMENT_AT, COMMITMENT_AT + 32)
    this.outputs = serializeOutputs([{ value: 0n, script }])
    this.merklePath = merklePath
    this.#transactions = transactions
  }

  /** Made on demand: clients seldom ask for them. */
  get transactions(): ReadonlyArray<TemplateTransaction> {
    return this.#transactions()
  }
}

/** A template with its number, and its messages, each encoded when it is first sent. */
export class Template {
  readonly id: bigint
  /** Has no previous hash while the previous block is still to be found, and is replaced when that block comes. */
  node: NodeTemplate
  readonly work: TemplateWork
  #future: TemplateDistribution.NewTemplate | undefined
  #active: TemplateDistribution.NewTemplate | undefined
  #prevHash: TemplateDistribution.SetNewPrevHash | undefined

  constructor(id: bigint, node: NodeTemplate, work: TemplateWork) {
    this.id = id
    this.node = node
    this.work = work
  }

  /** NewTemplate that waits for a SetNewPrevHash. */
  get future(): TemplateDistribution.NewTemplate {
    return (this.#future ??= this.#newTemplate(true))
  }

  /** NewTemplate to work on at once. */
  get active(): TemplateDistribution.NewTemplate {
    return (this.#active ??= this.#newTemplate(false))
  }

  /** SetNewPrevHash that names this template. */
  prevHash(now: number): TemplateDistribution.SetNewPrevHash {
    const headerTimestamp = this.node.headerTimestamp(now)
    if (this.#prevHash?.headerTimestamp !== headerTimestamp) {
      const { nbits, prevHash, target } = this.node
      this.#prevHash = encoded(
        TemplateDistribution.SetNewPrevHash.make({ templateId: this.id, prevHash, headerTimestamp, nbits, target })
      )
    }
    return this.#prevHash
  }

  #newTemplate(futureTemplate: boolean): TemplateDistribution.NewTemplate {
    const { height, source } = this.node
    return encoded(
      TemplateDistribution.NewTemplate.make({
        templateId: this.id,
        futureTemplate,
        version: source.version >>> 0,
        coinbaseTxVersion: COINBASE_VERSION,
        coinbasePrefix: coinbasePrefix(height),
        coinbaseTxInputSequence: COINBASE_SEQUENCE,
        coinbaseTxValueRemaining: this.work.value,
        coinbaseTxOutputsCount: 1,
        coinbaseTxOutputs: this.work.outputs,
        coinbaseTxLocktime: Math.max(0, height - 1),
        merklePath: this.work.merklePath
      })
    )
  }
}

/** Encodes the message already, for all who are sent it: what can fail fails here. */
const encoded = <M extends TemplateDistribution.ToClient>(message: M): M => {
  TemplateDistribution.protocol.toClient.encode(message)
  return message
}

const COINBASE_VERSION = 2
/** Not final, so that the lock time counts. That is the height before, so coinbases of two heights differ (BIP54). */
const COINBASE_SEQUENCE = 0xfffffffe
/** Bytes of the commitment script that Bitcoin Core gives. */
const COMMITMENT_SIZE = 38
/** Where the commitment begins in its script: behind OP_RETURN, the push and the header. */
const COMMITMENT_AT = 6
/** Bytes of memory for a transaction's ids and numbers. */
const BYTES_BESIDE_DATA = 400
