/** What the operators' page of a pool says agrees with its ledger, its metrics, its share log and with what its miner counted. */
import { makeClient } from "@sluice/monitor"
import { Effect, Redacted } from "effect"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, it, onTestFinished } from "vitest"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"

it("the operators' page agrees with ledger, metrics, share log and miner, shows no secret, and has its history after a restart", async () => {
  const provider = await startDevProvider({ transactionsPerSecond: 0, bits: 0x1e1fffff })
  const directory = await mkdtemp(join(tmpdir(), "sluice-monitor-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const at = (name: string): string => join(directory, name)
  await writeFile(at("token"), "tk-51n3\n", { mode: 0o600 })
  await writeFile(at("receivers"), "webhook+http://127.0.0.1:1/#hunter2\n", { mode: 0o600 })
  const [mining, http] = await freePorts(2)
  const url = `http://127.0.0.1:${http}`
  const { control, health, ledger, monitor } = await Effect.runPromise(
    makeClient({ url, token: Redacted.make("tk-51n3") })
  )
  const start = async (): Promise<Sluice> => {
    const pool = new Sluice(
      ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--http-listen", `127.0.0.1:${http}`].concat(
        ["--template-provider", provider, "--shares-per-minute", "600"],
        ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "--share-log", at("shares.ndjson")],
        ["--ledger", `sqlite:${at("pool.ledger")}`, "--payout-scheme", "pplns", "--acknowledge-within", "0"],
        ["--http-token-file", at("token"), "--alert-to-file", at("receivers"), "--history-file", at("history.sqlite")]
      )
    )
    await pool.find(/The operators' page is at/)
    return pool
  }

  const first = await start()
  const miner = new Sluice([
    "miner",
    "--connect",
    `stratum2+tcp+plain://127.0.0.1:${mining}`,
    "--user",
    `${ALICE}.rig`,
    "--json"
  ])
  // The first block may be of a job that was planned before the first share.
  const pays = async () => (await Effect.runPromise(ledger.payouts({ query: {} }))).items.some(({ paid }) => paid > 0)
  while (!(await pays())) await sleep(100)
  await miner.stop()
  while ((await Effect.runPromise(monitor.overview())).connections > 0) await sleep(20)
  // Users are shown as of some seconds ago, and a block is in the ledger when its verdict has come.
  for (;;) {
    const { accepted } = await Effect.runPromise(monitor.overview())
    const { items: users } = await Effect.runPromise(monitor.users({ query: {} }))
    const { total: found } = await Effect.runPromise(monitor.blocks({ query: {} }))
    const { total } = await Effect.runPromise(ledger.payouts({ query: {} }))
    if (users[0]?.accepted === accepted && found === total) break
    await sleep(100)
  }
  const counted = miner.output.match(/"event":"ShareAccepted"/g)?.length ?? 0

  const overview = await Effect.runPromise(monitor.overview())
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1])
  const logged = (await readFile(at("shares.ndjson"), "utf8")).trim().split("\n").length
  assert.isAbove(counted, 0)
  const { accepted } = overview
  // The miner may have been stopped before it read its last answers.
  assert.isAtLeast(accepted, counted)
  assert.strictEqual(metric("sluice_pool_shares_accepted_total"), accepted)
  assert.strictEqual(logged, accepted)
  assert.strictEqual(overview.blocks, metric("sluice_pool_blocks_found_total"))
  const { items: shares } = await Effect.runPromise(monitor.shares({ query: {} }))
  assert.deepInclude(shares, { code: "accepted", shares: accepted })
  const { items: users } = await Effect.runPromise(monitor.users({ query: {} }))
  assert.deepInclude(users[0], { user: ALICE, accepted })
  assert.approximately(users[0]!.acceptedDifficulty, overview.acceptedDifficulty, 1e-9)
  const { items: blocks } = await Effect.runPromise(monitor.blocks({ query: {} }))
  assert.isAtLeast(blocks.length, 1)
  assert.strictEqual(blocks[0]!.worker, `${ALICE}.rig`)
  assert.deepStrictEqual(await Effect.runPromise(health.ready()), { ready: true })

  // The ledger has the same shares, blocks and amounts, read by another program.
  const read = async (...args: ReadonlyArray<string>) =>
    (await run(["ledger", ...args, "--ledger", `sqlite:${at("pool.ledger")}`])).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const ask = Effect.runPromise
  assert.deepInclude(await read("audit"), { ...(await read("audit"))[0], shares: accepted, faults: 0 })
  const stored = await read("users")
  const { items: accounts } = await ask(ledger.accounts({ query: {} }))
  assert.sameDeepMembers(
    accounts.map(({ balance, earned, paid, user }) => [user ?? "(the pool)", earned, paid, balance].map(String)),
    // Users with shares and without a payment have no account yet.
    stored
      .map(({ balance, earned, paid, user }) => [user, earned, paid, balance].map(String))
      .filter(([, earned]) => earned !== "0")
  )
  const payouts = await ask(ledger.payouts({ query: {} }))
  const storedBlocks = await read("blocks")
  assert.deepStrictEqual(
    payouts.items.toReversed().map(({ hash, height, scheme, state }) => [hash, height, scheme, state]),
    storedBlocks.map(({ hash, height, scheme, state }) => [hash, height, scheme, state])
  )
  assert.sameMembers(
    payouts.items.map(({ hash }) => hash),
    // Those whose share came too late as well: the chain decides about them.
    blocks.map(({ hash }) => hash)
  )
  assert.isTrue(payouts.items.some((one) => one.paid > 0))
  const paid = accounts.find(({ user }) => user === ALICE)?.paid ?? 0
  assert.strictEqual(
    payouts.items.reduce((sum, one) => sum + one.paid, 0),
    paid
  )
  const newest = payouts.items[0]!
  const { payments } = await ask(ledger.payments({ params: { hash: newest.hash }, query: {} }))
  assert.strictEqual(
    payments.items.reduce((sum, one) => sum + one.paid, 0),
    newest.reward
  )
  // The next block is planned as the present job pays it.
  const plan = await ask(ledger.plan({ query: {} }))
  const { coinbase } = await ask(monitor.coinbase())
  assert.strictEqual(plan.reward, coinbase!.reward)
  const [planned] = plan.items
  assert.strictEqual(planned!.user, ALICE)
  const output = coinbase!.outputs.find(({ user }) => user === ALICE)
  assert.deepInclude(output, { kind: "user", address: ALICE, satoshis: planned!.paid })
  const user = await ask(monitor.user({ params: { name: ALICE }, query: {} }))
  assert.deepStrictEqual([user.account?.paid, user.nextPayment], [paid, planned!.paid])

  const adjusted = await ask(control.adjust({ payload: { user: ALICE, satoshis: 1234, reason: "by hand" } }))
  assert.deepStrictEqual(
    (await read("users")).find(({ user }) => user === ALICE)?.["balance"],
    String(adjusted.balance)
  )
  const { entries } = await ask(ledger.account({ params: { name: ALICE }, query: { limit: 1 } }))
  assert.deepInclude(entries.items[0], { kind: "adjustment", satoshis: 1234, reason: "by hand", hash: null })

  const shown = await Promise.all(
    ["configuration?limit=1000", "logs?limit=1000", "overview", "audit", "openapi.json"].map(async (path) =>
      (await fetch(`${url}/api/${path}`)).text()
    )
  )
  for (const text of shown) assert.notMatch(text, /tk-51n3|hunter2/)
  assert.match(shown[0]!, /"name":"http-token","value":null,"isSecret":true/)
  assert.match(shown[1]!, /The pool listens/)

  // The work since the last sample is written at the end.
  await sleep(2500)
  assert.strictEqual((await first.stop("SIGTERM")).status, 0)
  const second = await start()
  const history = await Effect.runPromise(monitor.history({ query: { resolution: "1m" } }))
  assert.strictEqual(
    history.accepted.reduce<number>((sum, accepted) => sum + (accepted ?? 0), 0),
    accepted
  )
  const { items: before } = await Effect.runPromise(monitor.blocks({ query: {} }))
  assert.deepStrictEqual(before, blocks)
  assert.strictEqual((await second.stop("SIGTERM")).status, 0)
}, 120_000)
