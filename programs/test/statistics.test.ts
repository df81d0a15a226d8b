/** What the operators' page of a pool tells of its miners, whatever they call themselves. */
import { DevNode } from "@sluice/dev-node"
import { makeClient } from "@sluice/monitor"
import type { Mining } from "@sluice/protocol"
import { TemplateProvider } from "@sluice/template-provider"
import { MiningDialer, Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, ManagedRuntime, Stream } from "effect"
import { assert, it, onTestFinished } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

/** A template provider in this process, and what a client of a pool needs. */
const surroundings = Layer.merge(
  TemplateProvider.layer().pipe(
    Layer.provide(Setup.server(TemplateListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
    Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 }))
  ),
  Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(Tcp.dialer))
).pipe(Layer.provideMerge(Logger.layer([])))

const open = (requestId: number, userIdentity: string): Mining.ToServer => ({
  _tag: "OpenExtendedMiningChannel",
  requestId,
  userIdentity,
  nominalHashRate: 0,
  maxTarget: new Uint8Array(32).fill(0xff),
  minExtranonceSize: 4
})

/** On the first channel, for a job that there never was. */
const badShare: Mining.ToServer = {
  _tag: "SubmitSharesExtended",
  channelId: 2,
  sequenceNumber: 1,
  jobId: 0,
  nonce: 0,
  ntime: 0,
  version: 0x20000000,
  extranonce: new Uint8Array(8)
}

/** Text that means something in URLs and pages. */
const HOSTILE = ["%ff", "a/b?c=%41&d#e;f", "<script>alert(1)</script>", "__proto__", " ", "é 🐙"]
/** More than there are on a page. */
const CROWD = Array.from({ length: 110 }, (_, index) => `crowd${index}`)

it("statistics are totals, users by hash rate in pages, and one user with its workers", async () => {
  const runtime = ManagedRuntime.make(surroundings)
  onTestFinished(() => runtime.dispose())
  const provider = await runtime.runPromise(Effect.map(TemplateProvider, ({ address }) => address))
  const provided = `stratum2+tcp+plain://127.0.0.1:${provider.port}`
  const [mining, http] = await freePorts(2)
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--http-listen", `127.0.0.1:${http}`].concat(
      ["--template-provider", provided, "--shares-per-minute", "600"],
      ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
    )
  )
  await pool.find(/The operators' page is at/)
  const url = `http://127.0.0.1:${http}`
  const { monitor } = await Effect.runPromise(makeClient({ url }))
  const before = await Effect.runPromise(monitor.overview())
  assert.deepInclude(before, { connections: 0, accepted: 0, bestDifficulty: 0, users: 0 })
  assert.deepStrictEqual(before.hashRates, { oneMinute: 0, fiveMinutes: 0, oneHour: 0, day: null })
  assert.deepStrictEqual(await Effect.runPromise(monitor.users({ query: {} })), { total: 0, offset: 0, items: [] })

  const miner = new Sluice(
    ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${mining}`, "--user", "alice.rig 1", "--json"].concat([
      "--channel",
      "extended"
    ])
  )
  await runtime.runPromise(
    Effect.gen(function* () {
      const security = { _tag: "plain" } as const
      const connection = yield* (yield* MiningDialer).dial({ host: "127.0.0.1", port: mining!, security })
      const names = [...HOSTILE, ...CROWD].map((user) => `${user}.worker`)
      yield* connection.send(names.map((userIdentity, requestId) => open(requestId, userIdentity)))
      yield* connection.send([badShare])
      yield* connection.receive.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "SubmitShares.Error"),
        Stream.runDrain
      )
      yield* Effect.promise(() => miner.find(/"event":"ShareAccepted"/))
      // A picture of all channels is at most two seconds old.
      let first = yield* monitor.users({ query: {} })
      while (first.total < 1 + HOSTILE.length + CROWD.length || first.items[0]!.accepted === 0) {
        yield* Effect.sleep(200)
        first = yield* monitor.users({ query: {} })
      }
      const overview = yield* monitor.overview()
      assert.deepInclude(overview.upstream, { state: "connected", server: provided })
      assert.deepStrictEqual(overview.channels, { standard: 0, extended: 1 + HOSTILE.length + CROWD.length })
      assert.deepInclude(overview, { connections: 2, users: first.total })
      // Shares of the miner may have been on their way when one of them was a block.
      const { "stale-share": _, ...refused } = overview.refused
      assert.deepStrictEqual(refused, { "invalid-job-id": 1 })
      assert.isAbove(overview.hashRates.fiveMinutes, 0)
      assert.isAbove(overview.bestDifficulty, 0)
      assert.isNull(overview.uncreditedDifficulty)

      assert.strictEqual(first.items.length, 100)
      assert.deepInclude(first.items[0], { user: "alice", channels: 1 })
      assert.doesNotHaveAnyKeys(first.items[0]!.refusedByCode, ["invalid-job-id"])
      const second = yield* monitor.users({ query: { limit: 1000, offset: 100 } })
      assert.sameMembers(
        [...first.items, ...second.items].map(({ user }) => user),
        ["alice", ...HOSTILE, ...CROWD]
      )
      assert.deepStrictEqual((yield* monitor.users({ query: { offset: 5000 } })).items, [])
      const alice = yield* monitor.user({ params: { name: "alice" }, query: {} })
      assert.strictEqual(alice.workers.items[0]?.worker, "alice.rig 1")
      assert.deepStrictEqual([alice.account, alice.nextPayment], [null, null])
      for (const user of HOSTILE) {
        const found = yield* monitor.user({ params: { name: user }, query: {} })
        assert.deepInclude(found, { user, accepted: 0, lastShareAt: 0, bestDifficulty: 0 })
        assert.deepStrictEqual(found.refusedByCode, user === HOSTILE[0] ? { "invalid-job-id": 1 } : {})
        assert.strictEqual(found.workers.items[0]?.worker, `${user}.worker`)
        const { items } = yield* monitor.channels({ query: { search: `${user}.worker` } })
        assert.include(
          items.map(({ worker }) => worker),
          `${user}.worker`
        )
      }
      for (const name of ["bob", "alice.rig 1", "Alice", "%", "\u00ff\n"]) {
        assert.strictEqual((yield* Effect.flip(monitor.user({ params: { name }, query: {} })))._tag, "NotFound")
      }
    }).pipe(Effect.scoped)
  )

  assert.strictEqual((await miner.stop("SIGTERM")).status, 0)
  assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
}, 120_000)
