/**
 * `node packages/monitor/browser/scene.ts [PORT]`: a pool of ten thousand workers that only exists in numbers, with a week of
 * history, for work on the page and for the pictures in the documents. The token is `scene`.
 */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Effect, Redacted } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { MonitoredLedger } from "@sluice/monitor"
import type { AccountView, PayoutView } from "../src/api/ledger.ts"
import type { ChannelView } from "../src/api/miners.ts"
import { openDatabase } from "../src/history/database.ts"
import { Samples } from "../src/history/samples.ts"
import { WorkerDays } from "../src/history/worker-days.ts"
import { channelStats, emptyStats, served, StandIn } from "../test/stand-in.ts"

const WORKERS = 10_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Of a block whose compact target is `NBITS`. */
const NBITS = 0x17_02_1f_ff
const NETWORK_DIFFICULTY = (0xffff / 0x02_1f_ff) * 256 ** (0x1d - 0x17)
const SHARE_DIFFICULTY = 1_600_000
const HEIGHT = 927_412
const SUBSIDY = 312_500_000
const FEES = 4_871_350

/** The same numbers at each start, so that pictures differ only where the page does. */
const seeded = (seed: number) => () => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296
  return seed / 4_294_967_296
}
const random = seeded(7)
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("")
const blockHash = (): string => `${"0".repeat(20)}${hex(44)}`

const farms = ["aurora", "birch", "cascade", "delta", "ember", "fjord", "granite", "harbour", "iris", "juniper"]
const channels = Array.from({ length: WORKERS }, (_, index) => {
  const farm = farms[Math.floor(farms.length * (index / WORKERS) ** 1.4)]!
  const name = `${farm}.r${String((index % 60) + 1).padStart(2, "0")}-u${String(Math.floor(index / 60) % 40).padStart(2, "0")}`
  const rate = Math.max(40e12, (index % 3 === 0 ? 335e12 : index % 3 === 1 ? 234e12 : 151e12) * (1 + 0.05 * normal()))
  const shares = Math.round(2000 + 6000 * random())
  const stats = channelStats(index + 1, name, 1, Date.now() - Math.round((0.2 + 9 * random()) * DAY))
  const refused = random() < 0.2 ? Math.round(random() * 14) : 0
  return {
    ...stats,
    accepted: shares,
    acceptedDifficulty: shares * SHARE_DIFFICULTY,
    refused: refused === 0 ? {} : { "stale-share": refused },
    difficulty: 2 ** Math.round(Math.log2((rate * 10) / HASHES_PER_DIFFICULTY)),
    bestDifficulty: SHARE_DIFFICULTY / random(),
    hashRates: { oneMinute: rate, fiveMinutes: rate, oneHour: rate, sinceStart: rate }
  }
})
// Its history is seeded, so it connected lately.
Object.assign(channels[0]!, {
  openedAt: Date.now() - 6_600_000,
  accepted: 15,
  acceptedDifficulty: 15 * SHARE_DIFFICULTY,
  refused: {}
})
const total = channels.reduce((sum, { hashRates }) => sum + hashRates.fiveMinutes, 0)

/** The part of the full rate at a moment: some racks were off for two hours, and days are warmer than nights. */
const levelAt = (at: number, now: number): number => {
  const hoursAgo = (now - at) / HOUR
  const outage = hoursAgo > 13 && hoursAgo < 15.2 ? 0.14 : 0
  return 1 - outage + 0.012 * Math.sin((at / DAY) * 2 * Math.PI) + 0.006 * normal()
}

const seed = (path: string, now: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* openDatabase(path)
      const samples = new Samples(database)
      const insert = "insert into blocks (at, height, hash, worker, refusal, effort) values (?, ?, ?, ?, null, ?)"
      const addBlock = database.prepare(insert)
      for (const [index, took] of [1.62, 0.11, 0.74, 2.31, 0.46, 0.93, 0.28, 1.17, 0.55, 0.19, 1.4].entries()) {
        const at = now - (30 - 2.6 * index) * DAY
        const worker = channels[(index * 811) % WORKERS]!.channel.userIdentity
        addBlock.run(at, HEIGHT - 4320 + 375 * index, blockHash(), worker, took)
      }
      let effort = 1.1
      const step = 10_000
      database.exec("pragma synchronous = off")
      for (let at = now - DAY; at < now; at += step) {
        const start = Math.floor(at / step) * step
        const hashRate = total * levelAt(at, now)
        const accepted = Math.round((hashRate * 10) / HASHES_PER_DIFFICULTY / SHARE_DIFFICULTY)
        effort += (hashRate * 10) / HASHES_PER_DIFFICULTY / NETWORK_DIFFICULTY
        const isBlock = Math.abs(now - at - 19.3 * HOUR) < step / 2
        if (isBlock) {
          addBlock.run(start, HEIGHT - 118, blockHash(), channels[0]!.channel.userIdentity, effort)
          effort = 0
        }
        const stale = Math.round(accepted * (random() < 0.03 ? 0.02 : 0.0012 * (1 + random())))
        const low = Math.round(accepted * 0.0003 * random() * 2)
        samples.write({
          at: start,
          hashRate: hashRate * (1 + normal() / Math.sqrt(accepted)),
          accepted,
          refused: stale + low,
          connections: Math.round(WORKERS * (levelAt(at, now) > 0.95 ? 1 : 0.86)),
          workers: Math.round(WORKERS * (levelAt(at, now) > 0.95 ? 1 : 0.86)),
          jobLatencyMs: 6 + 2 * random() + (random() < 0.02 ? 30 * random() : 0),
          replyLatencyMs: 0.7 + 0.3 * random(),
          effort,
          blocks: isBlock ? 1 : 0,
          fees: Math.round(FEES * (0.55 + 0.45 * (1 - ((now - at) % (0.2 * HOUR)) / (0.2 * HOUR)) + 0.02 * random())),
          refusedByCode: { "stale-share": stale, "difficulty-too-low": low }
        })
      }
      const days = new WorkerDays(database, now - 3 * DAY)
      for (let at = now - 3 * DAY; at < now; at += 600_000) {
        const shares = Math.round(100 * levelAt(at, now) * (1 + 0.1 * normal()))
        days.add(channels[0]!.channel.userIdentity, { accepted: shares, refused: 0, difficulty: shares * 1e6 }, at)
        days.write(1)
      }
    })
  )

const standIn = new StandIn()
standIn.channels = channels
let begun = Date.now()
const before = channels.reduce((sum, { accepted }) => sum + accepted, 0)
const stats = () => {
  const shares = Math.round((((Date.now() - begun) / 1000) * total) / HASHES_PER_DIFFICULTY / SHARE_DIFFICULTY)
  return {
    ...emptyStats,
    startedAt: begun - 9.3 * DAY,
    upstream: { _tag: "Connected", server: "stratum2+tcp://10.0.4.2:8442" } as const,
    height: HEIGHT,
    connections: WORKERS,
    channels: { standard: 0, extended: WORKERS },
    users: farms.length,
    templates: 26_800,
    prevHashes: 1340,
    accepted: before + shares,
    acceptedDifficulty: shares * SHARE_DIFFICULTY,
    refused: {
      "stale-share": Math.round((before + shares) * 0.0018),
      "difficulty-too-low": Math.round(before * 0.0003)
    },
    blocks: 3,
    bestDifficulty: 4.1e13,
    hashRates: { oneMinute: total * 1.004, fiveMinutes: total * 1.001, oneHour: total * 0.998, sinceStart: total },
    latency: { count: 26_800, last: 6.4, mean: 6.9, max: 48 }
  }
}

/** Addresses that nobody has the key of. */
const outputs = [...farms, "pool"].map((user) => ({
  user,
  script: Uint8Array.from([0x00, 0x14, ...Array.from({ length: 20 }, () => Math.floor(random() * 256))])
}))
const parts = new Map(
  Array.from(
    Map.groupBy(channels, ({ channel }) => channel.userIdentity.split(".")[0]!),
    ([user, own]) => [user, own.reduce((sum, { hashRates }) => sum + hashRates.fiveMinutes, 0) / total]
  )
)
const REWARD = SUBSIDY + FEES
const POOL = Math.round(REWARD * 0.015)
const payments = farms
  .map((user) => ({ user, paid: Math.round((REWARD - POOL) * (parts.get(user) ?? 0)) }))
  .toSorted((a, b) => b.paid - a.paid)
  .map(({ paid, user }) => ({ user, paid, earned: paid }))
const left = REWARD - POOL - payments.reduce((sum, { paid }) => sum + paid, 0)

/** The job whose coinbase pays by this plan. */
const jobWith = (fees: number) => ({
  jobId: 26_801,
  height: HEIGHT,
  coinbases: 1,
  outputs: [
    ...payments.map(({ paid, user }) => ({
      value: BigInt(paid),
      script: outputs.find((output) => output.user === user)!.script
    })),
    { value: BigInt(POOL + left + fees - FEES), script: outputs.at(-1)!.script },
    { value: 0n, script: Uint8Array.from([0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed, ...Array.from({ length: 32 }, () => 7)]) }
  ]
})

const payouts = Array.from({ length: 12 }, (_, index): PayoutView => {
  const reward = SUBSIDY + Math.round(FEES * (0.6 + random()))
  const users = farms.length - (index > 8 ? 2 : 0)
  return {
    height: HEIGHT - 118 - 375 * index,
    hash: blockHash(),
    at: Date.now() - (0.8 + 2.6 * index) * DAY,
    state: index === 0 ? "found" : index === 4 ? "orphaned" : "confirmed",
    reward,
    scheme: "pplns",
    users,
    paid: Math.round(reward * 0.985)
  }
})
const accounts = [
  ...payments.map(({ paid, user }, index): AccountView => {
    const earned = paid * 11 + index * 7919
    return { user, earned, paid: paid * 11, adjusted: index === 3 ? 25_000 : 0, balance: index * 7919 }
  }),
  { user: null, earned: POOL * 12, paid: POOL * 12, adjusted: -25_000, balance: -25_000 }
]
const accountOf = (name: string) => accounts.find(({ user }) => user === name)
const ledger: MonitoredLedger = {
  accounts: Effect.succeed(accounts),
  account: (user) => Effect.sync(() => accountOf(user)),
  entries: (user, { offset }) =>
    Effect.succeed({
      total: payouts.length,
      offset,
      items: payouts.slice(offset).map(({ at, hash, height }, index) => ({
        id: index + 1,
        at,
        kind: "earned",
        satoshis: payments.find((payment) => payment.user === user)?.earned ?? POOL,
        height,
        hash,
        reason: ""
      }))
    }),
  blockCount: Effect.succeed(payouts.length),
  payouts: ({ limit, offset }) => Effect.succeed(payouts.slice(offset, offset + limit)),
  payments: (hash) =>
    Effect.sync(() => {
      const payout = payouts.find((one) => one.hash === hash)
      return payout && { payout, payments }
    }),
  plan: () => Effect.succeed({ scheme: "pplns", windowFilled: 1, minimum: 10_000, pool: POOL + left, payments }),
  userOf: (script) =>
    outputs.slice(0, -1).find((output) => output.script.every((byte, at) => byte === script[at]))?.user,
  adjust: (user) => Effect.sync(() => accountOf(user)?.balance ?? 0)
}

const directory = mkdtempSync(join(tmpdir(), "sluice-scene-"))
process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
process.on("SIGINT", () => process.exit())
process.on("SIGTERM", () => process.exit())
const historyFile = join(directory, "history.sqlite")
await Effect.runPromise(seed(historyFile, Date.now()))
begun = Date.now()
standIn.stats = stats()
setInterval(() => (standIn.stats = stats()), 500)

const listen = { host: "127.0.0.1", port: Number(process.argv[2] ?? 8080) }
const options = { token: Redacted.make("scene"), historyFile, listen, chain: "main", ledger } as const
await served(standIn, options, (url, { followed }) =>
  Effect.gen(function* () {
    console.log(`The scene is at ${url}`)
    yield* standIn.publish({
      _tag: "PrevHashSent",
      jobId: 1,
      height: HEIGHT,
      prevHash: blockHash(),
      nbits: NBITS,
      connections: WORKERS,
      latencyMs: 7.1
    })
    const { channel, hashRates } = channels[0]!
    const [worker, { channelId, connectionId }] = [channel.userIdentity, channel]
    for (let step = 0; step < 220; step++) {
      const at = Date.now() - (220 - step) * 30_000
      const difficulty = Math.min(2 ** 20, 2 ** (12 + 2 * step))
      const hashRateMinute = hashRates.fiveMinutes * Math.max(0, 1 + 0.25 * normal())
      followed.points.note({ connectionId, channelId, worker, difficulty, hashRateMinute } as ChannelView, at)
    }
    standIn.job = jobWith(FEES)
    for (let jobId = 2; ; jobId++) {
      const sent = { jobId, height: HEIGHT, future: false, connections: WORKERS, latencyMs: 5.5 + 3 * random() }
      yield* standIn.publish({ _tag: "JobSent", ...sent })
      yield* Effect.sleep("15 seconds")
    }
  })
)
