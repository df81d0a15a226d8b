/** `sluice pool --workers`: processes of their own, killed as an operator's system kills them. */
import { LoggedShare } from "@sluice/mining-server"
import { makeClient } from "@sluice/monitor"
import { SwarmReport } from "@sluice/swarm"
import { startCrowd } from "@sluice/testing/crowd"
import { TestClient, openExtended } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Plain, Tcp } from "@sluice/transport"
import { Effect, Exit, Fiber, Layer, Logger, Option, Schedule, Schema, Scope, Stream } from "effect"
import { readFileSync } from "node:fs"
import { mkdtemp, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { startDevProvider } from "./dev-provider.ts"

/** How long each part of it goes on under load; `npm run soak` kills workers for longer. */
const SECONDS = Number(process.env["SLUICE_WORKER_SECONDS"] ?? 0)
/** How many hostile clients there are. */
const CROWD = Number(process.env["SLUICE_CROWD"] ?? 100)
const ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

const startPool = async (...args: ReadonlyArray<string>) => {
  // About 65,000 hashes for a block.
  const provider = await startDevProvider({ transactionsPerSecond: 0, bits: 0x1f00ffff })
  const place = await mkdtemp(join(tmpdir(), "sluice-workers-"))
  const shareLog = join(place, "shares.ndjson")
  const [mining, metrics] = await freePorts(2)
  const pool = new Sluice(
    ["pool", "--plain", "--workers", "2", "--listen", `127.0.0.1:${mining}`, "--share-log", shareLog].concat(
      ["--http-listen", `127.0.0.1:${metrics}`, "--template-provider", provider],
      ["--coinbase-address", ADDRESS, "--min-hash-rate", "1", "--shares-per-minute", "600", ...args]
    )
  )
  const pids = [1, 2].map(async (number) => Number((await pool.find(workerReady(number)))[1]))
  const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${metrics}${path}`)).text()
  const { monitor } = await Effect.runPromise(makeClient({ url: `http://127.0.0.1:${metrics}` }))
  const client = Layer.mergeAll(
    Plain.dialer.pipe(Layer.provide(Tcp.dialer)),
    Layer.succeed(PoolAddress, { host: "127.0.0.1", port: mining!, security: { _tag: "plain" } }),
    Logger.layer([])
  )
  return {
    pool,
    pids: await Promise.all(pids),
    place,
    url: `stratum2+tcp+plain://127.0.0.1:${mining}`,
    client,
    monitor,
    stats: () => Effect.runPromise(monitor.overview()),
    users: async () => (await Effect.runPromise(monitor.users({ query: {} }))).items,
    /** The value of a metric; the sum over its labels if there are several. */
    metric: async (name: string) =>
      (await get("/metrics"))
        .split("\n")
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0),
    recorded: () =>
      [1, 2].map((number) => linesOf(join(place, `shares.${number}.ndjson`)).map((line) => decodeShare(line)))
  }
}

const workerReady = (number: number) => new RegExp(`Worker ${number} serves miners: process (\\d+)`)
const decodeShare = Schema.decodeUnknownSync(Schema.fromJsonString(LoggedShare))
const decodeReport = Schema.decodeUnknownSync(Schema.fromJsonString(SwarmReport))
const decodeAcknowledged = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ userIdentity: Schema.String, hash: Schema.String }))
)
/** Without halves of lines, which a killed process may leave behind. */
const linesOf = (path: string): ReadonlyArray<string> =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("}"))

/** Waits until it holds; the test's own time limit ends the wait. */
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await sleep(50)
}

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe("a pool with two workers", () => {
  it(
    "gives all miners the same work and different prefixes, and counts them on one page",
    { timeout: 180_000 },
    async () => {
      const { client, metric, monitor, pids, pool, stats, url, users } = await startPool()
      const open = Effect.forEach(
        Array.from({ length: 8 }, (_, index) => `farm.${index}`),
        Effect.fnUntraced(function* (userIdentity) {
          const client = yield* TestClient.connect()
          yield* client.send(openExtended({ userIdentity }))
          const { extranoncePrefix } = yield* client.expect("OpenExtendedMiningChannel.Success")
          yield* client.until("SetNewPrevHash")
          return { client, prefix: Buffer.from(extranoncePrefix).toString("hex") }
        })
      )
      const prefixes = await Effect.runPromise(
        Effect.gen(function* () {
          const first = yield* open
          const workers = yield* Effect.promise(() =>
            Promise.all([1, 2].map((number) => metric(`sluice_pool_worker_connections{worker="${number}"}`)))
          )
          assert.deepStrictEqual(workers, [4, 4])
          // What the workers tell comes in batches.
          const often = Schedule.spaced("50 millis")
          const found = yield* Effect.repeat(
            Effect.promise(() => stats()),
            { until: ({ connections }) => connections === 8, schedule: often }
          )
          assert.deepInclude(found, { channels: { standard: 0, extended: 8 } })
          const known = yield* Effect.promise(() => users())
          assert.deepStrictEqual(
            known.map(({ channels, user }) => ({ channels, user })),
            [{ user: "farm", channels: 8 }]
          )
          const pages = yield* Effect.forEach([0, 3, 6], (offset) =>
            monitor.workers({ query: { limit: 3, offset, sort: "worker" } })
          )
          assert.strictEqual(new Set(pages.flatMap(({ items }) => items.map(({ worker }) => worker))).size, 8)
          // Events come from both workers: the peers of all connections are known.
          const knownPeers = Effect.map(
            monitor.connections({ query: {} }),
            ({ items }) => items.filter(({ remote }) => remote !== null).length
          )
          yield* Effect.repeat(knownPeers, { until: (known) => known === 8, schedule: often })
          const events = yield* monitor.events({ headers: {} })
          const following = yield* Effect.forkScoped(
            Stream.runHead(Stream.filter(events, ({ event }) => event === "BlockFound"))
          )

          const miner = new Sluice(["miner", "--connect", url, "--user", "alice", "--channel", "extended"])
          const blocks = yield* Effect.forEach(first, ({ client }) => client.until("SetNewPrevHash"))
          assert.strictEqual(new Set(blocks.map(({ prevHash }) => Buffer.from(prevHash).toString("hex"))).size, 1)
          yield* Effect.promise(() => miner.stop())
          yield* Effect.promise(() => until(async () => (await metric("sluice_pool_blocks_found_total")) > 0))
          const block = Option.getOrThrow(yield* Fiber.join(following)).data
          assert.strictEqual(block.fields["worker"], "alice")
          assert.isAbove((yield* monitor.blocks({ query: {} })).total, 0)
          // All workers have the same work: its jobs are listed once.
          const { items: jobs } = yield* monitor.jobs({ query: {} })
          const announced = jobs.filter(({ kind }) => kind === "new-block").map(({ prevHash }) => prevHash)
          assert.strictEqual(new Set(announced).size, announced.length)
          assert.deepInclude((yield* monitor.coinbase()).coinbase!.outputs[0], { address: ADDRESS, kind: "output" })
          const { items: lines } = yield* monitor.logs({ query: { search: "worker 2: " } })
          assert.isNotEmpty(lines)

          process.kill(pids[0]!, "SIGKILL")
          yield* Effect.promise(() => pool.find(/Worker 1 was killed by SIGKILL; a new one starts in 0.25 s/))
          yield* Effect.promise(() => pool.find(workerReady(1), pool.output.lastIndexOf("was killed by SIGKILL")))
          yield* Effect.promise(() => until(async () => (await stats()).connections === 4))
          const second = yield* open
          const all = [...first, ...second].map(({ prefix }) => prefix)
          const after = yield* Effect.promise(() =>
            Promise.all([1, 2].map((number) => metric(`sluice_pool_worker_connections{worker="${number}"}`)))
          )
          assert.deepStrictEqual(after, [6, 6])
          return all
        }).pipe(Effect.scoped, Effect.provide(client))
      )
      assert.strictEqual(new Set(prefixes).size, prefixes.length)
      assert.strictEqual(await metric("sluice_pool_worker_deaths_total"), 1)
      assert.isAbove(await metric("sluice_pool_blocks_found_total"), 0)
      const { status, stderr } = await pool.stop("SIGTERM")
      assert.strictEqual(status, 0, stderr)
      assert.strictEqual(stderr.match(/The pool listens/g)?.length, 1)
      assert.strictEqual(stderr.match(/Shares are acknowledged when the operating system has them/g)?.length, 1)
    }
  )

  it(
    "loses no acknowledged share when a worker is killed under load",
    { timeout: 180_000 + SECONDS * 1000 },
    async () => {
      const { metric, pids, place, pool, recorded, stats, url, users } = await startPool("--log-level", "info")
      const acknowledged = join(place, "acknowledged.ndjson")
      const swarm = new Sluice(
        ["swarm", "--connect", url, "--connections", "16", "--hash-rate", "40", "--shares-per-minute", "600"].concat([
          "--acknowledged",
          acknowledged,
          "--duplicate",
          "2",
          "--stale",
          "1"
        ])
      )
      const recordedSoFar = () => recorded().flat().length
      const grown = async (): Promise<void> => {
        const before = recordedSoFar()
        await until(() => recordedSoFar() > before + 40)
      }
      await until(() => existsInBoth(place))
      await grown()
      const end = performance.now() + SECONDS * 1000
      let kills = 0
      // The miners of a worker that is killed come back to the other one, so that one is killed next.
      do {
        const number = (kills % 2) + 1
        const from = pool.output.length
        process.kill(pids[number - 1]!, "SIGKILL")
        kills++
        await pool.find(new RegExp(`Worker ${number} was killed by SIGKILL`), from)
        pids[number - 1] = Number((await pool.find(workerReady(number), from))[1])
        await grown()
      } while (kills < 2 || performance.now() < end)
      assert.strictEqual((await swarm.stop("SIGINT")).status, 0)
      await until(async () => (await stats()).connections === 0)

      const shares = recorded().flat()
      const owner = new Map(shares.map(({ hash, user }) => [hash, user]))
      assert.strictEqual(owner.size, shares.length, "a share was counted twice")
      const seen = linesOf(acknowledged).map((line) => decodeAcknowledged(line))
      assert.isAbove(seen.length, 100)
      for (const { hash, userIdentity } of seen)
        assert.strictEqual(owner.get(hash), userIdentity, "an acknowledged share is lost")
      // The numbers of connections are those of one server: each is of one user.
      const userOf = new Map<number, string>()
      for (const { connectionId, user } of shares) {
        assert.strictEqual(userOf.get(connectionId) ?? user, user)
        userOf.set(connectionId, user)
      }

      const { accepted } = await stats()
      assert.strictEqual(await metric("sluice_pool_shares_accepted_total"), accepted)
      // Of a killed worker, the counts since its last report are lost, and those of its users.
      assert.isAtMost(accepted, shares.length)
      assert.isAbove(accepted, 0)
      assert.isAtMost((await users())[0]!.accepted, accepted)
      assert.strictEqual(await metric("sluice_pool_worker_deaths_total"), kills)
      // Without their primary, workers end.
      await pool.stop("SIGKILL")
      await until(() => !pids.some((pid) => isRunning(pid)))
    }
  )

  it(
    `serves its miners among ${CROWD} clients that send garbage, nothing, or a byte a second`,
    { timeout: 180_000 },
    async () => {
      const { metric, pids, place, recorded, url } = await startPool()
      const report = join(place, "swarm.json")
      const swarm = new Sluice(
        ["swarm", "--connect", url, "--connections", "8", "--hash-rate", "40", "--shares-per-minute", "600"].concat([
          "--report",
          report
        ])
      )
      await until(() => existsInBoth(place))
      const { hostname, port } = new URL(url)
      await Effect.runPromise(
        Effect.gen(function* () {
          const crowd = new URL(import.meta.resolve("@sluice/testing/pool-crowd"))
          const state = yield* startCrowd(crowd, { host: hostname, port: Number(port), count: CROWD })
          yield* Effect.promise(() => until(() => state.last.closed === CROWD))
        }).pipe(Effect.scoped)
      )
      assert.strictEqual((await swarm.stop("SIGINT")).status, 0)
      const { connections, shares } = decodeReport(readFileSync(report, "utf8"))
      assert.deepInclude(connections, { open: 8, opened: 8 })
      assert.deepInclude(shares, { unanswered: 0, pending: 0 })
      assert.strictEqual(recorded().flat().length, shares.accepted)
      for (const ofWorker of recorded()) assert.isAbove(ofWorker.length, 50)
      assert.isTrue(pids.every((pid) => isRunning(pid)))
      assert.strictEqual(await metric("sluice_pool_worker_deaths_total"), 0)
    }
  )

  it("says once why it cannot start, with status 2", { timeout: 180_000 }, async () => {
    const [port, free] = await freePorts(2)
    const common = [
      "pool",
      "--plain",
      "--coinbase-address",
      ADDRESS,
      "--template-provider",
      "stratum2+tcp+plain://127.0.0.1:1"
    ]
    const taken = await Effect.runPromise(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Scope.provide(Layer.build(Tcp.listener({ host: "127.0.0.1", port: port! })), scope)
        const pool = new Sluice([...common, "--workers", "2", "--listen", `127.0.0.1:${port}`])
        const finished = yield* Effect.promise(() => pool.finished)
        yield* Scope.close(scope, Exit.void)
        return finished
      })
    )
    assert.deepStrictEqual(taken, {
      status: 2,
      stdout: "",
      stderr: `sluice pool: cannot listen on 127.0.0.1:${port}: the port is in use; stop the program that has it or choose another port\n`
    })
    const place = await mkdtemp(join(tmpdir(), "sluice-workers-"))
    const tls = ["certificate", "key"].flatMap((name) => [`--v1-tls-${name}`, join(place, name)])
    await Promise.all(["certificate", "key"].map((name) => writeFile(join(place, name), "", { mode: 0o600 })))
    const listen = ["--listen", `127.0.0.1:${port}`, "--v1-tls-listen", `127.0.0.1:${free}`]
    const { status, stderr } = await new Sluice([...common, "--workers", "2", ...listen, ...tls]).finished
    assert.strictEqual(status, 2)
    assert.strictEqual(stderr.match(/is not a certificate/g)?.length, 1, stderr)
    assert.match(stderr, /\nsluice pool: .*certificate is not a certificate: expected one that begins with .*\n$/)
  })
})

const existsInBoth = (place: string): boolean => {
  try {
    return [1, 2].every((number) => readFileSync(join(place, `shares.${number}.ndjson`)).length > 0)
  } catch {
    return false
  }
}
