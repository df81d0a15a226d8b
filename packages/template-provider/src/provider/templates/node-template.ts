/**
 * One answer of the node's `getblocktemplate`, and the templates (specification, section 7.2) made from it. Clients
 * differ only in which of the transactions fit beside their coinbase, so all for whom they are the same get the same
 * template, made and encoded once.
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

/** What the node answered, in the types of the protocol. Throws a `TypeError` for hashes that are none, and for fees above the value. */
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
  /** About what it holds in memory, in bytes: mostly the transactions in hex. */
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

  /** Whether both are for the same place in the chain. On test networks the bits can change without a block. */
  continues(other: NodeTemplate): boolean {
    return other.source.previousblockhash === this.source.previousblockhash && other.source.bits === this.source.bits
  }

  /** A block's work after so many steps of leaving transactions out. */
  work(steps: number): TemplateWork {
    let work = this.#work.get(steps)
    if (work === undefined) {
      work = this.#makeWork(steps)
      this.#work.set(steps, work)
    }
    return work
  }

  /** The node's clock, in seconds: what it was in the answer, moved on since. */
  clock(now: number): number {
    return this.source.curtime + Math.max(0, Math.floor((now - this.receivedAt) / 1000))
  }

  /** Where to start the header's time, in seconds. */
  headerTimestamp(now: number): number {
    return Math.max(this.source.mintime, this.clock(now))
  }

  #makeWork(steps: number): TemplateWork {
    const { source, space } = this
    const transactions = this.#transactions
    const value = this.value - BigInt(space.feesLeftOut(steps))
    const script = Buffer.from(source.default_witness_commitment ?? "", "hex")
    // btcd gives the hash alone here.
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

/** What is the same for every template with the same transactions. */
export class TemplateWork {
  /** What the coinbase may spend, in satoshis. */
  readonly value: bigint
  /** The 32 bytes of the witness commitment. */
  readonly commitment: Uint8Array
  /** The witness commitment output, serialized without a count. */
  readonly outputs: Uint8Array
  readonly merklePath: ReadonlyArray<Uint8Array>
  readonly #transactions: () => ReadonlyArray<TemplateTransaction>

  /** `script` is that of the witness commitment output. */
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

  /** Made when they are asked for: a client seldom does. */
  get transactions(): ReadonlyArray<TemplateTransaction> {
    return this.#transactions()
  }
}

/** A template under its number, and its messages, each made and encoded when it is first sent. */
export class Template {
  readonly id: bigint
  /** For a template whose previous block is still to be found, one without previous hash; replaced when it is there. */
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

  /** NewTemplate for a SetNewPrevHash to come. */
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
/** Not final, so that the lock time counts: the height before, which makes coinbases of two heights differ (BIP54). */
const COINBASE_SEQUENCE = 0xfffffffe
/** Bytes of the script that Bitcoin Core gives. */
const COMMITMENT_SIZE = 38
/** The commitment's place in its script, behind OP_RETURN, the push and the header. */
const COMMITMENT_AT = 6
/** Ids and numbers of a transaction in a template, as objects in memory. */
const BYTES_BESIDE_DATA = 400
