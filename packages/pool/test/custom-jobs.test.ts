/** A pool whose clients set their own jobs. */
import { assert, describe, it } from "@effect/vitest"
import { doubleSha256, hashToDisplay, merkleRootFromPath, parseTransaction } from "@sluice/bitcoin"
import { type ShareAccepted, u256ToBytes } from "@sluice/channels"
import { type CustomBlock, digestOfJob } from "@sluice/job-declaration"
import { shareSink } from "@sluice/mining-server"
import { TemplateFeed } from "@sluice/template-provider"
import { asPoolsJob } from "@sluice/testing/custom-job"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import {
  COINBASE_ADDRESS,
  giveWork,
  memoryWorld,
  newBlock,
  poolStats,
  publish,
  tcpWorld
} from "@sluice/testing/pool-worlds"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { Effect, Exit, Layer, Logger, Metric, Queue } from "effect"
import { TestClock } from "effect/testing"
import type { CustomWorkOptions, PoolOptions } from "../src/index.ts"
import { coinbaseOnly, connect, customJob, freshToken, PAYOUT_SCRIPT, setJob, tokens } from "./custom-jobs-client.ts"

const options = (fields: Partial<PoolOptions> = {}): Partial<PoolOptions> => ({ customJobs: { tokens }, ...fields })

/** One hash of 1,024 is a block. */
const BLOCK = { target: u256ToBytes(2n ** 246n - 1n) }

describe("a client that selects its work", () => {
  const logged: Array<ShareAccepted> = []
  it.effect("gets only its own jobs, and its shares are recorded and counted like those of others", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect({ userIdentity: "user.rig" })
      const jobId = yield* setJob(client, miner)
      yield* publish(template(2))
      yield* client.send(miner.mine(), miner.mine())
      const { newSubmitsAcceptedCount } = yield* client.expect("SubmitShares.Success")
      assert.strictEqual(newSubmitsAcceptedCount, 2)
      assert.deepStrictEqual(
        logged.map(({ channel, jobId }) => [channel.userIdentity, jobId]),
        [
          ["user.rig", jobId],
          ["user.rig", jobId]
        ]
      )
      const { accepted, customJobs, users } = yield* poolStats
      assert.deepStrictEqual([accepted, customJobs], [2, { accepted: 1, refused: {} }])
      assert.deepInclude(users[0], { user: "user", accepted: 2 })
      yield* newBlock(3)
      yield* client.send(miner.mine())
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "stale-share")
      yield* client.send(customJob(miner.channelId, yield* coinbaseOnly()))
      assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "stale-chain-tip")
      yield* setJob(client, miner, customJob(miner.channelId, yield* coinbaseOnly(), {}, { tip: 3 }))
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
      assert.deepStrictEqual((yield* poolStats).customJobs, { accepted: 2, refused: { "stale-chain-tip": 1 } })
    }).pipe(Effect.provide(memoryWorld(options({ shareSinks: [shareSink((share) => logged.push(share))] }))))
  )

  it.effect("does not keep others from their jobs, which the pool makes", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      const other = yield* TestClient.connect()
      const theirs = yield* other.open(openExtended())
      yield* setJob(client, miner)
      yield* publish(template(2))
      theirs.receive(yield* other.expect("NewExtendedMiningJob"))
      yield* other.send(theirs.mine())
      yield* other.expect("SubmitShares.Success")
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(memoryWorld(options())))
  )

  it.effect("that hears of a block before the pool gets its answer when the pool hears of it too", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      const ahead = Effect.map(coinbaseOnly(), (token) => customJob(miner.channelId, token, {}, { tip: 2 }))
      const job = yield* ahead
      yield* client.send(job)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* client.waiting, 0)
      yield* newBlock(2)
      const { jobId } = yield* client.expect("SetCustomMiningJob.Success")
      for (const work of asPoolsJob(job, jobId, 24)) miner.receive(work)
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* poolStats).customJobs.accepted, 1)
    }).pipe(Effect.provide(memoryWorld(options())))
  )

  it.effect("that is on a block of which the pool never hears is told so after some seconds", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      yield* client.send(customJob(miner.channelId, yield* coinbaseOnly(), {}, { tip: 9 }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "stale-chain-tip")
      yield* setJob(client, miner)
    }).pipe(Effect.provide(memoryWorld(options())))
  )

  it.live("sets a job for all channels of its group over real sockets", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      yield* client.send(openExtended({ requestId: 2, userIdentity: "user.other" }))
      const { channelId } = yield* client.expect("OpenExtendedMiningChannel.Success")
      yield* client.send(customJob(1, yield* coinbaseOnly(), { requestId: 9 }))
      const { channelId: group, jobId } = yield* client.expect("SetCustomMiningJob.Success")
      assert.strictEqual(group, 1)
      yield* client.send({
        _tag: "SubmitSharesExtended",
        channelId,
        sequenceNumber: 5,
        jobId,
        nonce: 0,
        ntime: 1_800_000_000,
        version: 0x20000000,
        extranonce: new Uint8Array(3)
      })
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "bad-extranonce-size")
      yield* setJob(client, miner)
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
    }).pipe(Effect.scoped, Effect.provide(tcpWorld(options())))
  )
})

describe("a block of a custom job", () => {
  const world = (found: Array<CustomBlock>, isKnown = true) =>
    memoryWorld(
      options({
        customJobs: {
          tokens,
          submitBlock: (block) =>
            Effect.sync(() => {
              found.push(block)
              return isKnown
            })
        }
      })
    )

  const mineBlock = Effect.fnUntraced(function* (mode: "declared" | "coinbase-only") {
    yield* newBlock(1, BLOCK)
    const { client, miner } = yield* connect()
    miner.target = 2n ** 246n - 1n
    const allocated = yield* freshToken(mode === "declared" ? "full-template" : mode)
    const job = customJob(miner.channelId, tokens.allocate(allocated))
    const token = mode === "declared" ? tokens.declare(allocated, job) : job.miningJobToken
    yield* setJob(client, miner, { ...job, miningJobToken: token })
    const share = miner.mine()
    yield* client.send(share, { ...share, sequenceNumber: 99 })
    yield* client.expect("SubmitShares.Success")
    yield* client.expect("SubmitShares.Error")
    return { allocated, job, share }
  })

  const declared: Array<CustomBlock> = []
  it.effect(
    "goes once to the declarator that has its transactions, with its coinbase and header, and not to the provider",
    () =>
      Effect.gen(function* () {
        const { solutions } = yield* TemplateFeed
        const { allocated, job, share } = yield* mineBlock("declared")
        assert.lengthOf(declared, 1)
        const block = declared[0]!
        assert.deepStrictEqual([block.serial, block.mode, block.height], [allocated.serial, "full-template", 159])
        const { nonce, ntime, version } = share
        assert.deepInclude(block, { nonce, ntime, version, nbits: job.nbits, userIdentity: "user.worker" })
        const coinbase = parseTransaction(block.coinbase)
        assert.deepStrictEqual(coinbase.witnesses, [[new Uint8Array(32)]])
        const script = Buffer.from(coinbase.inputs[0]!.script)
        assert.isTrue(script.subarray(-24).equals(Buffer.from(block.extranonce)))
        const header = Buffer.alloc(80)
        header.writeUInt32LE(block.version, 0)
        header.set(block.prevHash, 4)
        header.set(merkleRootFromPath(coinbase.txid, job.merklePath), 36)
        header.writeUInt32LE(block.ntime, 68)
        header.writeUInt32LE(block.nbits, 72)
        header.writeUInt32LE(block.nonce, 76)
        assert.strictEqual(hashToDisplay(doubleSha256(header)), block.hash)
        assert.strictEqual(yield* Queue.size(solutions), 0)
        assert.strictEqual((yield* poolStats).blocks, 1)
      }).pipe(Effect.provide(world(declared)))
  )

  const kept: Array<CustomBlock> = []
  it.effect("is only its client's to submit in coinbase-only mode", () =>
    Effect.gen(function* () {
      yield* mineBlock("coinbase-only")
      assert.deepStrictEqual(kept, [])
      assert.strictEqual((yield* poolStats).blocks, 1)
    }).pipe(Effect.provide(world(kept)))
  )

  it.effect("is in the log, with who can submit it", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(Array.isArray(message) ? message[0] : message)))
    const run = (customJobs: CustomWorkOptions) =>
      Effect.scoped(Effect.andThen(mineBlock("declared"), TestClock.adjust(1))).pipe(
        Effect.provide(memoryWorld({ customJobs }, {}, logger))
      )
    return Effect.gen(function* () {
      yield* run({ tokens })
      assert.isTrue(lines.some((line) => /Only its client can submit block 159.*another process/.test(line)))
      yield* run({ tokens, submitBlock: () => Effect.succeed(false) })
      assert.isTrue(lines.some((line) => /has forgotten its transactions/.test(line)))
    })
  })
})

describe("a pool's payout in custom jobs", () => {
  const share = (value: bigint) => ({ value, script: PAYOUT_SCRIPT })
  const taken = { value: 2n, script: Uint8Array.of(0x51) }

  it.effect("must be at least min-payout-percent of the value", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      const job = (...outputs: ReadonlyArray<typeof taken>) =>
        Effect.map(coinbaseOnly(), (token) => customJob(miner.channelId, token, {}, { outputs }))
      yield* client.send(yield* job(share(97n), taken))
      assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "invalid-coinbase-tx-outputs")
      yield* setJob(client, miner, yield* job(taken, share(98n)))
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld(options({ customJobs: { tokens, minPayoutPercent: 98 } }))))
  )

  it.effect("must have all outputs of a pool with several, and the value on the first", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      const fee = Buffer.from("0014" + "11".repeat(20), "hex")
      const job = (...outputs: ReadonlyArray<typeof taken>) =>
        Effect.map(coinbaseOnly(), (token) => customJob(miner.channelId, token, {}, { outputs }))
      yield* client.send(yield* job(share(100n)))
      const { errorCode } = yield* client.expect("SetCustomMiningJob.Error")
      assert.strictEqual(errorCode, "invalid-coinbase-tx-outputs")
      yield* setJob(client, miner, yield* job({ value: 0n, script: new Uint8Array(fee) }, share(100n)))
    }).pipe(
      Effect.provide(
        memoryWorld({
          ...options(),
          coinbaseAddress: undefined!,
          coinbaseOutputs: [
            { to: COINBASE_ADDRESS, percent: 97.5 },
            { to: "raw(0014" + "11".repeat(20) + ")", percent: 2.5 }
          ]
        })
      )
    )
  )

  it.effect.each([
    ["minPayoutPercent", { customJobs: { tokens, minPayoutPercent: 0 } }],
    ["minPayoutPercent", { customJobs: { tokens, minPayoutPercent: 100.1 } }],
    ["minPayoutPercent", { customJobs: { tokens, minPayoutPercent: 1.00001 } }],
    ["customJobs", { customJobs: { tokens }, solo: { feePercent: 1 } }]
  ] as const)("is refused as an option that cannot be: %s, %o", ([option, fields]) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(memoryWorld(fields))))
      assert.isTrue(Exit.isFailure(exit) && exit.cause.toString().includes(`${option}: `))
    })
  )
})

describe("a flood of SetCustomMiningJob", () => {
  const count = (name: string, reason?: string) =>
    Effect.map(Metric.snapshot, (metrics) => {
      const metric = metrics.find(({ attributes, id }) => id === name && attributes?.["reason"] === reason)
      return metric?.type === "Counter" ? metric.state.count : undefined
    })

  it.effect("with tokens that nobody made ends its connection, and an honest client is served beside", () =>
    Effect.gen(function* () {
      yield* giveWork
      const flood = yield* connect()
      const honest = yield* connect()
      yield* setJob(honest.client, honest.miner)
      const forged = customJob(flood.miner.channelId, new Uint8Array(86).fill(1))
      yield* flood.client.send(...Array.from({ length: 200 }, () => forged))
      assert.match((yield* flood.client.ended).message, /ended|closed/)
      assert.strictEqual(yield* count("sluice_pool_connections_evicted_total", "too_many_errors"), 1)
      // The first 128 were answered in one go.
      assert.strictEqual(yield* count("sluice_pool_custom_jobs_refused_total", "invalid-mining-job-token"), 128)
      yield* honest.client.send(honest.miner.mine())
      yield* honest.client.expect("SubmitShares.Success")
    }).pipe(
      Effect.provide(memoryWorld(options({ traffic: { maxErrorsPerSecond: 10 } }))),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("is read more slowly the larger its messages are, also if none is an error", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { client, miner } = yield* connect()
      // 512 * 128 bytes: such a message counts as 533.
      const outputs = [
        { value: 1n, script: PAYOUT_SCRIPT },
        { value: 0n, script: new Uint8Array(65_400) }
      ]
      yield* setJob(client, miner)
      yield* newBlock(2)
      yield* setJob(client, miner, customJob(miner.channelId, yield* coinbaseOnly(), {}, { tip: 2 }))
      const large = customJob(miner.channelId, yield* coinbaseOnly(), {}, { outputs })
      for (let i = 0; i < 4; i++) {
        yield* client.send(large)
        yield* client.expect("SetCustomMiningJob.Error")
      }
      assert.strictEqual(yield* count("sluice_pool_slow_downs_total"), 1)
      yield* client.send(large)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("500 millis")
      yield* client.expect("SetCustomMiningJob.Error")
      // A job for an earlier block is no mistake.
      assert.isUndefined(yield* count("sluice_pool_connections_evicted_total", "too_many_errors"))
    }).pipe(
      Effect.provide(memoryWorld(options({ traffic: { maxMessagesPerSecond: 200, maxErrorsPerSecond: 0.1 } }))),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("with good tokens is refused above the connection's limit, and serves others", () =>
    Effect.gen(function* () {
      yield* giveWork
      const busy = yield* connect()
      const honest = yield* connect()
      for (let i = 0; i < 3; i++) yield* setJob(busy.client, busy.miner)
      yield* busy.client.send(customJob(busy.miner.channelId, yield* coinbaseOnly()))
      assert.strictEqual((yield* busy.client.expect("SetCustomMiningJob.Error")).errorCode, "too-many-custom-jobs")
      yield* setJob(honest.client, honest.miner)
      yield* busy.client.send(busy.miner.mine())
      yield* busy.client.expect("SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld(options({ customJobs: { tokens, limits: { maxUsedTokensPerConnection: 3 } } }))))
  )

  it.effect("gives all memory back when its connections end", () =>
    Effect.gen(function* () {
      yield* publish(futureTemplate(1), newPrevHash(1))
      for (let round = 0; round < 3; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { client, miner } = yield* connect()
            for (let i = 0; i < 20; i++) yield* setJob(client, miner)
          })
        )
        yield* TestClock.adjust(1)
      }
      const { client, miner } = yield* connect()
      yield* setJob(client, miner)
    }).pipe(
      // Twenty jobs of a channel, of which sixteen are kept, have about 20,000 bytes.
      Effect.provide(memoryWorld(options({ customJobs: { tokens, limits: { maxBytesPerAddress: 30_000 } } })))
    )
  )
})

it("the digest of a declared job has no more than what SetCustomMiningJob repeats", () => {
  const job = customJob(2, new Uint8Array(0))
  assert.deepStrictEqual(
    digestOfJob(job),
    digestOfJob({ ...job, channelId: 9, requestId: 9, minNtime: 9 } as typeof job)
  )
})
