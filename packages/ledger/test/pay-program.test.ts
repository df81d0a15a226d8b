/** `sluice ledger pay` with a node whose chain is not that of all users' addresses. */
import { Sluice } from "@sluice/testing/program"
import { Effect } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"
import { Ledger } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { MemoryWallet } from "./memory-wallet.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
/** An address of the main chain. */
const MALLORY = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"

it("pays the others if a user has an address of another chain", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-ledger-pay-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const [file, password] = [join(directory, "pool.ledger"), join(directory, "password")]
  await writeFile(password, "secret", { mode: 0o600 })
  const wallet = new MemoryWallet([100_000_000n])
  const node = await FakeNode.start(wallet)
  onTestFinished(() => node.stop())
  await Effect.runPromise(
    Effect.gen(function* () {
      const { books, transact } = yield* Ledger
      for (const user of [ALICE, MALLORY]) yield* transact(books.adjust(user, 20_000_000n, 1, "owed"))
    }).pipe(Effect.provide(Ledger.layer({ file, commitInterval: 0 })))
  )
  const pay = async (...args: ReadonlyArray<string>) => {
    const { status, stderr, stdout } = await new Sluice(
      ["ledger", "pay", "--ledger", `sqlite:${file}`, "--node-rpc-url", node.url, "--node-rpc-user", "sluice"].concat(
        ["--node-rpc-password-file", password],
        args
      )
    ).finished
    assert.strictEqual(status, 0, stderr)
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  assert.deepStrictEqual(
    (await pay()).map(({ payable, user }) => [user, payable]),
    [
      [MALLORY, false],
      [ALICE, true]
    ]
  )
  assert.deepStrictEqual(
    (await pay("--no-dry-run", "--node-wallet", "pool")).map(({ state, users }) => [state, users]),
    [["sent", 1]]
  )
  wallet.mine(1)
  assert.strictEqual(wallet.received(ALICE), 20_000_000n)
})
