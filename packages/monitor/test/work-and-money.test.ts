import { scriptForAddress } from "@sluice/bitcoin"
import { makeClient, type MonitoredLedger } from "@sluice/monitor"
import { Effect, Redacted } from "effect"
import { assert, describe, it } from "vitest"
import type { AccountView, PayoutView } from "../src/api/ledger.ts"
import { luckOf } from "../src/api/luck.ts"
import { ChannelPoints } from "../src/follow/channel-points.ts"
import { channelStats, emptyStats, served, StandIn } from "./stand-in.ts"

const ALICE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const POOL = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const script = (address: string) => scriptForAddress(address, "regtest")
const token = Redacted.make("token")

/** A job at this height whose coinbase pays alice and the pool. */
const job = (height: number, alice: bigint, pool: bigint) => ({
  jobId: height,
  height,
  coinbases: 1,
  outputs: [
    { value: alice, script: script(ALICE) },
    { value: pool, script: script(POOL) },
    { value: 0n, script: Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed) }
  ]
})

const account = (user: string | null, balance: number): AccountView => ({
  user,
  earned: balance,
  paid: 0,
  adjusted: 0,
  balance
})
const payout: PayoutView = {
  height: 7,
  hash: "ab".repeat(32),
  at: 1,
  state: "found",
  reward: 5_000_000_000,
  scheme: "pplns",
  users: 1,
  paid: 4_900_000_000
}

/** A ledger that knows alice and the pool. */
const ledgerOf = () => {
  const done: Array<unknown> = []
  let balance = 100
  const payouts: Array<PayoutView> = []
  const alice = () => account(ALICE, balance)
  const ledger: MonitoredLedger = {
    accounts: Effect.sync(() => [alice(), account(null, -balance)]),
    account: (user) => Effect.sync(() => (user === ALICE ? alice() : undefined)),
    entries: (_, { offset }) =>
      Effect.succeed({
        total: 1,
        offset,
        items: [
          { id: 1, at: 1, kind: "earned" as const, satoshis: 100, height: 7, hash: payout.hash, reason: "" }
        ].slice(offset)
      }),
    blockCount: Effect.sync(() => payouts.length),
    payouts: ({ limit, offset }) => Effect.sync(() => payouts.toReversed().slice(offset, offset + limit)),
    payments: (hash) =>
      Effect.succeed(
        hash === payout.hash ? { payout, payments: [{ user: ALICE, earned: 1, paid: payout.paid }] } : undefined
      ),
    plan: (reward) =>
      Effect.succeed({
        scheme: "pplns",
        windowFilled: 0.5,
        minimum: 10_000,
        pool: 1,
        payments: [{ user: ALICE, earned: Number(reward) - 1, paid: Number(reward) - 1 }]
      }),
    userOf: (one) => (Buffer.compare(one, script(ALICE)) === 0 ? ALICE : undefined),
    adjust: (user, satoshis, reason) =>
      Effect.sync(() => (done.push([user, satoshis, reason]), (balance += Number(satoshis))))
  }
  return { ledger, done, payouts }
}

describe("the present job", () => {
  it("shows its outputs with who is paid, and its fees against those of the block before", async () => {
    const standIn = new StandIn()
    await served(standIn, { chain: "regtest", ledger: ledgerOf().ledger }, (url) =>
      Effect.gen(function* () {
        const { monitor } = yield* makeClient({ url })
        assert.deepStrictEqual(yield* monitor.coinbase(), { coinbase: null })
        standIn.job = job(100, 4_900_000_000n, 100_070_000n)
        assert.deepInclude((yield* monitor.coinbase()).coinbase, { fees: 70_000, feesBefore: null })
        standIn.job = job(101, 4_900_000_000n, 100_012_345n)
        const { coinbase } = yield* monitor.coinbase()
        assert.deepInclude(coinbase, {
          height: 101,
          reward: 5_000_012_345,
          subsidy: 5_000_000_000,
          fees: 12_345,
          feesBefore: 70_000
        })
        assert.deepStrictEqual(
          coinbase!.outputs.map(({ address, kind, user }) => [kind, address, user]),
          [
            ["user", ALICE, ALICE],
            ["output", POOL, null],
            ["commitment", null, null]
          ]
        )
        assert.approximately(coinbase!.outputs[0]!.part, 0.98, 0.001)
        // Of regtest, whose subsidy halves every 150 blocks.
        standIn.job = job(300, 1_250_000_000n, 999n)
        assert.deepInclude((yield* monitor.coinbase()).coinbase, {
          subsidy: 1_250_000_000,
          fees: 999,
          feesBefore: null
        })
      })
    )
  })
})

describe("a channel", () => {
  it("has its difficulty and its hash rate over time while it is open", async () => {
    const standIn = new StandIn()
    const { channel } = channelStats(1, "alice.rig")
    await served(standIn, {}, (url) =>
      Effect.gen(function* () {
        const { monitor } = yield* makeClient({ url })
        const read = monitor.channelHistory({ params: { connectionId: "1", channelId: "2" } })
        assert.strictEqual((yield* Effect.flip(read))._tag, "NotFound")
        yield* standIn.publish({ _tag: "ChannelOpened", channel, nominalHashRate: 1, difficulty: 0.1 })
        yield* standIn.publish({ _tag: "TargetChanged", channel, difficulty: 65_536.25 })
        const history = yield* read
        assert.deepInclude(history, {
          worker: "alice.rig",
          difficulty: [0.1, 65_536.25],
          hashRate: [null, null]
        })
        yield* standIn.publish({ _tag: "ChannelClosed", channel, reason: "x" })
        assert.strictEqual((yield* Effect.flip(read))._tag, "NotFound")
        for (const path of ["1/x", "-1/2", "1/2.5", "1/99999999999999999999", "%00/2"]) {
          const { status } = yield* Effect.promise(() => fetch(`${url}/api/channels/${path}/history`))
          assert.strictEqual(status, 400, path)
        }
      })
    )
  })

  it("has at most 240 points, the newest ones in order, and none when it is gone", () => {
    const points = new ChannelPoints()
    const channel = { connectionId: 1, channelId: 2 }
    for (let second = 0; second < 1000; second++) points.changed(channel, "a", second, second * 1000)
    const { at, difficulty } = points.history(channel)!
    assert.deepStrictEqual([at.length, at[0], at.at(-1)], [240, 760_000, 999_000])
    assert.deepStrictEqual(
      difficulty,
      Array.from({ length: 240 }, (_, index) => 760 + index)
    )
    points.keep([])
    assert.isUndefined(points.history(channel))
  })
})

describe("luck", () => {
  it("is what was found for what was expected, with the range of chance", () => {
    assert.isUndefined(luckOf([]))
    const one = luckOf([2])!
    assert.deepInclude(one, { blocks: 1, luck: 0.5 })
    // One block takes between 0.025 and 3.69 of its mean work in 95 of 100 cases.
    assert.approximately(one.usualLow, 1 / 3.69, 0.01)
    assert.isAbove(one.usualHigh, 25)
    const hundred = luckOf(Array.from({ length: 100 }, () => 1))!
    assert.approximately(hundred.usualLow, 100 / 120.5, 0.01)
    assert.approximately(hundred.usualHigh, 100 / 81.4, 0.01)
  })

  it("counts the work of each block from the one before", async () => {
    const standIn = new StandIn()
    const { channel } = channelStats(1, "alice.rig")
    const found = { _tag: "BlockFound", channel, height: 7, hash: "ab".repeat(32), found: {} as never } as const
    const prevHash = { prevHash: "00".repeat(32), nbits: 0x1d00ffff, connections: 0, latencyMs: 0 } as const
    await served(standIn, {}, (url) =>
      Effect.gen(function* () {
        const { monitor } = yield* makeClient({ url })
        assert.deepStrictEqual(yield* monitor.luck(), { effort: null, last10: null, last100: null, all: null })
        // Difficulty 1.
        yield* standIn.publish({ _tag: "PrevHashSent", jobId: 1, height: 7, ...prevHash })
        standIn.stats = { ...emptyStats, acceptedDifficulty: 3 }
        yield* standIn.publish({ ...found, refusal: undefined })
        yield* standIn.publish({ ...found, refusal: "stale-share" })
        standIn.stats = { ...emptyStats, acceptedDifficulty: 4 }
        yield* standIn.publish({ ...found, refusal: undefined })
        const { all, effort } = yield* monitor.luck()
        assert.strictEqual(effort, 0)
        assert.deepInclude(all, { blocks: 2, luck: 0.5 })
        const { items } = yield* monitor.blocks({ query: {} })
        assert.deepStrictEqual(
          items.map(({ effort }) => effort),
          [1, null, 3]
        )
      })
    )
  })
})

describe("money", () => {
  it("without a ledger is nowhere", async () => {
    await served(new StandIn(), { token }, (url) =>
      Effect.gen(function* () {
        const { control, ledger, monitor } = yield* makeClient({ url, token })
        assert.isFalse((yield* monitor.overview()).hasLedger)
        assert.strictEqual((yield* Effect.flip(ledger.accounts({ query: {} })))._tag, "NotFound")
        const payload = { user: ALICE, satoshis: 1, reason: "x" }
        assert.strictEqual((yield* Effect.flip(control.adjust({ payload })))._tag, "NotFound")
      })
    )
  })

  it("is shown as accounts, payouts and the next payout, and by link to the user alone", async () => {
    const standIn = new StandIn()
    standIn.channels = [channelStats(1, `${ALICE}.rig`)]
    standIn.job = job(8, 4_999_999_999n, 1n)
    const { ledger: books, payouts } = ledgerOf()
    payouts.push(payout)
    await served(standIn, { token, ledger: books }, (url) =>
      Effect.gen(function* () {
        const { ledger, monitor, shared } = yield* makeClient({ url })
        assert.isTrue((yield* monitor.overview()).hasLedger)
        const accounts = yield* ledger.accounts({ query: { sort: "balance", order: "asc" } })
        assert.deepStrictEqual(
          accounts.items.map(({ user }) => user),
          [null, ALICE]
        )
        const alice = yield* ledger.account({ params: { name: ALICE }, query: {} })
        assert.deepStrictEqual([alice.balance, alice.entries.total], [100, 1])
        assert.strictEqual(
          (yield* Effect.flip(ledger.account({ params: { name: "bob" }, query: {} })))._tag,
          "NotFound"
        )
        assert.deepStrictEqual((yield* ledger.payouts({ query: {} })).items, [payout])
        assert.deepStrictEqual((yield* ledger.payouts({ query: { offset: 5 } })).items, [])
        const { hash } = payout
        assert.strictEqual((yield* ledger.payments({ params: { hash }, query: {} })).payments.items[0]?.user, ALICE)
        const other = { hash: "00".repeat(32) }
        assert.strictEqual((yield* Effect.flip(ledger.payments({ params: other, query: {} })))._tag, "NotFound")
        for (const bad of [hash.toUpperCase(), "ab", `${hash}0`, "%00"]) {
          const { status } = yield* Effect.promise(() => fetch(`${url}/api/ledger/payouts/${bad}`))
          assert.strictEqual(status, bad.length > 64 ? 400 : 404, bad)
        }
        const plan = yield* ledger.plan({ query: { limit: 1 } })
        assert.deepInclude(plan, { height: 8, reward: 5_000_000_000, total: 1, windowFilled: 0.5 })
        const { link } = yield* monitor.userLink({ params: { name: ALICE } })
        const params = { link: link.slice("/#/shared/".length) }
        const own = yield* shared.user({ params, query: {} })
        assert.deepStrictEqual([own.account?.balance, own.nextPayment], [100, 4_999_999_999])
        assert.strictEqual((yield* shared.account({ params, query: {} })).balance, 100)
        const forged = { link: `${params.link}x` }
        assert.strictEqual((yield* Effect.flip(shared.account({ params: forged, query: {} })))._tag, "NotFound")
      })
    )
  })

  it("is adjusted with the token, for an account that there is and with a reason, and that is written down", async () => {
    const { done, ledger } = ledgerOf()
    await served(new StandIn(), { token, ledger }, (url) =>
      Effect.gen(function* () {
        const { control, monitor } = yield* makeClient({ url, token })
        const { control: stranger } = yield* makeClient({ url, token: Redacted.make("Token") })
        const payload = { user: ALICE, satoshis: -30, reason: "paid by hand" }
        assert.strictEqual((yield* Effect.flip(stranger.adjust({ payload })))._tag, "Unauthorized")
        assert.deepStrictEqual(done, [])
        assert.deepStrictEqual(yield* control.adjust({ payload }), { user: ALICE, balance: 70 })
        const nobody = { ...payload, user: "bob" }
        assert.strictEqual((yield* Effect.flip(control.adjust({ payload: nobody })))._tag, "NotFound")
        const hostile = [
          { satoshis: 0 },
          { satoshis: 1.5 },
          { satoshis: 1e300 },
          { satoshis: "5" },
          { reason: "" },
          { reason: "x".repeat(256) },
          { user: "" },
          { user: null },
          { more: 1 }
        ]
        for (const part of hostile) {
          const { status } = yield* Effect.promise(() =>
            fetch(`${url}/api/ledger/adjust`, {
              method: "POST",
              headers: { "content-type": "application/json", authorization: "Bearer token" },
              body: JSON.stringify({ ...payload, ...part })
            })
          )
          assert.strictEqual(status, 400, JSON.stringify(part))
        }
        const elsewhere = yield* Effect.promise(() =>
          fetch(`${url}/api/ledger/adjust`, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              authorization: "Bearer token",
              origin: "https://evil.example"
            },
            body: JSON.stringify(payload)
          })
        )
        assert.strictEqual(elsewhere.status, 403)
        assert.deepStrictEqual(done, [[ALICE, -30n, "paid by hand"]])
        const { items } = yield* monitor.audit({ query: {} })
        assert.deepStrictEqual(
          items.map(({ action, outcome }) => [action, outcome]),
          [
            ["adjust", '"bob" is no miner and has no account.'],
            ["adjust", "done"]
          ]
        )
        assert.include(items[1]!.subject, "paid by hand")
      })
    )
  })

  it("that a block pays to users is told as an alert, once", async () => {
    const { ledger, payouts } = ledgerOf()
    payouts.push({ ...payout, hash: "01".repeat(32), height: 6 })
    await served(new StandIn(), { ledger }, (_, { alerts }) =>
      Effect.gen(function* () {
        yield* alerts.look
        payouts.push(payout, { ...payout, hash: "02".repeat(32), height: 8, users: 0, paid: 0 })
        yield* alerts.look
        yield* alerts.look
        assert.deepStrictEqual(
          alerts.views().map(({ message, name }) => [name, message]),
          [["payout-made", "Block 7 pays 4900000000 satoshis to one user."]]
        )
      })
    )
  })
})
