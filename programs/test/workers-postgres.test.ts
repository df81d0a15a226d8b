/** `sluice pool --workers` with a ledger in PostgreSQL: `npm run ledger-postgres` runs it. */
import { makeClient } from "@sluice/monitor"
import { Ledger } from "@sluice/ledger"
import { startPostgres } from "@sluice/testing/postgres-server"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Effect, Exit, Logger, Redacted, Schema, Scope } from "effect"
import { existsSync, readFileSync, statSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it, onTestFinished } from "vitest"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

const POOL_ADDRESS = "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"
const ALICE = "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"
const TOKEN = "of-the-test"
const BOB = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"

/** How many workers are killed, in turns. */
const KILLS = Number(process.env["SLUICE_WORKER_KILLS"] ?? 2)

/** Some thousand hashes for a block, or more than a test tries. */
const EASY = { bits: 0x1f3fffff, transactionsPerSecond: 0 }
const HARD = { bits: 0x1d00ffff, transactionsPerSecond: 0 }

/** A PostgreSQL of the test's own, a provider, and a folder for spools. */
const surroundings = async (chain: typeof EASY) => {
  const scope = Scope.makeUnsafe()
  const place = await mkdtemp(join(tmpdir(), "sluice-workers-ledger-"))
  onTestFinished(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await rm(place, { recursive: true })
  })
  const postgres = await Effect.runPromise(Scope.provide(startPostgres, scope))
  const provider = await startDevProvider(chain)
  const [mining, page] = await freePorts(2)
  const url = `stratum2+tcp+plain://127.0.0.1:${mining}`
  return {
    postgres,
    url,
    startPool: (workers: number, ports = { mining, page }) =>
      new Sluice(
        ["pool", "--plain", "--listen", `127.0.0.1:${ports.mining}`, "--template-provider", provider].concat(
          ["--workers", String(workers), "--http-listen", `127.0.0.1:${ports.page}`, "--min-hash-rate", "1"],
          ["--coinbase-address", POOL_ADDRESS, "--payout-scheme", "pplns", "--shares-per-minute", "60"]
        ),
        {
          SLUICE_POOL__LEDGER: postgres.url,
          SLUICE_POOL__SPOOL: join(place, "pool.spool"),
          SLUICE_POOL__HTTP_TOKEN: TOKEN
        }
      ),
    startSwarm: (user: string) =>
      new Sluice(
        ["swarm", "--connect", url, "--user", user, "--connections", "8", "--hash-rate", "20"].concat([
          "--shares-per-minute",
          "60",
          "--acknowledged",
          join(place, user)
        ])
      ),
    page: () => Effect.runPromise(makeClient({ url: `http://127.0.0.1:${page}`, token: Redacted.make(TOKEN) })),
    metrics: async () => (await fetch(`http://127.0.0.1:${page}/metrics`)).text(),
    /** The spool of a worker, or of a pool without workers. */
    spool: (number?: number) => join(place, number === undefined ? "pool.spool" : `pool.${number}.spool`),
    acknowledged: (...users: ReadonlyArray<string>) =>
      users.flatMap((user) => linesOf(join(place, user)).map((line) => decodeAcknowledged(line))),
    ledger: async (...args: ReadonlyArray<string>) => {
      const { status, stderr, stdout } = await run(["ledger", ...args, "--ledger", postgres.url])
      assert.strictEqual(status, 0, stderr + stdout)
      return linesIn(stdout).map((line): Record<string, unknown> => JSON.parse(line))
    }
  }
}

type Surroundings = Awaited<ReturnType<typeof surroundings>>

const decodeAcknowledged = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ userIdentity: Schema.String, hash: Schema.String }))
)
/** Without a half of a line at the end. */
const linesIn = (text: string) => text.split("\n").filter((line) => line.endsWith("}"))
const linesOf = (path: string) => (existsSync(path) ? linesIn(readFileSync(path, "utf8")) : [])

/** Waits until it holds; the test's own time limit ends the wait. */
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await sleep(50)
}

/** Waits until this many more shares of each user are acknowledged. */
const more = async ({ acknowledged }: Surroundings, count: number, ...users: ReadonlyArray<string>) => {
  const wanted = users.map((user) => ({ user, count: acknowledged(user).length + count }))
  await until(() => wanted.every(({ count, user }) => acknowledged(user).length >= count))
}

const ready = async (pool: Sluice, number: number, from = 0) =>
  Number((await pool.find(new RegExp(`Worker ${number} serves miners: process (\\d+)`), from))[1])

/** Each acknowledged share is in the ledger once, and no other one is there twice. Gives what the audit says. */
const check = async ({ acknowledged, ledger }: Surroundings, ...users: ReadonlyArray<string>) => {
  const shares = await ledger("export", "--table", "shares", "--format", "ndjson")
  const owners = new Map(shares.map(({ hash, user, worker }) => [hash, `${String(user)}.${String(worker)}`]))
  assert.strictEqual(owners.size, shares.length, "a share was counted twice")
  const seen = acknowledged(...users)
  assert.isNotEmpty(seen)
  for (const { hash, userIdentity } of seen) {
    assert.strictEqual(owners.get(hash), userIdentity, "an acknowledged share is lost")
  }
  const [audited] = await ledger("audit")
  assert.deepInclude(audited, { faults: 0, shares: shares.length })
  return audited!
}

describe.skipIf(process.env["SLUICE_POSTGRES"] === undefined)("a pool with two workers and one ledger", () => {
  it(
    "loses no share and settles each block once, when a worker is killed and when the database is away",
    { timeout: 300_000 },
    async () => {
      const world = await surroundings(EASY)
      const { ledger, metrics, postgres, spool } = world
      const pool = world.startPool(2)
      const pids = [await ready(pool, 1), await ready(pool, 2)]
      const swarms = [ALICE, BOB].map((user) => world.startSwarm(user))
      await more(world, 10, ALICE, BOB)
      await until(async () => /sluice_pool_worker_connections\{worker="1"\} 8\n/.test(await metrics()))

      // A block of each worker pays the users of both.
      for (const number of [1, 2]) await pool.find(new RegExp(`found a block.* worker=${number}`))
      const { control, ledger: page } = await world.page()
      await until(async () => {
        const { items } = await Effect.runPromise(page.accounts({ query: {} }))
        return [ALICE, BOB].every((user) => items.some((item) => item.user === user && item.earned > 0))
      })
      const plan = await Effect.runPromise(page.plan({ query: {} }))
      assert.deepStrictEqual(plan.items.map(({ user }) => user).toSorted(), [ALICE, BOB].toSorted())
      const { items: blocks } = await Effect.runPromise(page.payouts({ query: {} }))
      assert.isTrue(blocks.every(({ scheme }) => scheme === "pplns"))
      const payload = { user: BOB, satoshis: 1234, reason: "by hand" }
      await Effect.runPromise(control.adjust({ payload }))
      const [adjusted] = (await ledger("users")).filter(({ user }) => user === BOB)
      assert.strictEqual(adjusted!["adjusted"], "1234")

      for (let kill = 0; kill < KILLS; kill++) {
        const from = pool.output.length
        const number = 1 + (kill % 2)
        process.kill(pids[number - 1]!, "SIGKILL")
        await pool.find(new RegExp(`Worker ${number} was killed by SIGKILL`), from)
        pids[number - 1] = await ready(pool, number, from)
        await more(world, 10, ALICE, BOB)
      }

      // Another process took the server id of a worker that stood still.
      const lost = pool.output.length
      const last = Array.from(pool.output.matchAll(/This worker has server id (\d+) .* worker=1/g)).at(-1)!
      const take = Effect.flatMap(
        Ledger,
        ({ sql }) => sql`UPDATE leases SET token = token + 1000 WHERE server_id = ${Number(last[1])}`
      )
      await Effect.runPromise(
        Effect.provide(take, Ledger.layer({ postgres: Redacted.make(postgres.url) })).pipe(
          Effect.provide(Logger.layer([]))
        )
      )
      await pool.find(/Worker 1 ended: the ledger .* another process has server id/, lost)
      await ready(pool, 1, lost)
      await more(world, 10, ALICE, BOB)

      const away = pool.output.length
      await Effect.runPromise(postgres.stop)
      await pool.find(/Shares go to the spool .*pool\.2\.spool/, away)
      await more(world, 10, ALICE, BOB)
      await Effect.runPromise(postgres.start)
      await pool.find(/has all shares of the spool .*pool\.2\.spool/, away)
      const back = pool.output.length
      await pool.find(/found a block/, back)
      await more(world, 10, ALICE, BOB)

      for (const swarm of swarms) assert.strictEqual((await swarm.stop("SIGINT")).status, 0)
      const { status, stderr } = await pool.stop("SIGTERM")
      assert.strictEqual(status, 0, stderr)
      assert.strictEqual(stderr.match(/Shares are acknowledged when they are on the disk/g)?.length, 1)
      const serverIds = Array.from(stderr.matchAll(/This worker has server id (\d+) /g), ([, id]) => id)
      assert.strictEqual(new Set(serverIds).size, 3 + KILLS)
      for (const number of [1, 2]) assert.strictEqual(statSync(spool(number)).size, 15)
      const found = stderr.match(/found a block/g)!.length
      const { blocks: count, settlements } = await check(world, ALICE, BOB)
      assert.strictEqual(settlements, count)
      // A worker that is killed may have found a block that it has not recorded yet, or recorded one that it has not logged.
      assert.isAtMost(Math.abs(Number(count) - found), KILLS + 1)
    }
  )

  it(
    "hands over the spool of a worker that was killed, and a pool without workers those of all that were",
    { timeout: 300_000 },
    async () => {
      const world = await surroundings(HARD)
      const { postgres, spool } = world
      const pool = world.startPool(2)
      const [, second] = await Promise.all([ready(pool, 1), ready(pool, 2)])
      const swarm = world.startSwarm(ALICE)
      await more(world, 10, ALICE)
      const stopDatabase = async () => {
        await Effect.runPromise(postgres.stop)
        await until(() => [1, 2].every((number) => statSync(spool(number)).size > 1_000))
        await more(world, 10, ALICE)
      }
      await stopDatabase()
      const killed = pool.output.length
      process.kill(second, "SIGKILL")
      await pool.find(/Worker 2 cannot start: the ledger .*ECONNREFUSED/, killed)
      await more(world, 10, ALICE)
      await Effect.runPromise(postgres.start)
      await pool.find(/has all shares of the spool .*pool\.2\.spool.* worker=2/, killed)
      await ready(pool, 2, killed)

      // The miners came back to the other worker, and are shared out again with new connections.
      await swarm.stop("SIGINT")
      const swarms = [world.startSwarm(ALICE), world.startSwarm(BOB)]
      await more(world, 10, ALICE, BOB)
      await stopDatabase()
      await pool.stop("SIGKILL")
      for (const one of swarms) await one.stop("SIGINT")
      await Effect.runPromise(postgres.start)

      const alone = world.startPool(1)
      for (const number of [1, 2])
        await alone.find(new RegExp(`has all shares of the spool .*pool\\.${number}\\.spool`))
      assert.strictEqual((await alone.stop("SIGTERM")).status, 0)
      for (const number of [1, 2]) assert.strictEqual(statSync(spool(number)).size, 15)
      await check(world, ALICE, BOB)
    }
  )

  it("says once why it cannot start, with status 2", { timeout: 120_000 }, async () => {
    const world = await surroundings(HARD)
    const pool = world.startPool(2)
    await ready(pool, 2)
    // The same spools, at other ports.
    const [mining, page] = await freePorts(2)
    const second = world.startPool(2, { mining, page })
    const refused = await second.finished
    assert.strictEqual(refused.status, 2)
    assert.match(
      refused.stderr,
      /\nsluice pool: .*the spool .*pool\.[12]\.spool is in use by another pool, [^\n]* \(spool\)\n$/
    )
    await Effect.runPromise(world.postgres.stop)
    const third = world.startPool(2, { mining, page })
    const { status, stderr } = await third.finished
    assert.strictEqual(status, 2)
    assert.match(stderr, /^sluice pool: the ledger postgres:\/\/127\.0\.0\.1:\d+\/pool: connect ECONNREFUSED [^\n]*\n$/)
  })
})
