/** A declaration that is being checked: DeclareMiningJob (specification, section 6.4.4) and how far its check is. */
import type { JobDeclaration } from "@sluice/protocol"
import type { Token } from "../../token/tokens.ts"
import type { ChainTip } from "../blocks/block-check.ts"
import type { DeclaredCoinbase } from "../blocks/declared-coinbase.ts"

/**
 * `tip`: waits for the node to see the block that it builds on. `locate`: its transactions are to be looked up. `transactions`: waits
 * for the client's. `read`: these are to be parsed. `path`, `commitment`: the trees are to be computed. `verdict`: waits for the
 * node's.
 */
export type Stage = "tip" | "locate" | "transactions" | "read" | "path" | "commitment" | "verdict"

export class Declaration {
  readonly requestId: number
  readonly token: Token
  readonly version: number
  readonly coinbase: DeclaredCoinbase
  /** The declared list, 32 bytes each. */
  readonly wtxids: Uint8Array
  readonly count: number
  /** Slots of the transactions that are there; the others are at the positions in `missing`. */
  readonly slots: Uint32Array
  missing: ReadonlyArray<number> = []
  /** The most bytes that those may have. */
  room = 0
  /** How many of `missing` have come and are held. */
  come = 0
  stage: Stage = "locate"
  tip: ChainTip | undefined
  merklePath: ReadonlyArray<Uint8Array> = []
  /** The client's answer, as long as it is being read. */
  answer: JobDeclaration.ProvideMissingTransactionsSuccess | undefined
  /** When the wait of its stage ends, in milliseconds. */
  deadline = Infinity
  /** How often the node was asked. An answer to an earlier question does not count. */
  asked = 0
  /** Whether its transactions are held. */
  isLocated = false
  /** Its share of the limit on bytes. */
  bytes: number
  readonly begun: number

  constructor(
    message: JobDeclaration.DeclareMiningJob,
    options: {
      readonly token: Token
      readonly coinbase: DeclaredCoinbase
      readonly bytes: number
      readonly now: number
    }
  ) {
    const { wtxidList } = message
    this.requestId = message.requestId
    this.token = options.token
    this.version = message.version
    this.coinbase = options.coinbase
    this.count = wtxidList.length
    this.wtxids = new Uint8Array(32 * wtxidList.length)
    for (let i = 0; i < wtxidList.length; i++) this.wtxids.set(wtxidList[i]!, 32 * i)
    this.slots = new Uint32Array(wtxidList.length)
    this.bytes = options.bytes
    this.begun = options.now
  }
}

/** The bytes that a declaration takes, without those of transactions. */
export const declarationBytes = ({ coinbaseTxPrefix, coinbaseTxSuffix, wtxidList }: JobDeclaration.DeclareMiningJob) =>
  wtxidList.length * 36 + 3 * (coinbaseTxPrefix.length + coinbaseTxSuffix.length) + BYTES_BESIDE

/** The objects of a declaration. */
const BYTES_BESIDE = 2_000
