import { Effect } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import type { ChannelView } from "../src/api/miners.ts"
import { WorkerNotes } from "../src/follow/worker-notes.ts"
import { openDatabase } from "../src/history/database.ts"
import { type HistoryCalls, makeHistory } from "../src/history/history.ts"
import type { Sample } from "../src/history/samples.ts"
import { hashRate } from "../src/api/hash-rate.ts"

const DAY = 86_400_000
/** The beginning of a day. */
const T = Math.floor(Date.now() / DAY) * DAY - 30 * DAY

const sample = (at: number, fields: Partial<Sample> = {}): Sample => ({
  at,
  hashRate: 1000,
  accepted: 10,
  refused: 0,
  connections: 2,
  workers: 3,
  jobLatencyMs: null,
  replyLatencyMs: 1,
  effort: 0.5,
  blocks: 0,
  fees: 1000,
  refusedByCode: {},
  ...fields
})

const channel = (worker: string, fields: Partial<ChannelView> = {}): ChannelView => ({
  connectionId: 1,
  channelId: 2,
  kind: "extended",
  worker,
  openedAt: T,
  difficulty: 1,
  hashRateMinute: 0,
  accepted: 0,
  acceptedDifficulty: 0,
  refused: 0,
  refusedByCode: {},
  blocks: 0,
  bestDifficulty: 0,
  hashRate: hashRate(0, 300, 0),
  hashRateHour: 0,
  ...fields
})

/** Adds the open channels of each note to a history. */
const noted = (addWorkers: HistoryCalls["addWorkers"]) => {
  const notes = new WorkerNotes()
  return (channels: ReadonlyArray<ChannelView>, now: number) => {
    notes.begin()
    for (const one of channels) notes.add(one)
    notes.end()
    return addWorkers(notes.workers, now)
  }
}

const file = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-history-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  return join(directory, "history.sqlite")
}

const using = <A, E>(
  path: string | undefined,
  now: number,
  use: (history: Effect.Success<ReturnType<typeof makeHistory>>) => Effect.Effect<A, E>
): Promise<A> => Effect.runPromise(Effect.scoped(Effect.flatMap(makeHistory(path, now), use)))

describe("the history of totals", () => {
  it("is kept in four resolutions: sums of what happened, means of what is", () =>
    using(undefined, T, ({ addSample, samples }) =>
      Effect.gen(function* () {
        for (let at = T; at < T + 1_200_000; at += 10_000) {
          const refusedByCode: Record<string, number> = at < T + 60_000 ? { "stale-share": 2 } : {}
          const refused = refusedByCode["stale-share"] ?? 0
          yield* addSample(sample(at, { hashRate: at < T + 600_000 ? 1000 : 3000, refused, refusedByCode }))
        }
        const minutes = samples.history("1m", T, T + 1_199_999)
        assert.deepStrictEqual([minutes.at.length, minutes.accepted[0], minutes.refused[0]], [20, 60, 12])
        const tens = samples.history("10m", T, T + 1_199_999)
        assert.deepStrictEqual(
          [tens.hashRate, tens.accepted],
          [
            [1000, 3000],
            [600, 600]
          ]
        )
        assert.deepStrictEqual(samples.history("1d", T, T + 1).hashRate, [2000])
        const refused = samples.refused("1m", T, T + 119_999)
        // A minute in which a code was not met is zero, not unknown.
        assert.deepStrictEqual(refused.byCode, { "stale-share": [12, 0] })
      })
    ))

  it("has null where nothing was measured, and no step of another resolution", () =>
    using(undefined, T, ({ addSample, samples }) =>
      Effect.gen(function* () {
        yield* addSample(sample(T))
        yield* addSample(sample(T + 40_000))
        const { accepted, at } = samples.history("10s", T - 10_000, T + 49_999)
        assert.deepStrictEqual(accepted, [null, 10, null, null, null, 10])
        assert.strictEqual(at[1], T)
        assert.deepStrictEqual(samples.history("1m", T, T + 119_999).accepted, [20, null])
      })
    ))

  it("outlives a restart, and is deleted when it is older than its resolution keeps", async () => {
    const path = await file()
    await using(path, T, ({ addBlock, addSample }) =>
      Effect.andThen(
        addSample(sample(T, { effort: 0.7 })),
        addBlock({ at: T, height: 5, hash: "00".repeat(32), worker: "alice.rig", refusal: null, effort: 0.7 })
      )
    )
    await using(path, T + DAY, ({ addSample, blocks, samples, tidy }) =>
      Effect.gen(function* () {
        assert.strictEqual(samples.lastEffort, 0.7)
        assert.strictEqual(blocks()[0]?.worker, "alice.rig")
        yield* addSample(sample(T + 10 * DAY))
        yield* tidy(T + 10 * DAY)
        const known = (resolution: "10s" | "1m" | "10m" | "1d") => samples.history(resolution, T, T + 1).accepted[0]
        assert.deepStrictEqual([known("10s"), known("1m"), known("10m"), known("1d")], [null, null, 10, 10])
      })
    )
  })

  it("in a file that is no database, or of a newer version, is a clear error before anything starts", async () => {
    const path = await file()
    await writeFile(path, "not a database ".repeat(100))
    const open = () => Effect.runPromise(Effect.scoped(Effect.flip(openDatabase(path))))
    assert.match((await open()).message, /^the history cannot be kept in .*: file is not a database/)
    await rm(path)
    const newer = openDatabase(path).pipe(Effect.map((database) => database.exec("pragma user_version = 99")))
    await Effect.runPromise(Effect.scoped(newer))
    assert.match((await open()).message, /a newer version wrote it \(form 99/)
  })

  it("that cannot be written is known as such, and stops nothing", () =>
    using(undefined, T, ({ addSample, isWritten, samples }) =>
      Effect.gen(function* () {
        const write = samples.write.bind(samples)
        samples.write = () => {
          throw new Error("database or disk is full")
        }
        yield* addSample(sample(T))
        assert.isFalse(isWritten())
        samples.write = write
        yield* addSample(sample(T))
        assert.isTrue(isWritten())
      })
    ))
})

describe("the history of a worker", () => {
  const SLOT = 600_000

  it("adds up its channels, with gaps where it was away", async () => {
    const path = await file()
    await using(path, T, ({ addWorkers, workers }) =>
      Effect.gen(function* () {
        const addChannels = noted(addWorkers)
        const two = (accepted: number) => [
          channel("alice.rig", { accepted, acceptedDifficulty: accepted * 2 }),
          channel("alice.rig", { channelId: 3, accepted, acceptedDifficulty: accepted * 2, refused: 1 })
        ]
        yield* addChannels(two(10), T)
        // Also before it is written.
        assert.deepStrictEqual(workers.history("alice.rig", T, T + 1000)?.accepted, [20])
        yield* addChannels(two(15), T + 1000)
        yield* addChannels([], T + SLOT)
        yield* addChannels(two(20), T + 2 * SLOT)
      })
    )
    await using(path, T + 2 * SLOT, ({ workers }) =>
      Effect.sync(() => {
        const history = workers.history("alice.rig", T, T + 3 * SLOT - 1)!
        assert.deepStrictEqual(history.accepted, [30, null, 40])
        assert.deepStrictEqual(history.refused, [1, null, 1])
        assert.approximately(history.hashRate[0]!, (60 * 2 ** 32) / 600, 1e6)
        assert.isUndefined(workers.history("bob.rig", T, T + SLOT))
      })
    )
  })

  it("gives the mean of the last day, over midnight, once an hour is known", () =>
    using(undefined, T, ({ workers }) =>
      Effect.sync(() => {
        for (let at = T + DAY - 3 * SLOT; at <= T + DAY + 4 * SLOT; at += SLOT) {
          workers.add("alice.rig", { difficulty: 600, accepted: 1, refused: 0 }, at)
          const mean = workers.dayMean("alice.rig", at)
          // The slot of now is not over, so it does not count.
          if (at < T + DAY + 3 * SLOT) assert.isUndefined(mean)
          else assert.approximately(mean!, 2 ** 32, 1e5)
        }
      })
    ))

  it("is not kept for names without a share, and is bounded", () =>
    using(undefined, T, ({ addWorkers, tidy, workers }) =>
      Effect.gen(function* () {
        const addChannels = noted(addWorkers)
        yield* addChannels(
          Array.from({ length: 20_050 }, (_, index) => channel(`w${index}`, { connectionId: index, accepted: 1 })),
          T
        )
        assert.strictEqual(workers.size, 20_000)
        yield* addChannels([channel("talker", { refused: 100 })], T + 1)
        assert.isUndefined(workers.history("talker", T, T + 1))
        yield* tidy(T)
        yield* tidy(T + 10 * DAY)
        assert.strictEqual(workers.size, 0)
        assert.isUndefined(workers.history("w1", T, T + 1))
      })
    ))
})

describe("the notes of workers", () => {
  const seen = (notes: WorkerNotes) =>
    Array.from(notes.workers, ({ accepted, difficulty, hashRate, refused, worker }) => ({
      worker,
      work: [difficulty, accepted, refused],
      rate: [hashRate.hashesPerSecond, hashRate.windowSeconds]
    }))
  const note = (notes: WorkerNotes, channels: ReadonlyArray<ChannelView>) => {
    notes.begin()
    for (const one of channels) notes.add(one)
    notes.end()
    return seen(notes)
  }

  it("sum the channels of a worker, since the note before", () => {
    const notes = new WorkerNotes()
    const of = (channelId: number, accepted: number, refused: number) =>
      channel("alice.rig", {
        channelId,
        accepted,
        acceptedDifficulty: accepted * 2,
        refused,
        hashRate: hashRate(accepted * 1e9, 300, 2)
      })
    assert.deepStrictEqual(note(notes, [of(2, 10, 0), of(3, 5, 1), channel("bob.rig", { connectionId: 2 })]), [
      { worker: "alice.rig", work: [30, 15, 1], rate: [15e9, 300] },
      { worker: "bob.rig", work: [0, 0, 0], rate: [0, 300] }
    ])
    assert.deepStrictEqual(note(notes, [of(2, 12, 0), of(3, 5, 1)]), [
      { worker: "alice.rig", work: [4, 2, 0], rate: [17e9, 300] }
    ])
    assert.deepStrictEqual(note(notes, []), [])
    // A channel that was away counts from its beginning: it is another one with the same numbers.
    assert.deepStrictEqual(note(notes, [of(2, 3, 0)]), [{ worker: "alice.rig", work: [6, 3, 0], rate: [3e9, 300] }])
  })

  it("have the band of a rate that several channels have together", () => {
    const rates = [1e12, 2e12].map((rate) => hashRate(rate, 300, 1000))
    const notes = new WorkerNotes()
    for (const _ of [1, 2]) {
      note(
        notes,
        rates.map((rate, index) => channel("alice.rig", { channelId: index + 2, hashRate: rate }))
      )
    }
    const sum = Array.from(notes.workers)[0]!.hashRate
    const [a, b] = [rates[0]!, rates[1]!]
    assert.approximately(sum.low, 3e12 - Math.hypot(1e12 - a.low, 2e12 - b.low), 1)
    assert.approximately(sum.high, 3e12 + Math.hypot(a.high - 1e12, b.high - 2e12), 1)
  })
})

describe("a hash rate", () => {
  it("has a band that holds the truth in 95 of 100 cases, from a few shares to many", () => {
    // Numbers with a fixed seed, so that the test says the same each time.
    let seed = 1
    const random = () => ((seed = (seed * 48_271) % 0x7fff_ffff), seed / 0x7fff_ffff)
    const poisson = (mean: number): number => {
      let count = 0
      for (let sum = -Math.log(random()); sum < mean; sum -= Math.log(random())) count++
      return count
    }
    for (const mean of [3, 10, 100]) {
      let held = 0
      for (let round = 0; round < 2000; round++) {
        const shares = poisson(mean)
        const { high, low } = hashRate(shares * 2 ** 32, 1, 1)
        if (low <= mean * 2 ** 32 && mean * 2 ** 32 <= high) held++
      }
      assert.isAbove(held / 2000, 0.93, `${mean} shares`)
      assert.isBelow(held / 2000, 0.99, `${mean} shares`)
    }
  })
})
