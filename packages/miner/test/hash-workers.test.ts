import { describe, expect, it } from "@effect/vitest"
import { Target } from "@sluice/core"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Worker } from "node:worker_threads"
import { HashInProcess, HashThreads, HashWorkers } from "../src/index.ts"
import { bytes, extendedWork, hashOf, standardWork } from "./work-fixture.ts"

/** One header in 4,096 meets it. */
const target = bytes(0xff)
target[31] = 0x00
target[30] = 0x0f

describe("hashing threads", () => {
  it.live("find shares, each thread in its own range of nonces, until they get new work", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const hashers = yield* workers.make
      yield* hashers.start(1, { ...standardWork, target }, 0)
      const byLane = [0, 0]
      while (byLane.includes(0)) {
        for (const { share, workNumber } of yield* hashers.take) {
          expect(workNumber).toBe(1)
          expect(Target.compareU256(hashOf(standardWork, share), 0, target, 0)).toBeLessThanOrEqual(0)
          byLane[share.nonce < 2 ** 31 ? 0 : 1]!++
        }
      }
      yield* hashers.start(2, { ...extendedWork, jobId: 12, target }, 0)
      for (let found = 0; found < 3;) {
        for (const { share, workNumber } of yield* hashers.take) {
          if (workNumber === 1) continue
          found++
          expect(share.jobId).toBe(12)
          expect(Target.compareU256(hashOf(extendedWork, share), 0, target, 0)).toBeLessThanOrEqual(0)
        }
      }
      expect(hashers.hashes()).toBeGreaterThan(4096)
    }).pipe(Effect.provide(HashThreads.layer({ threads: 2 })), Effect.scoped)
  )

  it.live("measure their hash rate, pause on request, and end with their Scope", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const scope = yield* Scope.make()
      const hashers = yield* workers.make.pipe(Scope.provide(scope))
      expect(yield* hashers.measure).toBeGreaterThan(1000)
      yield* hashers.start(1, { ...standardWork, target: bytes(0) }, 0)
      while (hashers.hashes() === 0) yield* Effect.sleep(5)
      yield* hashers.stop
      // A busy machine may take its time over the slice that a thread has begun. Threads that do not stop end in a timeout.
      for (let hashes = -1; hashes !== hashers.hashes();) {
        hashes = hashers.hashes()
        yield* Effect.sleep(200)
      }
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(HashThreads.layer({ threads: 1 })))
  )

  it.live("wait while nobody takes their shares", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const hashers = yield* workers.make
      yield* hashers.start(1, { ...standardWork, target: bytes(0xff) }, 0)
      while (hashers.hashes() < 1024) yield* Effect.sleep(5)
      yield* Effect.sleep(100)
      expect(hashers.hashes()).toBe(1024)
      expect((yield* hashers.take).length).toBe(1024)
    }).pipe(Effect.provide(HashThreads.layer({ threads: 1 })), Effect.scoped)
  )

  it.live("that die fail the callers that wait for them", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const error = yield* Effect.flip(workers.make)
      expect(error._tag).toBe("HashWorkerError")
      expect(error.message).toContain("a hashing thread failed")
    }).pipe(
      Effect.provide(HashThreads.layer({ threads: 1, spawn: () => new Worker("process.exit(3)", { eval: true }) })),
      Effect.scoped
    )
  )
})

describe("a thread that dies later", () => {
  const deadly = () =>
    new Worker(
      `const { parentPort } = require("node:worker_threads")
       parentPort.on("message", ([closed, message]) => {
         if (closed === 1) parentPort.close()
         else if (message._tag === "Start") process.exit(3)
       })
       parentPort.postMessage([0])`,
      { eval: true }
    )

  it.live("fails the callers that wait for its shares", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const hashers = yield* workers.make
      yield* hashers.start(1, standardWork, 0)
      const error = yield* Effect.flip(hashers.take)
      expect(error.message).toContain("exited with code: 3")
    }).pipe(Effect.provide(HashThreads.layer({ threads: 1, spawn: deadly })), Effect.scoped)
  )
})

describe("hashing in process", () => {
  it.effect("does a fixed number of hashes in each slice of the clock, and nTime follows the clock", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const hashers = yield* workers.make
      expect(yield* hashers.measure).toBe(2000)
      yield* hashers.start(1, { ...standardWork, target: bytes(0) }, 0)
      yield* TestClock.adjust("500 millis")
      expect(hashers.hashes()).toBe(1000)
      // Two lanes of 350 nonces, 2 versions each: 1,400 hashes until nTime has to wait for the second to end.
      yield* TestClock.adjust("400 millis")
      expect(hashers.hashes()).toBe(1400)
      yield* TestClock.adjust("100 millis")
      expect(hashers.hashes()).toBe(1600)
    }).pipe(
      Effect.provide(
        HashInProcess.layer({
          lanes: 2,
          hashesPerSlice: 100,
          slice: "100 millis",
          space: { nonces: 700, versions: 2, extranonces: 1 }
        })
      ),
      Effect.scoped
    )
  )

  it.effect("gives shares with the number of their work", () =>
    Effect.gen(function* () {
      const workers = yield* HashWorkers
      const hashers = yield* workers.make
      const taking = yield* Effect.forkChild(hashers.take)
      yield* hashers.start(1, { ...standardWork, jobId: 1, target: bytes(0) }, 0)
      yield* hashers.start(2, { ...standardWork, jobId: 2, target: bytes(0xff) }, 0)
      yield* TestClock.adjust("100 millis")
      const [found] = yield* Fiber.join(taking)
      expect(found).toMatchObject({ workNumber: 2, share: { jobId: 2, nonce: 0 } })
    }).pipe(Effect.provide(HashInProcess.layer()), Effect.scoped)
  )
})
