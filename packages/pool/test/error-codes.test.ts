/** Every error code that a channel opening, an update or a share can get, over a connection that is good afterwards. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import type { ConnectionError, DialError } from "@sluice/transport"
import { Effect } from "effect"
import { TemplateFeed } from "@sluice/template-provider"
import type { PoolOptions } from "../src/index.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, NO_TARGET } from "@sluice/testing/templates"
import { type Miner, openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, tcpWorld, type World } from "@sluice/testing/pool-worlds"

interface Case {
  readonly name: string
  readonly options?: Partial<PoolOptions>
  readonly run: Effect.Effect<unknown, ConnectionError | DialError, World>
}

const users: Partial<PoolOptions> = {
  policy: {
    refuseUser: (user) => (user === "stranger" ? "unknown-user" : user === "bad" ? "invalid-user-identity" : undefined)
  }
}

const opening = (
  code: string,
  what: string,
  request: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
  { flags = 0, ...options }: Partial<PoolOptions> & { readonly flags?: number } = users
): Case => ({
  name: `open: ${code}, for ${what}`,
  options,
  run: Effect.gen(function* () {
    yield* Effect.orDie(giveWork)
    const client = yield* TestClient.connect({ flags })
    yield* client.send({ ...request, requestId: 7 })
    const refusal = yield* client.expect("OpenMiningChannel.Error")
    assert.deepStrictEqual(refusal, { _tag: "OpenMiningChannel.Error", requestId: 7, errorCode: code })
    yield* isStillGood(client, flags)
  }).pipe(Effect.scoped)
})

const isStillGood = (client: TestClient, flags = 0) =>
  Effect.gen(function* () {
    const miner = yield* client.open(
      (flags & Mining.REQUIRES_STANDARD_JOBS) !== 0 ? openStandard() : openExtended({ requestId: 9 })
    )
    yield* client.send(miner.mine())
    assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
  })

const openings = [
  opening("unknown-user", "a user that the pool does not know", openStandard({ userIdentity: "stranger" })),
  opening("invalid-user-identity", "a user that the pool finds malformed", openExtended({ userIdentity: "bad" })),
  opening("invalid-user-identity", "control characters", openStandard({ userIdentity: "a\u0007" })),
  opening("invalid-user-identity", "characters that cannot be seen", openExtended({ userIdentity: "alice\u200b" })),
  opening("invalid-user-identity", "nobody", openStandard({ userIdentity: "" })),
  opening("invalid-user-identity", "a worker of nobody", openExtended({ userIdentity: ".rig1" })),
  opening("invalid-user-identity", "a dot alone", openStandard({ userIdentity: "." })),
  opening("invalid-nominal-hashrate", "NaN", openStandard({ nominalHashRate: Number.NaN })),
  opening("invalid-nominal-hashrate", "infinity", openExtended({ nominalHashRate: Number.POSITIVE_INFINITY })),
  opening("invalid-nominal-hashrate", "a negative rate", openStandard({ nominalHashRate: -1 })),
  opening("max-target-out-of-range", "a target of zero", openExtended({ maxTarget: NO_TARGET })),
  opening("min-extranonce-size-too-large", "more than there can be", openExtended({ minExtranonceSize: 33 })),
  opening("unsupported-min-extranonce-size", "more than this pool has", openExtended({ minExtranonceSize: 17 })),
  opening("extended-channels-not-supported-for-standard-jobs", "an extended channel", openExtended(), {
    flags: Mining.REQUIRES_STANDARD_JOBS
  }),
  opening("standard-channels-not-supported-for-custom-work", "a standard channel", openStandard(), {
    flags: Mining.REQUIRES_WORK_SELECTION
  })
]

const share = (
  code: string,
  what: string,
  make: (miner: Miner) => Mining.ToServer,
  options: Partial<PoolOptions> = {}
): ReadonlyArray<Case> =>
  ([openStandard(), openExtended()] as const).map((request) => ({
    name: `share: ${code}, ${what} (${request._tag})`,
    options,
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      const miner = yield* client.open(request)
      yield* client.send(make(miner))
      const refusal = yield* client.expect("SubmitShares.Error")
      assert.strictEqual(refusal.errorCode, code)
      assert.strictEqual(refusal.sequenceNumber, 1)
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  }))

const shares = [
  ...share("invalid-channel-id", "for a channel that is not there", (miner) => miner.mine({ channelId: 77 })),
  ...share("invalid-job-id", "for a job that never was", (miner) => miner.mine({ jobId: 5 })),
  ...share("difficulty-too-low", "above the target", (miner) => miner.mine({ bad: true })),
  ...share("invalid-share", "from before the previous hash", (miner) => miner.mine({ ntime: miner.ntime - 1 })),
  ...share("invalid-share", "from the far future", (miner) => miner.mine({ ntime: miner.ntime + 7300 })),
  ...share("invalid-non-rollable-version-bit", "a version that is not BIP323's", (miner) =>
    miner.mine({ version: 0x60000000 })
  ),
  ...share("version-rolling-not-allowed", "any other version", (miner) => miner.mine({ version: 0x20000020 }), {
    versionRolling: false
  })
]

const others: ReadonlyArray<Case> = [
  ...([openStandard(), openExtended()] as const).flatMap((request): ReadonlyArray<Case> => [
    {
      name: `share: duplicate-share (${request._tag})`,
      run: Effect.gen(function* () {
        yield* Effect.orDie(giveWork)
        const client = yield* TestClient.connect()
        const miner = yield* client.open(request)
        const share = miner.mine()
        yield* client.send(share)
        yield* client.expect("SubmitShares.Success")
        yield* client.send({ ...share, sequenceNumber: 2 })
        assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "duplicate-share")
        yield* isStillGood(client)
      }).pipe(Effect.scoped)
    },
    {
      name: `share: stale-share (${request._tag})`,
      run: Effect.gen(function* () {
        yield* Effect.orDie(giveWork)
        const client = yield* TestClient.connect()
        const miner = yield* client.open(request)
        const share = miner.mine()
        const { publish } = yield* TemplateFeed
        yield* Effect.orDie(publish([futureTemplate(2), newPrevHash(2)]))
        yield* client.expect("NewExtendedMiningJob")
        yield* client.expect("SetNewPrevHash")
        yield* client.send(share)
        assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "stale-share")
        yield* isStillGood(client)
      }).pipe(Effect.scoped)
    }
  ]),
  {
    name: "share: bad-extranonce-size",
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine({ extranonce: bytes(1, 7) }))
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "bad-extranonce-size")
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  },
  {
    name: "share: too-many-shares",
    options: { policy: { maxSharesPerPrevHash: 1 } },
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
      yield* client.send(miner.mine())
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "too-many-shares")
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  },
  {
    name: "open: too-many-channels",
    options: { policy: { maxChannels: 1 } },
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      const { channelId } = yield* client.open(openStandard())
      yield* client.send(openStandard())
      assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "too-many-channels")
      yield* client.send({ _tag: "CloseChannel", channelId, reasonCode: "make room" })
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  },
  {
    name: "open: extranonce-space-exhausted",
    options: { extranonce: { indexSize: 1 } },
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      for (let i = 0; i < 256; i++) yield* client.open(openExtended())
      yield* client.send(openExtended())
      assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "extranonce-space-exhausted")
      yield* client.send({ _tag: "CloseChannel", channelId: 5, reasonCode: "make room" })
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  },
  {
    name: "update: invalid-channel-id and invalid-nominal-hashrate",
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect()
      const { channelId } = yield* client.open(openExtended())
      const update = { _tag: "UpdateChannel", nominalHashRate: 1e6, maximumTarget: ANY_TARGET } as const
      yield* client.send({ ...update, channelId: 88 })
      assert.strictEqual((yield* client.expect("UpdateChannel.Error")).errorCode, "invalid-channel-id")
      yield* client.send({ ...update, channelId, nominalHashRate: Number.NaN })
      assert.strictEqual((yield* client.expect("UpdateChannel.Error")).errorCode, "invalid-nominal-hashrate")
      yield* client.send({ ...update, channelId })
      assert.strictEqual((yield* client.expect("SetTarget")).channelId, channelId)
      // The new target is so much harder that the job comes once more, to be mined with it.
      assert.strictEqual((yield* client.expect("NewExtendedMiningJob")).channelId, channelId)
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  },
  {
    name: "custom job: jd-not-supported",
    run: Effect.gen(function* () {
      yield* Effect.orDie(giveWork)
      const client = yield* TestClient.connect({ flags: Mining.REQUIRES_WORK_SELECTION })
      const { channelId } = yield* client.open(openExtended())
      yield* client.send({
        _tag: "SetCustomMiningJob",
        channelId,
        requestId: 3,
        miningJobToken: bytes(1),
        version: 0x20000000,
        prevHash: bytes(1),
        minNtime: 1,
        nbits: 1,
        coinbaseTxVersion: 2,
        coinbasePrefix: bytes(1, 4),
        coinbaseTxInputNSequence: 1,
        coinbaseTxOutputs: bytes(1, 40),
        coinbaseTxLocktime: 0,
        merklePath: []
      })
      assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "jd-not-supported")
      yield* isStillGood(client)
    }).pipe(Effect.scoped)
  }
]

const cases = [...openings, ...shares, ...others]

describe("over a connection in memory, in virtual time", () => {
  for (const { name, options, run } of cases) {
    it.effect(name, () => run.pipe(Effect.provide(memoryWorld(options)), Effect.orDie))
  }
})

describe("over TCP with Noise", () => {
  for (const { name, options, run } of cases) {
    it.live(name, () => run.pipe(Effect.provide(tcpWorld(options))))
  }
})
