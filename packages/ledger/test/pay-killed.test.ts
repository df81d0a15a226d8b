/** `sluice ledger pay` is killed by SIGKILL while a node's wallet handles each of its calls, before and after, and run again. */
import { Sluice } from "@sluice/testing/program"
import { Effect, Layer, Redacted } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, it } from "vitest"
import { audit, followPayments, Ledger, NodeWallet, payOut, readWalletPayments, type Wallet } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { MemoryWallet } from "./memory-wallet.ts"

/** Each kill is a process that has to start. */
const KILLS = Number(process.env["SLUICE_PAY_KILLS"] ?? 1)
const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-ledger-killed-"))
  await writeFile(join(directory, "password"), "secret", { mode: 0o600 })
})
afterAll(() => rm(directory, { recursive: true }))

/** The calls of a payment, the first of which looks at the chain. */
const METHODS = [
  "getblockchaininfo",
  "getblockchaininfo",
  "getblockcount",
  "getwalletinfo",
  "walletcreatefundedpsbt",
  "gettxout",
  "gettxout",
  "gettxout",
  "walletprocesspsbt",
  "finalizepsbt",
  "sendrawtransaction"
]

/** Every call, before and after it has its effect. By default the worst: the transaction is sent, and nobody hears of it. */
const points = METHODS.flatMap((method, index) =>
  (["before", "after"] as const).map((when) => ({ when, method, at: index + 1 }))
)
  .toReversed()
  .slice(0, KILLS)

for (const { at, method, when } of points) {
  it(
    `a payment is made once if the program is killed ${when} call ${at}, ${method}`,
    { timeout: 120_000 },
    async () => {
      const file = join(directory, `${when}-${at}.ledger`)
      const wallet = new MemoryWallet([100_000_000n, 100_000_000n])
      const node = await FakeNode.start(wallet)
      try {
        const credentials = { _tag: "Password", user: "sluice", password: Redacted.make("secret") } as const
        const run = <A, E>(effect: Effect.Effect<A, E, Ledger | Wallet>) =>
          Effect.runPromise(
            Effect.provide(
              effect,
              Layer.mergeAll(
                Ledger.layer({ file, commitInterval: 0 }),
                NodeWallet.layer({ url: node.url, credentials, wallet: "pool" })
              )
            )
          )
        await run(
          Effect.flatMap(Ledger, ({ books, transact }) => transact(books.adjust(ALICE, 60_000_000n, 1, "owed")))
        )
        const program = new Sluice(
          ["ledger", "pay", "--no-dry-run", "--ledger", `sqlite:${file}`, "--node-wallet", "pool"].concat(
            ["--node-rpc-url", node.url, "--node-rpc-user", "sluice"],
            ["--node-rpc-password-file", join(directory, "password")]
          )
        )
        node[when] = (call) => call === at && program.process.kill("SIGKILL")
        await program.finished
        assert.strictEqual(program.process.signalCode, "SIGKILL", program.output)
        assert.strictEqual(node.calls[at - 1], method)
        node[when] = () => {}

        const options = { minimum: 1_000n, fee: { _tag: "target", blocks: 6 } } as const
        await run(payOut(options))
        wallet.mine(6)
        await run(followPayments)
        assert.strictEqual(wallet.received(ALICE), 60_000_000n)
        const [payments, { faults }] = await run(
          Effect.flatMap(Ledger, ({ sql }) => Effect.all([readWalletPayments(sql), audit(sql, () => Effect.void)]))
        )
        assert.deepStrictEqual([payments.map(({ state }) => state), faults], [["confirmed"], []])
      } finally {
        node.stop()
      }
    }
  )
}
