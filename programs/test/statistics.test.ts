/** What a pool that runs tells of its miners over HTTP, whatever they call themselves. */
import { DevNode } from "@sluice/dev-node"
import { MiningServerStats, UsersPage, UserWithChannels } from "@sluice/mining-server"
import type { Mining } from "@sluice/protocol"
import { TemplateProvider } from "@sluice/template-provider"
import { MiningDialer, Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, ManagedRuntime, Schema, Stream } from "effect"
import { assert, expect, it, onTestFinished } from "vitest"
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

it("statistics are totals, users by hash rate in pages, and one user with its channels", async () => {
  const runtime = ManagedRuntime.make(surroundings)
  onTestFinished(() => runtime.dispose())
  const provider = await runtime.runPromise(Effect.map(TemplateProvider, ({ address }) => address))
  const provided = `stratum2+tcp+plain://127.0.0.1:${provider.port}`
  const [mining, metrics] = await freePorts(2)
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--metrics-listen", `127.0.0.1:${metrics}`].concat(
      ["--template-provider", provided, "--shares-per-minute", "600"],
      ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
    )
  )
  await pool.find(/Metrics are at/)
  const at = (path: string): string => `http://127.0.0.1:${metrics}${path}`
  const get = async <A>(schema: Schema.Codec<A, unknown>, path: string): Promise<A> => {
    const response = await fetch(at(path))
    assert.deepStrictEqual([response.status, response.headers.get("content-type")], [200, "application/json"], path)
    return Schema.decodeUnknownSync(schema)(await response.json())
  }

  const before = await get(MiningServerStats, "/stats")
  assert.deepInclude(before, { connections: 0, accepted: 0, bestDifficulty: 0, users: 0 })
  assert.deepStrictEqual(before.hashRates, { oneMinute: 0, fiveMinutes: 0, oneHour: 0, sinceStart: 0 })
  assert.deepStrictEqual(await get(UsersPage, "/users"), { total: 0, offset: 0, users: [] })

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
      yield* Effect.promise(check)
    }).pipe(Effect.scoped)
  )

  async function check(): Promise<void> {
    const stats = await get(MiningServerStats, "/stats")
    assert.deepStrictEqual(stats.upstream, { _tag: "Connected", server: provided })
    assert.deepStrictEqual(stats.channels, { standard: 0, extended: 1 + HOSTILE.length + CROWD.length })
    assert.deepInclude(stats, { connections: 2, users: stats.channels.extended, refused: { "invalid-job-id": 1 } })
    assert.isAbove(stats.accepted, 0)
    assert.isAbove(stats.hashRates.fiveMinutes, 0)
    assert.isAbove(stats.bestDifficulty, 0)

    const first = await get(UsersPage, "/users")
    assert.deepStrictEqual([first.total, first.offset, first.users.length], [stats.users, 0, 100])
    assert.deepInclude(first.users[0], { user: "alice", channels: 1, refused: {} })
    const second = await get(UsersPage, "/users?limit=1000&offset=100")
    assert.deepStrictEqual([second.total, second.offset], [stats.users, 100])
    const all = [...first.users, ...second.users]
    assert.sameMembers(
      all.map(({ user }) => user),
      ["alice", ...HOSTILE, ...CROWD]
    )
    assert.strictEqual((await get(UsersPage, "/users?offset=5000")).users.length, 0)

    const alice = await get(UserWithChannels, "/users/alice?limit=1")
    assert.strictEqual(alice.openChannels.length, 1)
    const [channel] = alice.openChannels
    assert.deepInclude(channel?.channel, { kind: "extended", userIdentity: "alice.rig 1" })
    assert.deepStrictEqual(channel?.accepted, alice.accepted)
    assert.deepStrictEqual(channel?.bestDifficulty, alice.bestDifficulty)
    assert.deepStrictEqual((await get(UserWithChannels, "/users/alice?offset=1")).openChannels, [])

    const WithPath = Schema.Struct({ users: Schema.Array(Schema.Struct({ user: Schema.String, path: Schema.String })) })
    const paths = (await get(WithPath, "/users?limit=1000")).users
    for (const user of HOSTILE) {
      const path = paths.find((found) => found.user === user)!.path
      assert.match(path, /^\/users\/[\w%.!~*'()-]*$/)
      const { openChannels, ...found } = await get(UserWithChannels, path)
      assert.deepInclude(found, { user, accepted: 0, lastShareAt: 0, bestDifficulty: 0 })
      assert.deepStrictEqual(found.refused, user === HOSTILE[0] ? { "invalid-job-id": 1 } : {})
      assert.strictEqual(openChannels[0]?.channel.userIdentity, `${user}.worker`)
    }
  }

  const refused = async (path: string) => {
    const response = await fetch(at(path))
    assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
    return { status: response.status, ...((await response.json()) as { readonly detail: string }) }
  }
  for (const query of [
    "limit=0",
    "limit=1001",
    "limit=1e2",
    "offset=-1",
    "offset=%00",
    "offset=99999999999999999999"
  ]) {
    const { detail, status } = await refused(`/users?${query}`)
    assert.strictEqual(status, 400)
    assert.match(detail, /^(limit|offset): expected a whole number from \d+ to \d+, got "/)
  }
  expect(await refused("/users/alice?limt=5")).toMatchObject({
    status: 400,
    detail: 'Expected limit and offset, got "limt".'
  })
  for (const name of ["bob", "alice.rig%201", "Alice", "%", "%ff%0a", "x".repeat(5000)]) {
    const { detail, status } = await refused(`/users/${name}`)
    assert.strictEqual(status, 404)
    assert.match(detail, /^There is no user ".*": a name is the part of a miner.s identity before the first dot/)
    assert.isBelow(detail.length, 400)
  }
  const other = await fetch(at("/statistics"))
  assert.deepStrictEqual([other.status, await other.text()], [404, "See /metrics, /stats, /users, /users/NAME\n"])
  const post = await fetch(at("/users"), { method: "POST" })
  assert.deepStrictEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"])
  const head = await fetch(at("/stats"), { method: "HEAD" })
  assert.deepStrictEqual([head.status, await head.text()], [200, ""])

  assert.strictEqual((await miner.stop("SIGTERM")).status, 0)
  assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
}, 120_000)
