/** A Bitcoin node over HTTP whose wallet and chain are those of a `MemoryWallet`. */
import { serializeBlock } from "@sluice/bitcoin"
import { Effect } from "effect"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Wallet } from "../src/index.ts"
import { MemoryWallet } from "./memory-wallet.ts"

/** Answers the JSON-RPC calls of payments as Bitcoin Core does, with a wallet in memory. `before` and `after` see the number of each call. */
export class FakeNode {
  readonly #server: Server
  calls: Array<string> = []
  before: (call: number) => void = () => {}
  after: (call: number) => void = () => {}

  private constructor(wallet: MemoryWallet) {
    this.#server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk) => (body += chunk))
      request.on("end", () => {
        const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: ReadonlyArray<never> }
        const call = this.calls.push(method)
        this.before(call)
        Effect.runPromise(
          Effect.result(Effect.provide(answer(wallet, method, params), wallet.layer)) as Effect.Effect<
            { _tag: "Success"; success: unknown } | { _tag: "Failure"; failure: { message: string } }
          >
        ).then((outcome) => {
          this.after(call)
          const [result, error] =
            outcome._tag === "Success"
              ? [outcome.success, null]
              : [null, { code: -25, message: outcome.failure.message }]
          response.setHeader("content-type", "application/json").end(JSON.stringify({ id, result, error }))
        })
      })
    })
  }

  static async start(wallet: MemoryWallet): Promise<FakeNode> {
    const node = new FakeNode(wallet)
    await new Promise<void>((resolve) => node.#server.listen(0, "127.0.0.1", resolve))
    return node
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const satoshis = (coins: string): bigint => BigInt(coins.replace(".", ""))

const answer = (wallet: MemoryWallet, method: string, params: ReadonlyArray<never>) =>
  Effect.gen(function* () {
    const { fund, height, send } = yield* Wallet
    switch (method) {
      case "getblockchaininfo":
        return {
          chain: "regtest",
          blocks: yield* height,
          headers: yield* height,
          bestblockhash: "",
          difficulty: 1,
          mediantime: 0
        }
      case "getblockcount":
        return yield* height
      case "gettxout": {
        const confirmations = wallet.confirmationsOf(params[0]!, params[1]!)
        return confirmations === undefined ? null : { confirmations }
      }
      case "walletcreatefundedpsbt": {
        const outputs = (params[1]! as ReadonlyArray<Record<string, string>>).flatMap((output) =>
          Object.entries(output).map(([address, coins]) => ({ address, amount: satoshis(coins) }))
        )
        return { psbt: yield* fund(outputs, { _tag: "rate", satoshis: 1 }, []) }
      }
      case "walletprocesspsbt":
        return { psbt: params[0], complete: true }
      case "finalizepsbt":
        return { complete: true, hex: Buffer.from(MemoryWallet.sign(params[0]!)).toString("hex") }
      case "scantxoutset":
        return { height: yield* height, unspents: wallet.unspents((params[1] as unknown as [string])[0]) }
      case "getblockhash":
        return Number(params[0]!).toString(16).padStart(64, "0")
      case "getblock": {
        const transactions = wallet.blockAt(Number.parseInt(params[0]!, 16))
        return Buffer.from(
          serializeBlock(
            new Uint8Array(80),
            transactions.map(({ bytes }) => bytes)
          )
        ).toString("hex")
      }
      case "sendrawtransaction":
        yield* send(Buffer.from(params[0]! as string, "hex"))
        return "sent"
      default:
        throw new Error(`unexpected call ${method}`)
    }
  })
