/** A wallet in memory with a chain of its own, which can end the program that calls it before or after any call has had its effect. */
import { hashToDisplay, type Output, parseTransaction, type Transaction } from "@sluice/bitcoin"
import { minerScript } from "@sluice/mining-server"
import { p2wpkh, TEST_NETWORK, Transaction as Psbt } from "@scure/btc-signer"
import { pubECDSA } from "@scure/btc-signer/utils.js"
import { Effect, Layer } from "effect"
import { LedgerError, Wallet, type Whereabouts } from "../src/index.ts"

const KEY = new Uint8Array(32).fill(7)
const own = p2wpkh(pubECDSA(KEY), { ...TEST_NETWORK, bech32: "bcrt" })
/** What each transaction pays to miners. */
const FEE = 1_000n

interface Coin {
  readonly txid: string
  readonly index: number
  readonly amount: bigint
}

/** Ends the program at the call with this number, which begins at 1. */
export interface Kill {
  readonly at: number
  readonly when: "before" | "after"
}

export class MemoryWallet {
  readonly #coins: Array<Coin>
  readonly #mempool: Array<Transaction> = []
  readonly #blocks: Array<ReadonlyArray<Transaction>> = []
  calls = 0
  kill: Kill | undefined
  /** Whether the wallet has the keys. */
  hasKeys = true

  constructor(coins: ReadonlyArray<bigint>) {
    this.#coins = coins.map((amount, index) => ({ txid: "ab".repeat(32), index, amount }))
  }

  /** The signed transaction of a PSBT in base64. */
  static sign(psbt: string): Uint8Array {
    const opened = Psbt.fromPSBT(Buffer.from(psbt, "base64"))
    opened.sign(KEY)
    opened.finalize()
    return opened.extract()
  }

  get mempoolSize(): number {
    return this.#mempool.length
  }

  mine(blocks: number): void {
    for (let block = 0; block < blocks; block++) this.#blocks.push(this.#mempool.splice(0))
  }

  /** Puts a transaction of these outputs, which spends the first coin of a waiting one, into the next block. */
  replace(psbt: string, outputs: ReadonlyArray<Output>): void {
    const opened = Psbt.fromPSBT(Buffer.from(psbt, "base64"))
    const other = new Psbt()
    other.addInput({ ...opened.getInput(0) })
    for (const { script, value } of outputs) other.addOutput({ script, amount: value })
    this.#mempool.splice(
      0,
      this.#mempool.length,
      parseTransaction(MemoryWallet.sign(Buffer.from(other.toPSBT()).toString("base64")))
    )
  }

  /** The confirmations of an unspent output; undefined for others. */
  confirmationsOf(txid: string, index: number): number | undefined {
    if (this.#isSpent(txid, index)) return undefined
    if (this.#coins.some((coin) => coin.txid === txid && coin.index === index)) return 100
    const known = this.#known(txid)
    return known === "mempool" ? 0 : known === undefined ? undefined : this.#blocks.length - known
  }

  /** The address of the coins. */
  static readonly address = own.address!

  /** The unspent coins as `scantxoutset` shows them for a descriptor; the first one is too young. */
  unspents(descriptor: string): ReadonlyArray<unknown> {
    if (descriptor !== `addr(${MemoryWallet.address})`) return []
    const height = this.#blocks.length
    return this.#coins
      .map(({ amount, index, txid }) => ({
        txid,
        vout: index,
        scriptPubKey: Buffer.from(own.script).toString("hex"),
        amount: Number(amount) / 1e8,
        height: index === 0 ? height - 98 : height - 99,
        coinbase: true
      }))
      .filter(({ txid, vout }) => !this.#isSpent(txid, vout))
  }

  /** The satoshis of the unspent coins. */
  get unspent(): bigint {
    return this.#coins
      .filter(({ index, txid }) => !this.#isSpent(txid, index))
      .reduce((sum, { amount }) => sum + amount, 0n)
  }

  /** The transactions of a block, whose height begins at 1. */
  blockAt(height: number): ReadonlyArray<Transaction> {
    return this.#blocks[height - 1]!
  }

  /** What an address has got in blocks. */
  received(address: string): bigint {
    const script = Buffer.from(minerScript(address)!)
    return this.#blocks
      .flat()
      .flatMap(({ outputs }) => outputs)
      .reduce((sum, output) => sum + (script.equals(output.script) ? output.value : 0n), 0n)
  }

  #call<A>(run: () => A): Effect.Effect<A, LedgerError> {
    return Effect.suspend(() => {
      const isLast = ++this.calls === this.kill?.at
      if (isLast && this.kill?.when === "before") return Effect.die("killed")
      try {
        const value = run()
        return isLast ? Effect.die("killed") : Effect.succeed(value)
      } catch (error) {
        return Effect.fail(error as LedgerError)
      }
    })
  }

  readonly layer = Layer.succeed(
    Wallet,
    Wallet.of({
      height: this.#call(() => this.#blocks.length),
      fund: (outputs, _fee, held) =>
        this.#call(() => {
          const psbt = new Psbt()
          const due = outputs.reduce((sum, { amount }) => sum + amount, FEE)
          let there = 0n
          for (const { amount, index, txid } of this.#coins) {
            if (there >= due) break
            if (this.#isSpent(txid, index) || held.some((coin) => coin.txid === txid && coin.index === index)) continue
            psbt.addInput({ txid, index, witnessUtxo: { script: own.script, amount } })
            there += amount
          }
          if (there < due) throw new LedgerError({ message: "the wallet has too little" })
          for (const { address, amount } of outputs) psbt.addOutput({ script: minerScript(address)!, amount })
          psbt.addOutput({ script: own.script, amount: there - due })
          return Buffer.from(psbt.toPSBT()).toString("base64")
        }),
      sign: (psbt) => this.#call(() => (this.hasKeys ? MemoryWallet.sign(psbt) : undefined)),
      send: (bytes) =>
        this.#call(() => {
          const transaction = parseTransaction(bytes)
          if (this.#known(hashToDisplay(transaction.txid)) !== undefined) return
          for (const { previousIndex, previousTxid } of transaction.inputs) {
            if (this.#isSpent(hashToDisplay(previousTxid), previousIndex)) {
              throw new LedgerError({ message: "a coin is spent" })
            }
          }
          this.#mempool.push(transaction)
        }),
      find: ({ inputs, txid }) =>
        this.#call((): Whereabouts => {
          const known = this.#known(txid)
          if (known === "mempool") return { _tag: "mempool" }
          if (known !== undefined) return { _tag: "chain", confirmations: this.#blocks.length - known }
          for (const [height, transactions] of this.#blocks.entries()) {
            for (const { inputs: spent, outputs, txid } of transactions) {
              const isOther = spent.some(({ previousIndex, previousTxid }) =>
                inputs.some((input) => input.txid === hashToDisplay(previousTxid) && input.index === previousIndex)
              )
              const confirmations = this.#blocks.length - height
              if (isOther) return { _tag: "replaced", by: hashToDisplay(txid), outputs, confirmations }
            }
          }
          return { _tag: "absent" }
        })
    })
  )

  /** The height of the block that has a transaction, or "mempool". */
  #known(txid: string): number | "mempool" | undefined {
    const isIt = (transaction: Transaction) => hashToDisplay(transaction.txid) === txid
    if (this.#mempool.some(isIt)) return "mempool"
    const height = this.#blocks.findIndex((transactions) => transactions.some(isIt))
    return height < 0 ? undefined : height
  }

  #isSpent(txid: string, index: number): boolean {
    return [...this.#mempool, ...this.#blocks.flat()].some(({ inputs }) =>
      inputs.some((input) => hashToDisplay(input.previousTxid) === txid && input.previousIndex === index)
    )
  }
}
