/** Declarators and pools that break the rules of Job Declaration: the proxy leaves them, and mines at the next one meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { compactSize, serializeOutputs } from "@sluice/bitcoin"
import { Effect } from "effect"
import { makeScripted, miner, type Pair, settled, wait } from "./scripted-world.ts"
import { script } from "./scripted-declarator.ts"

const counted = (...scripts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(
    Buffer.concat([compactSize(scripts.length), serializeOutputs(scripts.map((script) => ({ value: 0n, script })))])
  )

/** A fault of the first pair, which shows with the next blocks; and words of the log line about it. */
const faults: ReadonlyArray<readonly [name: string, fault: (pair: Pair) => void, words: string]> = [
  ["allocates no more tokens", ({ declarator }) => (declarator.isAllocating = false), "allocated no token within 10 s"],
  [
    "never answers a declaration",
    ({ declarator }) => (declarator.refusal = () => ""),
    "has not answered DeclareMiningJob"
  ],
  [
    "wants the reward on an output that nobody can spend",
    ({ declarator }) => (declarator.rawOutputs = counted(Uint8Array.of(0x6a, 1, 1))),
    "its first output, the pool's payout, begins with OP_RETURN"
  ],
  ["wants no outputs", ({ declarator }) => (declarator.rawOutputs = counted()), "it has no output"],
  [
    "wants larger outputs than it announced",
    ({ declarator }) => (declarator.rawOutputs = counted(script(1), script(2))),
    "and announced 31 with its first token"
  ],
  [
    "asks for transactions at positions that do not exist",
    ({ declarator }) => (declarator.missing = () => [7]),
    "asks for position 7 of a job of 3 transactions"
  ],
  [
    "asks for a transaction twice",
    ({ declarator }) => (declarator.missing = () => [1, 1]),
    "asks for a position twice"
  ],
  ["never answers SetCustomMiningJob", ({ pool }) => (pool.refusal = () => ""), "has not answered SetCustomMiningJob"],
  [
    "does not support declared jobs",
    ({ pool }) => (pool.refusal = () => "jd-not-supported"),
    "it refused a job: jd-not-supported"
  ],
  [
    "calls good shares too easy",
    ({ pool }) => (pool.shareRefusal = "difficulty-too-low"),
    "refused a valid share of a job that it had taken: difficulty-too-low"
  ]
]

describe("a proxy leaves a pool, and mines at the next one, if the pool or its declarator", () => {
  for (const [name, fault, words] of faults) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const world = yield* makeScripted({ declared: 2 })
        yield* world.feed.setTransactions(() => [1, 2, 3].map((fill) => new Uint8Array(70).fill(fill)))
        yield* world.newBlock()
        const client = yield* miner(world)
        assert.strictEqual(yield* world.active, 0)
        fault(world.pairs[0]!)
        for (let block = 0; block < 4; block++) yield* world.newBlock()
        yield* client.mine()
        yield* wait(35)
        assert.strictEqual(yield* world.active, 1)
        assert.isTrue(
          world.log.some((line) => line.includes(words)),
          world.log.join("\n")
        )
        const [, second] = world.pairs
        second!.pool.shares.length = 0
        assert.deepStrictEqual((yield* client.mine()).accepted, 8)
        yield* settled
        assert.strictEqual(second!.pool.shares.length, 8)
      })
    )
  }

  it.effect("floods it with messages: the connection ends, and the others are served", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      yield* miner(world)
      const { declarator } = world.pairs[0]!
      const flood = Array.from(
        { length: 300 },
        () => ({ _tag: "Reconnect", newHost: "elsewhere", newPort: 1 }) as const
      )
      yield* declarator.say(...flood)
      yield* settled
      assert.strictEqual(yield* world.active, 1)
      assert.isTrue(world.log.some((line) => line.includes("more than 20 messages a second")))
    })
  )

  const unanswering: ReadonlyArray<readonly [name: string, fault: (pair: Pair) => void, seconds: number]> = [
    ["never answers a declaration", ({ declarator }) => (declarator.refusal = () => ""), 25],
    ["never answers one of many declarations", ({ declarator }) => (declarator.refusal = () => ""), 3],
    ["never answers SetCustomMiningJob", ({ pool }) => (pool.refusal = () => ""), 9],
    ["says stale-chain-tip for ever", ({ declarator }) => (declarator.refusal = () => "stale-chain-tip"), 30],
    ["says stale-chain-tip for ever about jobs", ({ pool }) => (pool.refusal = () => "stale-chain-tip"), 30]
  ]
  for (const [name, fault, seconds] of unanswering) {
    it.effect(`${name}, also while there is a better template every ${seconds} s`, () =>
      Effect.gen(function* () {
        const world = yield* makeScripted({ declared: 2 })
        yield* world.newBlock()
        yield* miner(world)
        fault(world.pairs[0]!)
        yield* world.newBlock()
        for (let at = 0; at < 70; at += seconds) {
          yield* wait(seconds)
          yield* world.newTemplate()
        }
        assert.strictEqual(yield* world.active, 1)
      })
    )
  }

  it.effect("but stays with a pair that answers late, or only about the newest job", () =>
    Effect.gen(function* () {
      for (const isLate of [true, false]) {
        const world = yield* makeScripted({ declared: 2 })
        yield* world.newBlock()
        yield* miner(world)
        const { declarator } = world.pairs[0]!
        declarator.refusal = () => ""
        yield* world.newBlock()
        for (let template = 0; template < 12; template++) {
          yield* wait(14)
          const waiting = declarator.declared.at(-1)!
          yield* world.newTemplate()
          declarator.refusal = () => undefined
          yield* declarator.say(...declarator.decide(isLate ? waiting : declarator.declared.at(-1)!))
          declarator.refusal = () => ""
          yield* settled
          assert.strictEqual(yield* world.active, 0)
        }
      }
    })
  )
})
