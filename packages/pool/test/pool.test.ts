import { assert, describe, it } from "@effect/vitest"
import { addWitness, coinbaseTags, scriptForAddress, splitCoinbase } from "@sluice/bitcoin"
import { type ShareAccepted, u256FromBytes } from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { TemplateFeed } from "@sluice/template-provider"
import { FrameDialer } from "@sluice/transport"
import { Effect, Exit, Fiber, Layer, Logger, Queue, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Pool } from "../src/index.ts"
import { type MiningServerEvent, ShareLogError, shareSink, ShareSinkError } from "@sluice/mining-server"
import { setupFrame } from "@sluice/testing/setup-frame"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import {
  COINBASE_ADDRESS,
  giveWork,
  memoryWorld,
  options,
  PoolAddress,
  poolStats,
  publish
} from "@sluice/testing/pool-worlds"

/** Lets everything that can happen now happen. */
const settle = TestClock.adjust(0)

/** All events from now on, in an array that grows. */
const watch = Effect.gen(function* () {
  const found: Array<MiningServerEvent> = []
  yield* (yield* Pool).events.pipe(
    Stream.runForEach((event) => Effect.sync(() => found.push(event))),
    Effect.forkScoped({ startImmediately: true })
  )
  return found
})

const tags = (events: ReadonlyArray<MiningServerEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)

describe("jobs", () => {
  it.effect("go to channels that were opened before the first template as soon as it comes", () =>
    Effect.gen(function* () {
      const client = yield* TestClient.connect()
      yield* client.send(openExtended(), openStandard({ requestId: 2 }))
      yield* client.expect("OpenExtendedMiningChannel.Success")
      yield* client.expect("OpenStandardMiningChannel.Success")
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      yield* giveWork
      const job = yield* client.expect("NewExtendedMiningJob")
      const prevHash = yield* client.expect("SetNewPrevHash")
      assert.deepInclude(prevHash, { channelId: 1, jobId: job.jobId, prevHash: bytes(1), minNtime: 1_800_000_000 })
      assert.strictEqual(job.minNtime, undefined)
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("pay the pool's address and carry its tag", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.send(openExtended())
      yield* client.expect("OpenExtendedMiningChannel.Success")
      const job = yield* client.expect("NewExtendedMiningJob")
      const source = template(1)
      const { prefix, suffix } = Result.getOrThrow(
        splitCoinbase({
          version: source.coinbaseTxVersion,
          prefix: source.coinbasePrefix,
          tags: coinbaseTags("My Pool", ""),
          extranonceSize: 24,
          sequence: source.coinbaseTxInputSequence,
          outputs: [{ value: 5_000_000_000n, script: scriptForAddress(COINBASE_ADDRESS, "regtest") }],
          templateOutputs: source.coinbaseTxOutputs,
          templateOutputsCount: 1,
          lockTime: source.coinbaseTxLocktime
        })
      )
      // The script ends with the job's id.
      prefix[41]! += 5
      const jobId = new Uint8Array(4)
      new DataView(jobId.buffer).setUint32(0, job.jobId)
      assert.deepStrictEqual(new Uint8Array(job.coinbaseTxPrefix), prefix)
      assert.deepStrictEqual(new Uint8Array(job.coinbaseTxSuffix), Uint8Array.of(4, ...jobId, ...suffix))
    }).pipe(Effect.provide(memoryWorld({ tag: "My Pool" })))
  )

  it.effect("go once to a group, and to each channel of a client that requires standard jobs", () =>
    Effect.gen(function* () {
      yield* giveWork
      const proxy = yield* TestClient.connect()
      const device = yield* TestClient.connect({ flags: Mining.REQUIRES_STANDARD_JOBS })
      for (let i = 0; i < 3; i++) {
        yield* proxy.open(openStandard({ requestId: i }))
        yield* device.open(openStandard({ requestId: i }))
      }
      yield* publish(template(2))
      assert.strictEqual((yield* proxy.expect("NewExtendedMiningJob")).channelId, 1)
      const roots = new Set<string>()
      for (const channelId of [2, 3, 4]) {
        const job = yield* device.expect("NewMiningJob")
        assert.strictEqual(job.channelId, channelId)
        roots.add(Buffer.from(job.merkleRoot).toString("hex"))
      }
      assert.strictEqual(roots.size, 3)
      assert.deepStrictEqual([yield* proxy.waiting, yield* device.waiting], [0, 0])
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("have ids that a restarted pool does not repeat", () =>
    Effect.gen(function* () {
      const firstJobId = Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        return (yield* client.open(openExtended())).jobId
      }).pipe(Effect.provide(memoryWorld()))
      const before = yield* firstJobId
      yield* TestClock.adjust("1 second")
      assert.isAbove(yield* firstJobId, before)
    })
  )

  it.effect("keep coming after the template provider sent a message that makes no work", () =>
    Effect.gen(function* () {
      const events = yield* watch
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.open(openExtended())
      yield* publish(template(2, { coinbasePrefix: bytes(1, 70) }), template(3))
      assert.strictEqual((yield* client.expect("NewExtendedMiningJob")).channelId, 1)
      yield* settle
      assert.include(tags(events), "WorkIgnored")
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("a share", () => {
  it.effect("is recorded before it is acknowledged", () => {
    const recorded: Array<ShareAccepted> = []
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended({ userIdentity: "alice.1" }))
      yield* client.send(miner.mine(), miner.mine(), miner.mine({ bad: true }))
      yield* client.expect("SubmitShares.Error")
      const { newSubmitsAcceptedCount } = yield* client.expect("SubmitShares.Success")
      assert.strictEqual(newSubmitsAcceptedCount, recorded.length)
      assert.deepStrictEqual(
        recorded.map(({ channel, sequenceNumber }) => [channel.userIdentity, sequenceNumber]),
        [
          ["alice.1", 1],
          ["alice.1", 2]
        ]
      )
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [shareSink((share) => void recorded.push(share))] })))
  })

  it.effect("that cannot be recorded is not acknowledged, and ends that connection alone", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
      const miner = yield* client.open(openExtended({ userIdentity: "broken" }))
      const good = yield* other.open(openExtended())
      yield* client.send(miner.mine())
      const end = yield* Effect.flip(client.expect("SubmitShares.Success"))
      assert.strictEqual(end._tag, "TransportError")
      yield* other.send(good.mine())
      yield* other.expect("SubmitShares.Success")
    }).pipe(
      Effect.provide(
        memoryWorld({
          shareSinks: [
            shareSink(({ channel }) => {
              if (channel.userIdentity === "broken") throw new Error("the disk is full")
            })
          ]
        })
      )
    )
  )

  it.effect("that cannot be recorded is not acknowledged by a template that comes meanwhile", () => {
    let hasFailed = () => {}
    const onShare = () => {
      hasFailed()
      throw new Error("the disk is full")
    }
    return Effect.gen(function* () {
      const feed = yield* TemplateFeed
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      hasFailed = () => Effect.runFork(feed.publish([template(2)]))
      yield* client.send(miner.mine())
      const came: Array<string> = []
      const end = yield* Effect.flip(Effect.forever(Effect.map(client.next, ({ _tag }) => came.push(_tag))))
      assert.strictEqual(end._tag, "TransportError")
      assert.notInclude(came, "SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [shareSink(onShare)] })))
  })

  it.effect("that the share log cannot write ends its connection, and one log line says what to mend", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
    const { message } = new ShareLogError({
      path: "shares.ndjson",
      cause: new Error("ENOSPC: no space left on device")
    })
    const shareSinks = [{ record: () => Effect.fail(new ShareSinkError({ message })) }]
    return Effect.gen(function* () {
      const events = yield* watch
      yield* giveWork
      for (let i = 0; i < 3; i++) {
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* client.ended
      }
      yield* settle
      const said = lines.filter((line) => /^(Error|Fatal)/.test(line))
      assert.strictEqual(said.length, 1, said.join("\n"))
      assert.match(
        said[0]!,
        /^Error .*the share log shares\.ndjson cannot be written: ENOSPC.*its shares are not acknowledged until the fault is mended$/
      )
      const reasons = events.filter((event) => event._tag === "ConnectionClosed").map(({ reason }) => reason)
      assert.strictEqual(reasons.length, 3)
      assert.match(reasons[0]!, /^the share log/)
    }).pipe(Effect.provide(memoryWorld({ shareSinks }, {}, logger)))
  })

  it.effect("that cannot be recorded because of a defect ends its connection with that reason", () =>
    Effect.gen(function* () {
      const events = yield* watch
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* client.ended
      yield* settle
      const closed = events.find((event) => event._tag === "ConnectionClosed")
      assert.strictEqual(closed?.reason, "a defect of the server")
    }).pipe(
      Effect.provide(
        memoryWorld({
          shareSinks: [
            shareSink(() => {
              throw new TypeError("undefined is not a function")
            })
          ]
        })
      )
    )
  )

  it.effect("that cannot be recorded and is a block goes to the template provider all the same", () =>
    Effect.gen(function* () {
      yield* publish(futureTemplate(1), newPrevHash(1, { target: ANY_TARGET, nbits: 0x207fffff }))
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* client.ended
      const solution = yield* Queue.take((yield* TemplateFeed).solutions)
      assert.strictEqual(solution.templateId, 1n)
      const { accepted, blocks, channels } = yield* poolStats
      assert.deepStrictEqual([accepted, blocks, channels.length], [0, 1, 0])
    }).pipe(
      Effect.provide(
        memoryWorld({
          shareSinks: [{ record: () => Effect.fail(new ShareSinkError({ message: "the disk is full" })) }]
        })
      )
    )
  )

  it.effect("which meets the network's target goes to the template provider as a block with its whole coinbase", () =>
    Effect.gen(function* () {
      const events = yield* watch
      yield* publish(futureTemplate(1), newPrevHash(1, { target: ANY_TARGET, nbits: 0x207fffff }))
      const client = yield* TestClient.connect()
      yield* client.send(openExtended())
      const { extranoncePrefix } = yield* client.expect("OpenExtendedMiningChannel.Success")
      const job = yield* client.expect("NewExtendedMiningJob")
      const { minNtime } = yield* client.expect("SetNewPrevHash")
      const extranonce = bytes(9, 8)
      const { channelId, sequenceNumber, nonce } = { channelId: 2, sequenceNumber: 1, nonce: 77 }
      const { jobId } = job
      const version = job.version | 0x1fffffe0
      yield* client.send({
        _tag: "SubmitSharesExtended",
        channelId,
        sequenceNumber,
        jobId,
        nonce,
        ntime: minNtime,
        version,
        extranonce
      })
      const { solutions } = yield* TemplateFeed
      const solution = yield* Queue.take(solutions)
      const stripped = Buffer.concat([job.coinbaseTxPrefix, extranoncePrefix, extranonce, job.coinbaseTxSuffix])
      assert.deepStrictEqual(solution, {
        _tag: "SubmitSolution",
        templateId: 1n,
        version,
        headerTimestamp: minNtime,
        headerNonce: nonce,
        coinbaseTx: addWitness(new Uint8Array(stripped))
      })
      yield* client.expect("SubmitShares.Success")
      assert.includeMembers([...tags(events)], ["ShareAccepted", "BlockFound"])
      assert.strictEqual((yield* poolStats).blocks, 1)
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("a connection", () => {
  it.effect("that opens no channel within a minute is ended; one that does stays", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [idle, busy] = [yield* TestClient.connect(), yield* TestClient.connect()]
      const miner = yield* busy.open(openExtended())
      const ended = yield* Effect.forkChild(idle.ended)
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual((yield* poolStats).connections, 2)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Fiber.join(ended))._tag, "TransportError")
      assert.strictEqual((yield* poolStats).connections, 1)
      yield* busy.send(miner.mine())
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("that does not read delays no other, and is ended when too many bytes wait for it", () =>
    Effect.gen(function* () {
      const events = yield* watch
      yield* giveWork
      const reader = yield* TestClient.connect()
      yield* reader.open(openExtended())
      const { dial } = yield* FrameDialer
      // Opens a channel and never reads again.
      const deaf = yield* dial(yield* PoolAddress)
      yield* deaf.write([setupFrame({ endpointPort: 1 }), Mining.protocol.toServer.encode(openExtended())])
      yield* settle
      for (let id = 2; id < 40; id++) {
        yield* publish(template(id))
        yield* reader.expect("NewExtendedMiningJob")
      }
      yield* settle
      const closed = events.filter((event) => event._tag === "ConnectionClosed")
      assert.match(closed[0]?.reason ?? "", /does not read/)
      assert.strictEqual((yield* poolStats).connections, 1)
    }).pipe(Effect.provide(memoryWorld({ maxPendingBytes: 4096 }, { capacity: 1024 })))
  )

  it.effect("gives its prefixes back when it ends", () =>
    Effect.gen(function* () {
      yield* giveWork
      const fill = Effect.gen(function* () {
        const client = yield* TestClient.connect()
        for (let i = 0; i < 256; i++) yield* client.open(openExtended({ requestId: i }))
      }).pipe(Effect.scoped)
      yield* fill
      yield* settle
      assert.strictEqual((yield* poolStats).channels.length, 0)
      yield* fill
    }).pipe(Effect.provide(memoryWorld({ extranonce: { indexSize: 1 } })))
  )

  it.effect("gets its acknowledgements before the pool stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const world = yield* Layer.buildWithScope(memoryWorld(), scope)
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(...Array.from({ length: 19 }, () => miner.mine()))
        const counts: Array<number> = []
        while (counts.reduce((sum, count) => sum + count, 0) < 19) {
          const success = yield* client.expect("SubmitShares.Success")
          counts.push(success.newSubmitsAcceptedCount)
          // Stops while some are on their way.
          if (counts.length === 1) yield* Scope.close(scope, Exit.void)
        }
        assert.deepStrictEqual(counts, [10, 9])
        assert.strictEqual((yield* client.ended)._tag, "TransportError")
      }).pipe(Effect.provide(world))
    })
  )

  it.effect("lowers its difficulty in time when its hash rate falls", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended({ nominalHashRate: 1e6 }))
      yield* TestClock.adjust("3 minutes")
      const { maximumTarget } = yield* client.expect("SetTarget")
      assert.isTrue(u256FromBytes(maximumTarget) > miner.target)
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("a pool reports", () => {
  it.effect("the events of a connection in order, and counts that equal their sum", () =>
    Effect.gen(function* () {
      yield* settle
      const events = yield* watch
      yield* giveWork
      yield* Effect.gen(function* () {
        const client = yield* TestClient.connect({ device: { vendor: "ACME\n" } })
        const miner = yield* client.open(openExtended({ userIdentity: "bob" }))
        yield* client.send(miner.mine(), miner.mine({ bad: true }), openStandard({ userIdentity: "" }))
        yield* client.expect("SubmitShares.Error")
        yield* client.expect("OpenMiningChannel.Error")
        yield* client.expect("SubmitShares.Success")
        const { accepted, channels, connections, refused } = yield* poolStats
        assert.deepStrictEqual([accepted, refused, connections], [1, { "difficulty-too-low": 1 }, 1])
        assert.deepInclude(channels[0], { accepted: 1, refused: { "difficulty-too-low": 1 }, blocks: 0 })
        assert.strictEqual(channels[0]?.channel.userIdentity, "bob")
      }).pipe(Effect.scoped)
      yield* settle
      assert.deepStrictEqual(tags(events), [
        "JobSent",
        "PrevHashSent",
        "ConnectionOpened",
        "ChannelOpened",
        "ShareRefused",
        "ChannelRefused",
        "ShareAccepted",
        "ChannelClosed",
        "ConnectionClosed"
      ])
      assert.deepInclude(events[0], { height: 159, future: true, connections: 0 })
      assert.nestedInclude(events[2], { "device.vendor": "ACME\ufffd" })
      const { accepted, channels, height, latency, templates, upstream } = yield* poolStats
      assert.deepStrictEqual(
        { accepted, channels, height, templates },
        { accepted: 1, channels: [], height: 159, templates: 1 }
      )
      assert.strictEqual(latency.count, 1)
      assert.strictEqual(upstream._tag, "Connected")
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("the loss of the template provider, while miners go on", () =>
    Effect.gen(function* () {
      const events = yield* watch
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      const { setState } = yield* TemplateFeed
      yield* setState({ _tag: "Disconnected", server: "somewhere", reason: "gone" })
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
      assert.strictEqual((yield* poolStats).upstream._tag, "Disconnected")
      assert.include(tags(events), "SourceChanged")
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("events to other subscribers although one does not read", () =>
    Effect.gen(function* () {
      yield* giveWork
      yield* (yield* Pool).events.pipe(
        Stream.runForEach(() => Effect.never),
        Effect.forkScoped({ startImmediately: true })
      )
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      for (let i = 0; i < 20; i++) {
        yield* client.send(miner.mine())
        yield* client.expect("SubmitShares.Success")
      }
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("impossible options", () => {
  const cases: ReadonlyArray<readonly [option: string, fields: Parameters<typeof options>[0], message: RegExp]> = [
    ["coinbaseAddress", { coinbaseAddress: "bc1qnonsense" }, /bc1qnonsense is not a Bitcoin address/],
    ["coinbaseAddress", { chain: "main" }, /is an address of regtest, and this is mainnet/],
    ["tag", { tag: "x".repeat(90) }, /100 bytes/],
    ["extranonce", { extranonce: { fullSize: 40 } }, /at most 32 bytes/],
    ["extranonce", { extranonce: { fullSize: 8 } }, /do not fit/],
    ["sharesPerMinute", { policy: { sharesPerMinute: 0 } }, /above 0/],
    [
      "maxSharesPerSecond",
      { policy: { sharesPerMinute: 60, maxSharesPerSecond: 19 } },
      /a number from 20 on, for 60 shares a minute; got 19/
    ],
    ["minHashRate", { policy: { minHashRate: Number.NaN } }, /from 0 on/],
    ["shareBatchSize", { policy: { shareBatchSize: 0.5 } }, /whole number/],
    ["ntimeDriftSeconds", { policy: { ntimeDriftSeconds: -1 } }, /from 0 on/]
  ]
  for (const [option, fields, message] of cases) {
    it.effect(`${option}: ${JSON.stringify(fields)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Layer.build(memoryWorld(fields)))
        assert.strictEqual(error.option, option)
        assert.match(error.message, message)
      })
    )
  }

  it.effect("tells its template source how much room its coinbase takes", () =>
    Effect.gen(function* () {
      const feed = yield* TemplateFeed
      assert.deepStrictEqual(yield* Queue.take(feed.constraints), {
        coinbaseOutputMaxAdditionalSize: 31,
        coinbaseOutputMaxAdditionalSigops: 0
      })
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("supports every flag and the names of workers", () =>
    Effect.gen(function* () {
      const { connection } = yield* TestClient.connect({ flags: 7, extensions: [WorkerIdentity.extension] })
      assert.deepInclude(connection.setup, { flags: 0, extensions: [WorkerIdentity.extension.id] })
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("without version rolling, refuses clients that require it and tells the others", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(TestClient.connect({ flags: 7 }))
      assert.include(refused.message, '"unsupported-feature-flags", because of flags 0x4')
      const { connection } = yield* TestClient.connect({ flags: 3 })
      assert.strictEqual(connection.setup.flags, Mining.REQUIRES_FIXED_VERSION)
    }).pipe(Effect.provide(memoryWorld({ versionRolling: false })))
  )
})
