import { describe, expect, it } from "@effect/vitest"
import { Target } from "@sluice/core"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { Clock, Effect, Exit, Layer, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Found, HashWorkerError, HashWorkers, Miner, MinerOptionError, type MinerOptions } from "../src/index.ts"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { nextEvent } from "@sluice/testing/miner-event"
import {
  acceptStandard,
  advanceUntil,
  EASY_TARGET,
  extendedJob,
  job,
  nextMessage,
  NTIME,
  OTHER_SERVER,
  parts,
  prevHash,
  ScriptedServer,
  SERVER,
  type World,
  world as anyWorld
} from "./scripted-server.ts"
import { bytes, extendedWork, hashOf, standardWork } from "./work-fixture.ts"

describe.each([true, false])("a miner on a standard channel, on the device module: %s", (device) => {
  const world = (options: Partial<MinerOptions> = {}, more: World = {}) => anyWorld(options, { device, ...more })

  it.effect("requests the channel with its options, and sets REQUIRES_STANDARD_JOBS", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      const client = yield* server.accept
      expect(client.flags).toBe(Mining.REQUIRES_STANDARD_JOBS)
      expect(yield* nextMessage(client, "OpenStandardMiningChannel")).toMatchObject({
        userIdentity: "farm.rig1",
        nominalHashRate: 5000,
        maxTarget: bytes(0xff)
      })
    }).pipe(Effect.provide(world({ user: "farm.rig1" })))
  )

  it.effect("submits shares that meet the target, by another implementation of SHA-256", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const work = { ...standardWork, merkleRoot: bytes(1), prevHash: bytes(0x11), nbits: 0x1d00ffff }
      for (let sequenceNumber = 1; sequenceNumber <= 5; sequenceNumber++) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        expect(share).toMatchObject({ channelId: 7, sequenceNumber, jobId: 1, ntime: NTIME })
        const hash = hashOf(work, { ...share, extranonce: bytes(0, 0) })
        expect(Target.compareU256(hash, 0, EASY_TARGET, 0)).toBeLessThanOrEqual(0)
      }
    }).pipe(Effect.provide(world()))
  )

  it.effect("rolls the version bits when the nonces are used up, and then nTime as the clock allows", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const shares: Array<Mining.SubmitSharesStandard> = []
      const startedAt = yield* Clock.currentTimeMillis
      while (shares.length < 12) shares.push(yield* advanceUntil(nextMessage(client, "SubmitSharesStandard")))
      const versions = new Set(shares.map(({ version }) => version))
      expect(versions.size).toBeGreaterThan(1)
      for (const version of versions) expect((version ^ 0x20000000) & ~0x1fffffe0).toBe(0)
      const ntimes = shares.map(({ ntime }) => ntime)
      expect(Math.min(...ntimes)).toBe(NTIME)
      expect(Math.max(...ntimes)).toBeGreaterThan(NTIME)
      const elapsed = (yield* Clock.currentTimeMillis) - startedAt
      expect(Math.max(...ntimes)).toBeLessThanOrEqual(NTIME + elapsed / 1000)
    }).pipe(Effect.provide(world({}, { hashing: { space: { nonces: 200, versions: 4, extranonces: 1 } } })))
  )

  it.effect("computes the merkle root of a group's extended jobs if they are allowed", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      const client = yield* server.accept
      expect(client.flags).toBe(0)
      const { requestId } = yield* nextMessage(client, "OpenStandardMiningChannel")
      const extranoncePrefix = bytes(0xaa, 12)
      const halves = coinbaseHalves(12)
      yield* client.send(
        {
          _tag: "OpenStandardMiningChannel.Success",
          requestId,
          channelId: 7,
          target: EASY_TARGET,
          extranoncePrefix,
          groupChannelId: 100
        },
        extendedJob(100, 1, halves),
        prevHash(100, 1)
      )
      const share = yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
      const work = {
        ...extendedWork,
        prevHash: bytes(0x11),
        coinbasePrefix: halves.coinbaseTxPrefix,
        coinbaseSuffix: halves.coinbaseTxSuffix,
        merklePath: Uint8Array.of(...bytes(3), ...bytes(4)),
        extranoncePrefix
      }
      const hash = hashOf(work, { ...share, extranonce: bytes(0, 0) })
      expect(Target.compareU256(hash, 0, EASY_TARGET, 0)).toBeLessThanOrEqual(0)
    }).pipe(Effect.provide(world({ requiresStandardJobs: false })))
  )
})

const world = anyWorld

describe("a miner on an extended channel", () => {
  it.effect("rolls the extranonce when nonces and versions are used up", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      const client = yield* server.accept
      expect(client.flags).toBe(0)
      const request = yield* nextMessage(client, "OpenExtendedMiningChannel")
      expect(request.minExtranonceSize).toBe(3)
      const halves = coinbaseHalves(11)
      yield* client.send(
        {
          _tag: "OpenExtendedMiningChannel.Success",
          requestId: request.requestId,
          channelId: 8,
          target: EASY_TARGET,
          extranonceSize: 6,
          extranoncePrefix: bytes(0xbb, 5),
          groupChannelId: 100
        },
        extendedJob(8, 1, halves),
        prevHash(8, 1)
      )
      const work = {
        ...extendedWork,
        prevHash: bytes(0x11),
        coinbasePrefix: halves.coinbaseTxPrefix,
        coinbaseSuffix: halves.coinbaseTxSuffix,
        merklePath: Uint8Array.of(...bytes(3), ...bytes(4)),
        extranoncePrefix: bytes(0xbb, 5)
      }
      const extranonces = new Set<string>()
      for (let found = 0; found < 8; found++) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesExtended"))
        expect(share.extranonce.length).toBe(6)
        expect(Target.compareU256(hashOf(work, share), 0, EASY_TARGET, 0)).toBeLessThanOrEqual(0)
        extranonces.add(share.extranonce.join())
      }
      expect(extranonces.size).toBeGreaterThan(1)
    }).pipe(
      Effect.provide(
        world(
          { channel: "extended", minExtranonceSize: 3 },
          { hashing: { space: { nonces: 100, versions: 2, extranonces: Infinity } } }
        )
      )
    )
  )

  it.effect.each([
    [[WorkerIdentity.extension], "rig-7"],
    [[], undefined]
  ] as const)("says on each share which worker it is of, where the server takes that: %o", ([extensions, expected]) =>
    Effect.gen(function* () {
      const { accept } = yield* ScriptedServer
      const client = yield* accept
      const { requestId } = yield* nextMessage(client, "OpenExtendedMiningChannel")
      yield* client.send(
        {
          _tag: "OpenExtendedMiningChannel.Success",
          requestId,
          channelId: 8,
          target: EASY_TARGET,
          extranonceSize: 6,
          extranoncePrefix: bytes(0xbb, 5),
          groupChannelId: 100
        },
        extendedJob(8, 1, coinbaseHalves(11)),
        prevHash(8, 1)
      )
      for (let found = 0; found < 3; found++) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesExtended"))
        expect(WorkerIdentity.UserIdentity.get(share)?.userIdentity).toBe(expected)
      }
    }).pipe(Effect.provide(world({ channel: "extended", worker: "rig-7" }, { extensions })))
  )
})

describe("new work", () => {
  it.effect("replaces the old work at once: no share of an old previous hash is submitted", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
      yield* client.send(job(2), prevHash(7, 2, { minNtime: NTIME + 100 }))
      yield* advanceUntil(nextEvent("JobStarted", ({ jobId }) => jobId === 2))
      yield* Queue.clear(client.received)
      for (let found = 0; found < 3; found++) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        expect(share).toMatchObject({ jobId: 2, ntime: NTIME + 100 })
      }
    }).pipe(Effect.provide(world()))
  )

  it.effect("on the same previous hash lets nTime use the time that has passed", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* TestClock.adjust("10 seconds")
      yield* client.send(job(2, NTIME + 4))
      yield* Queue.clear(client.received)
      const latest: Array<number> = []
      while (latest.length < 40) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        if (share.jobId === 2) latest.push(share.ntime)
      }
      expect(Math.min(...latest)).toBe(NTIME + 4)
      expect(Math.max(...latest)).toBeGreaterThanOrEqual(NTIME + 10)
    }).pipe(Effect.provide(world({}, { hashing: { space: { nonces: 1000, versions: 1, extranonces: 1 } } })))
  )

  it.effect("is reported as events with the time of each step", () =>
    Effect.gen(function* () {
      yield* acceptStandard()
      const { events } = yield* Miner
      const first = yield* advanceUntil(events.pipe(Stream.take(5), Stream.runCollect))
      expect(first).toMatchObject([
        { _tag: "Connected", server: "pool:3333" },
        { _tag: "ChannelOpened", channelId: 7, kind: "standard", extranoncePrefix: "aa".repeat(12), extranonceSize: 0 },
        { _tag: "JobReceived", channelId: 7, jobId: 1, future: true },
        { _tag: "JobStarted", jobId: 1, newPrevHash: true, minNtime: NTIME, prevHash: "11".repeat(32) },
        { _tag: "ShareSubmitted", sequenceNumber: 1, jobId: 1 }
      ])
      const ats = first.map(({ at }) => at)
      expect(ats).toEqual(ats.toSorted((a, b) => a - b))
      expect(JSON.parse(JSON.stringify(first))).toEqual(first)
    }).pipe(Effect.provide(world()))
  )
})

describe("answers to shares", () => {
  it.effect("are counted", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const miner = yield* Miner
      for (let found = 0; found < 3; found++) yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
      yield* client.send(
        { _tag: "SubmitShares.Error", channelId: 7, sequenceNumber: 2, errorCode: "duplicate-share" },
        {
          _tag: "SubmitShares.Success",
          channelId: 7,
          lastSequenceNumber: 3,
          newSubmitsAcceptedCount: 2,
          newSharesSum: 9n
        }
      )
      expect(yield* nextEvent("ShareRefused")).toMatchObject({ sequenceNumber: 2, errorCode: "duplicate-share" })
      expect(yield* nextEvent("ShareAccepted")).toMatchObject({ count: 2, accepted: 2, difficultySum: 9 })
      expect(yield* miner.stats).toMatchObject({
        state: "mining",
        server: "pool:3333",
        channelId: 7,
        accepted: 2,
        difficultySum: 9,
        refused: { "duplicate-share": 1 },
        jobs: 1,
        connections: 1,
        blocks: 0,
        faulty: 0
      })
    }).pipe(Effect.provide(world()))
  )

  it.effect("finish the miner after the requested number of accepted shares", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const miner = yield* Miner
      for (let sequenceNumber = 1; sequenceNumber <= 2; sequenceNumber++) {
        yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        yield* client.send({
          _tag: "SubmitShares.Success",
          channelId: 7,
          lastSequenceNumber: sequenceNumber,
          newSubmitsAcceptedCount: 1,
          newSharesSum: 1n
        })
      }
      const stats = yield* advanceUntil(miner.finished)
      expect(stats).toMatchObject({ state: "finished", accepted: 2 })
      expect(yield* nextMessage(client, "CloseChannel")).toMatchObject({ channelId: 7 })
      // It has gone for good: nobody connects any more.
      const server = yield* ScriptedServer
      const again = yield* Effect.forkChild(server.accept)
      yield* TestClock.adjust("5 minutes")
      expect(again.pollUnsafe()).toBeUndefined()
      expect((yield* miner.stats).state).toBe("finished")
    }).pipe(Effect.provide(world({ shares: 2 })))
  )

  it.effect("are not needed to detect a block", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      const client = yield* server.accept
      const { requestId } = yield* nextMessage(client, "OpenStandardMiningChannel")
      yield* client.send(
        {
          _tag: "OpenStandardMiningChannel.Success",
          requestId,
          channelId: 7,
          target: EASY_TARGET,
          extranoncePrefix: bytes(0xaa, 12),
          groupChannelId: 100
        },
        job(1),
        prevHash(7, 1, { nbits: 0x207fffff })
      )
      const block = yield* advanceUntil(nextEvent("BlockFound"))
      expect(block).toMatchObject({ jobId: 1, prevHash: "11".repeat(32) })
      expect(block.hash.startsWith("00")).toBe(true)
    }).pipe(Effect.provide(world()))
  )
})

describe("a lost connection", () => {
  it.effect("is restored, and shares without an answer are counted as lost", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const miner = yield* Miner
      for (let found = 0; found < 2; found++) yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
      yield* client.close
      const lost = yield* advanceUntil(nextEvent("Disconnected"))
      expect(lost.unanswered).toBeGreaterThanOrEqual(2)
      expect(yield* miner.stats).toMatchObject({ state: "connecting", server: undefined, unanswered: lost.unanswered })
      const again = yield* advanceUntil(acceptStandard())
      const share = yield* advanceUntil(nextMessage(again, "SubmitSharesStandard"))
      expect(share.sequenceNumber).toBe(1)
      expect((yield* miner.stats).connections).toBe(2)
    }).pipe(Effect.provide(world()))
  )

  it.effect("stops the workers", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      const miner = yield* Miner
      yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
      yield* client.close
      yield* advanceUntil(nextEvent("Disconnected"))
      const { hashes } = yield* miner.stats
      yield* TestClock.adjust("300 millis")
      expect((yield* miner.stats).hashes).toBe(hashes)
    }).pipe(Effect.provide(world()))
  )

  it.effect("moves the miner to the next server of its list", () =>
    Effect.gen(function* () {
      const first = yield* acceptStandard()
      expect(first.host).toBe("pool")
      yield* first.close
      const second = yield* advanceUntil(acceptStandard())
      expect(second.host).toBe("other")
    }).pipe(Effect.provide(world({ servers: [SERVER, OTHER_SERVER] })))
  )

  it.effect("that could never be made is reported too", () =>
    Effect.gen(function* () {
      expect(yield* nextEvent("ConnectFailed")).toMatchObject({ server: "nowhere:1" })
      yield* advanceUntil(acceptStandard())
    }).pipe(Effect.provide(world({ servers: [{ ...SERVER, host: "nowhere", port: 1 }, SERVER] })))
  )
})

describe("Reconnect", () => {
  it.effect("moves the miner to another server, and back when that one is lost", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* client.send({ _tag: "Reconnect", newHost: "other", newPort: 4444 })
      expect(yield* advanceUntil(nextEvent("Redirected"))).toMatchObject({ server: "other:4444" })
      const moved = yield* advanceUntil(acceptStandard())
      expect(moved.host).toBe("other")
      yield* moved.close
      expect((yield* advanceUntil(acceptStandard())).host).toBe("pool")
    }).pipe(Effect.provide(world()))
  )

  it.effect("without host and port means the present ones", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* client.send({ _tag: "Reconnect", newHost: "", newPort: 0 })
      expect((yield* advanceUntil(acceptStandard())).host).toBe("pool")
    }).pipe(Effect.provide(world({ servers: [SERVER, OTHER_SERVER] })))
  )
})

describe("a server that does not do its part", () => {
  const reason = Effect.map(advanceUntil(nextEvent("Disconnected")), (event) => event.reason)

  it.effect("by refusing the channel is left, and tried again", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      const client = yield* server.accept
      const { requestId } = yield* nextMessage(client, "OpenStandardMiningChannel")
      yield* client.send({ _tag: "OpenMiningChannel.Error", requestId, errorCode: "unknown-user\nERROR" })
      expect(yield* reason).toContain("unknown-user\ufffdERROR")
      yield* advanceUntil(acceptStandard())
    }).pipe(Effect.provide(world()))
  )

  it.effect("by closing the channel is left", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* client.send({ _tag: "CloseChannel", channelId: 7, reasonCode: "too-slow\u001b[2J" })
      expect(yield* reason).toContain("too-slow\ufffd[2J")
    }).pipe(Effect.provide(world()))
  )

  it.effect("by giving no work is left after a while", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer
      yield* server.accept
      expect(yield* reason).toContain("no job to mine within 20s")
    }).pipe(Effect.provide(world({ workTimeout: "20 seconds" })))
  )

  it.effect("by taking only extended channels is left by a miner with a standard one", () =>
    Effect.gen(function* () {
      expect(yield* reason).toContain("extended channels only")
    }).pipe(Effect.provide(world({}, { flags: Mining.REQUIRES_EXTENDED_CHANNELS })))
  )

  it.effect("by breaking a rule is left, and the rule is named", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      yield* client.send(prevHash(7, 99))
      const text = yield* reason
      expect(text).toContain("prev-hash-names-future-job")
      expect(text).toContain("section 5.3.17")
    }).pipe(Effect.provide(world()))
  )
})

describe("REQUIRES_FIXED_VERSION of the server", () => {
  it.effect("keeps the version as it is", () =>
    Effect.gen(function* () {
      const client = yield* acceptStandard()
      for (let found = 0; found < 6; found++) {
        const share = yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        expect(share.version).toBe(0x20000000)
      }
    }).pipe(
      Effect.provide(
        world(
          {},
          { flags: Mining.REQUIRES_FIXED_VERSION, hashing: { space: { nonces: 300, versions: 8, extranonces: 1 } } }
        )
      )
    )
  )
})

describe("the hash rate", () => {
  it.effect("is reported every few seconds, over the last half minute", () =>
    Effect.gen(function* () {
      yield* acceptStandard()
      const miner = yield* Miner
      yield* TestClock.adjust("60 seconds")
      const { hashes, hashesPerSecond } = yield* miner.stats
      expect(hashesPerSecond).toBeCloseTo(5000, -2)
      expect(hashes).toBeGreaterThan(200_000)
      expect(yield* nextEvent("HashRate")).toMatchObject({ _tag: "HashRate" })
    }).pipe(Effect.provide(world()))
  )
})

describe("a miner that stops", () => {
  it.effect("sends CloseChannel to the server, and submits nothing more", () =>
    Effect.gen(function* () {
      const { miner, servers } = parts()
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(miner, scope)
        const client = yield* acceptStandard()
        yield* advanceUntil(nextMessage(client, "SubmitSharesStandard"))
        yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust("1 second")
        const rest = yield* Queue.clear(client.received)
        expect(rest.at(-1)).toMatchObject({ _tag: "CloseChannel", channelId: 7 })
      }).pipe(Effect.provide(servers))
    })
  )
})

describe("workers", () => {
  /** Workers that find what a test says. */
  const puppets = () => {
    const found = Effect.runSync(Queue.unbounded<Found, HashWorkerError>())
    const layer = Layer.succeed(HashWorkers, {
      make: Effect.succeed({
        start: () => Effect.void,
        stop: Effect.void,
        take: Queue.takeAll(found),
        hashes: () => 0,
        measure: Effect.succeed(1)
      })
    })
    return { found, layer }
  }

  it.effect("that die end the miner: it does not try again", () => {
    const { found, layer } = puppets()
    return Effect.gen(function* () {
      yield* acceptStandard()
      const miner = yield* Miner
      yield* nextEvent("JobStarted")
      yield* Queue.fail(found, new HashWorkerError({ message: "out of memory", cause: undefined }))
      expect(yield* Effect.flip(miner.finished)).toMatchObject({ _tag: "HashWorkerError", message: "out of memory" })
      const server = yield* ScriptedServer
      const again = yield* Effect.forkChild(server.accept)
      yield* TestClock.adjust("5 minutes")
      expect(again.pollUnsafe()).toBeUndefined()
    }).pipe(Effect.provide(world({}, { workers: layer })))
  })

  it.effect("that report a wrong share, or one of an earlier connection, do not get it submitted", () => {
    const { found, layer } = puppets()
    const share = { channelId: 7, jobId: 1, version: 0x20000000, ntime: NTIME, nonce: 0, extranonce: bytes(0, 0) }
    return Effect.gen(function* () {
      const client = yield* acceptStandard({ target: bytes(0) })
      const miner = yield* Miner
      yield* nextEvent("JobStarted")
      yield* Queue.offerAll(found, [
        { workNumber: 1, share },
        { workNumber: 99, share }
      ])
      yield* TestClock.adjust("1 second")
      expect(yield* miner.stats).toMatchObject({ faulty: 1, stale: 1, submitted: 0 })
      expect(yield* Queue.size(client.received)).toBe(0)
    }).pipe(Effect.provide(world({}, { workers: layer })))
  })

  it.effect(
    "that bring a share of a lost connection have brought it too late, also where the numbers are the same",
    () => {
      const { found, layer } = puppets()
      const share = { channelId: 7, jobId: 1, version: 0x20000000, ntime: NTIME, nonce: 0, extranonce: bytes(0, 0) }
      return Effect.gen(function* () {
        yield* (yield* acceptStandard({ target: bytes(0xff) })).close
        const client = yield* advanceUntil(acceptStandard({ target: bytes(0xff) }))
        const miner = yield* Miner
        yield* nextEvent("JobStarted", ({ at }) => at > 0)
        yield* Queue.offer(found, { workNumber: 1, share })
        yield* TestClock.adjust("1 second")
        expect(yield* miner.stats).toMatchObject({ connections: 2, stale: 1, submitted: 0 })
        expect(yield* Queue.size(client.received)).toBe(0)
      }).pipe(Effect.provide(world({}, { workers: layer })))
    }
  )

  it.effect("that report a share of an old previous hash are too late", () => {
    const { found, layer } = puppets()
    const share = { channelId: 7, jobId: 1, version: 0x20000000, ntime: NTIME, nonce: 0, extranonce: bytes(0, 0) }
    return Effect.gen(function* () {
      const client = yield* acceptStandard({ target: bytes(0xff) })
      const miner = yield* Miner
      yield* client.send(job(2), prevHash(7, 2))
      yield* nextEvent("JobStarted", ({ jobId }) => jobId === 2)
      yield* Queue.offer(found, { workNumber: 1, share })
      expect(yield* nextEvent("ShareStale")).toMatchObject({ jobId: 1 })
      expect(yield* miner.stats).toMatchObject({ stale: 1, submitted: 0 })
    }).pipe(Effect.provide(world({}, { workers: layer })))
  })
})

describe("options that cannot be", () => {
  it.effect.each<[string, Parameters<typeof world>[0]]>([
    ["user", { user: "x".repeat(256) }],
    ["worker", { worker: "x".repeat(33), channel: "extended" }],
    ["worker", { worker: "rig-7" }],
    ["shares", { shares: 0 }],
    ["nominalHashRate", { nominalHashRate: Number.NaN }],
    ["maxTarget", { maxTarget: bytes(0, 31) }],
    ["minExtranonceSize", { minExtranonceSize: 33 }],
    ["requiresStandardJobs", { channel: "extended", requiresStandardJobs: true }]
  ])("are refused before there is a connection: %s", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Miner.pipe(Effect.provide(world(options))))
      expect(error).toBeInstanceOf(MinerOptionError)
      expect(error).toMatchObject({ option })
      expect((error as MinerOptionError).message).toContain(option)
    })
  )
})
