/** A Bitcoin node over HTTP whose wallet and chain are those of a `MemoryWallet`. Its refusals are those of Bitcoin Core 30. */
import { scriptForAddress, serializeBlock } from "@sluice/bitcoin"
import { Effect, Result } from "effect"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Wallet } from "../src/index.ts"
import { MemoryWallet } from "./memory-wallet.ts"

/** Answers the JSON-RPC calls of payments as Bitcoin Core does, with a wallet in memory. `before` and `after` see the number of each call. */
export class FakeNode {
  readonly #server: Server
  calls: Array<string> = []
  /** The wallets that are loaded; undefined for a node that was built without wallets. */
  wallets: ReadonlyArray<string> | undefined = ["pool"]
  /** The wallet is encrypted, and unlocked until then; 0 is locked. */
  unlockedUntil: number | undefined
  knowsFees = true
  /** The types of addresses that the wallet makes. */
  addressTypes: ReadonlyArray<string> = ["legacy", "p2sh-segwit", "bech32", "bech32m"]
  /** The type of the change in each transaction that was asked for. */
  readonly changeTypes: Array<string> = []
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
        const path = /^\/wallet\/(.*)$/.exec(request.url!)?.[1]
        if (path !== undefined && this.wallets === undefined) return void response.writeHead(404).end()
        const answered = Effect.suspend(() => {
          const refused = this.#refuse(method, params, path)
          return refused === undefined ? answer(this, wallet, method, params) : Effect.fail(refused)
        })
        Effect.runPromise(Effect.result(Effect.provide(answered, wallet.layer))).then((outcome) => {
          this.after(call)
          const [result, error] = Result.isSuccess(outcome)
            ? [outcome.success, null]
            : [null, { code: codeOf(outcome.failure), message: outcome.failure.message }]
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

  /** What Bitcoin Core answers to a call that it does not carry out. */
  #refuse(method: string, params: ReadonlyArray<never>, path: string | undefined): Refusal | undefined {
    if (path !== undefined && !this.wallets!.includes(decodeURIComponent(path))) {
      return new Refusal(-18, "Requested wallet does not exist or is not loaded")
    }
    if (method === "walletprocesspsbt" && this.unlockedUntil === 0) {
      return new Refusal(-13, "Error: Please enter the wallet passphrase with walletpassphrase first.")
    }
    if (method !== "walletcreatefundedpsbt") return undefined
    const scripts = new Set<string>()
    for (const { address } of outputsOf(params)) {
      const script = scriptOf(address)
      if (script === undefined) return new Refusal(-5, `Invalid Bitcoin address: ${address}`)
      if (scripts.has(script)) return new Refusal(-8, `Invalid parameter, duplicated address: ${address}`)
      scripts.add(script)
    }
    const options = params[3]! as { fee_rate?: number; change_type?: string }
    if (options.fee_rate !== undefined && !/^\d+(\.\d{1,3})?$/.test(String(options.fee_rate))) {
      return new Refusal(-3, "Invalid amount")
    }
    if (options.fee_rate === undefined && !this.knowsFees) {
      return new Refusal(
        -4,
        "Fee estimation failed. Fallbackfee is disabled. Wait a few blocks or enable -fallbackfee."
      )
    }
    // Without a type the change goes to an address like those of the users.
    const type = options.change_type ?? "unknown"
    this.changeTypes.push(type)
    if (this.addressTypes.includes(type)) return undefined
    return new Refusal(
      -4,
      `Transaction needs a change address, but we can't generate it. Error: No ${type} addresses available.`
    )
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

class Refusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const codeOf = (error: unknown): number => (error instanceof Refusal ? error.code : -25)

const scriptOf = (address: string): string | undefined => {
  try {
    return Buffer.from(scriptForAddress(address, "regtest")).toString("hex")
  } catch {
    return undefined
  }
}

const outputsOf = (params: ReadonlyArray<never>) =>
  (params[1]! as ReadonlyArray<Record<string, string>>).flatMap((output) =>
    Object.entries(output).map(([address, coins]) => ({ address, amount: satoshis(coins) }))
  )

const satoshis = (coins: string): bigint => BigInt(coins.replace(".", ""))

const answer = (node: FakeNode, wallet: MemoryWallet, method: string, params: ReadonlyArray<never>) =>
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
      case "walletcreatefundedpsbt":
        return {
          psbt: yield* fund(outputsOf(params), { _tag: "rate", satoshis: 1 }, []).pipe(
            Effect.mapError(() => new Refusal(-4, "Insufficient funds"))
          )
        }
      case "listwallets":
        return node.wallets
      case "getwalletinfo":
        return node.unlockedUntil === undefined ? {} : { unlocked_until: node.unlockedUntil }
      case "getbalances":
        return { mine: { trusted: Number(wallet.unspent) / 1e8, untrusted_pending: 0, immature: 50 } }
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
