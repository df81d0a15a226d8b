/** The example in a process of its own: whom the blocks of the development node's chain pay while two miners work. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { payoutScript } from "@sluice/mining-server"
import { HashThreads, Miner } from "@sluice/miner"
import { Effect, Layer, Result } from "effect"
import { LastShares } from "../pool-that-pays-others/last-shares.ts"
import { dialer, POOL_ADDRESS, quiet, startExample, templateProvider, templateProviderUrl } from "./world.ts"

/** Addresses of BIP173 and BIP350. */
const ALICE = "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"
const BOB = "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"
const SUBSIDY = 5_000_000_000n

const scriptOf = (address: string) => Result.getOrThrow(payoutScript(address))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const NAMES = new Map([
  [hex(scriptOf(POOL_ADDRESS)), "pool"],
  [hex(scriptOf(ALICE)), "alice"],
  [hex(scriptOf(BOB)), "bob"]
])

/** Satoshis that a coinbase pays, by name. */
type Paid = Readonly<Record<string, bigint>>

/** What the block of this height pays, but for the commitment to witnesses. */
const paidAt = (height: number) =>
  Effect.map(DevNode, ({ state }): Paid => {
    const coinbase = state.chain.at(height)?.block?.transactions[0]
    assert.isDefined(coinbase, `block ${height} has its transactions`)
    const paid = coinbase.outputs.filter(({ value }) => value > 0n)
    return Object.fromEntries(paid.map(({ script, value }) => [NAMES.get(hex(script)) ?? hex(script), value]))
  })

const tipHeight = Effect.flatMap(DevNode, ({ tip }) => Effect.map(tip, ({ height }) => height))

/** Waits for the first block above `from` that pays as wanted, and gives its height. */
const firstBlock = (from: number, wanted: (paid: Paid) => boolean) =>
  Effect.gen(function* () {
    for (let height = from + 1; ; height++) {
      while ((yield* tipHeight) < height) yield* Effect.sleep("10 millis")
      if (wanted(yield* paidAt(height))) return height
    }
  })

describe("pool-that-pays-others", () => {
  it.live(
    "pays in each block those who found the last shares, and others in the next",
    () =>
      Effect.gen(function* () {
        const pool = yield* startExample("pool-that-pays-others", [yield* templateProviderUrl, POOL_ADDRESS, "0"])
        const servers = [yield* pool.server("miners connect to")] as const
        const mine = (user: string) => Miner.start({ servers, user, channel: "extended", nominalHashRate: 1_000 })

        const alone = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* mine(`${ALICE}.rig`)
            const alone = yield* firstBlock(0, ({ alice }) => alice === SUBSIDY)
            // The coinbase of the first block was made before there was a share.
            assert.deepStrictEqual(yield* paidAt(1), { pool: SUBSIDY })
            return alone
          })
        )
        yield* mine(BOB)
        const both = yield* firstBlock(alone, ({ bob = 0n }) => bob > 0n)
        yield* pool.find(/^room for 4 outputs$/m)
        // A coinbase is made when its template comes, which may be one block ahead: the next one may pay the same once.
        const { bob: bobAtFirst = 0n } = yield* paidAt(both)
        const next = yield* firstBlock(both, ({ bob = 0n }) => bob > bobAtFirst)
        const [before, after] = [yield* paidAt(next - 1), yield* paidAt(next)]
        for (const paid of [before, after]) {
          assert.sameMembers(Object.keys(paid), ["alice", "bob"])
          assert.strictEqual(paid["alice"]! + paid["bob"]!, SUBSIDY)
        }
        assert.isTrue(after["alice"]! < before["alice"]!, "alice has left, and her part shrinks")
      }).pipe(
        Effect.provide(
          Layer.mergeAll(templateProvider, dialer, HashThreads.layer({ threads: 1 })).pipe(Layer.provideMerge(quiet))
        )
      ),
    // Other tests use the processor too, and this one waits for real blocks.
    90_000
  )
})

describe("LastShares", () => {
  it("divides a reward by work, the largest output first, and gives the rest of rounding to it", () => {
    const shares = new LastShares()
    const [pool, alice, bob] = [scriptOf(POOL_ADDRESS), scriptOf(ALICE), scriptOf(BOB)]
    assert.deepStrictEqual(shares.outputs(100n, pool), [{ script: pool, value: 100n }])
    shares.add({ script: bob, work: 1 })
    shares.add({ script: alice, work: 1 })
    shares.add({ script: alice, work: 1 })
    assert.strictEqual(shares.outputCount, 2)
    assert.deepStrictEqual(shares.outputs(100n, pool), [
      { script: alice, value: 67n },
      { script: bob, value: 33n }
    ])
  })

  it("forgets shares of before the last thousand", () => {
    const shares = new LastShares()
    const [alice, bob] = [scriptOf(ALICE), scriptOf(BOB)]
    shares.add({ script: alice, work: 1_000_000 })
    for (let share = 0; share < 1_000; share++) shares.add({ script: bob, work: 1 })
    assert.deepStrictEqual(shares.outputs(100n, alice), [{ script: bob, value: 100n }])
  })
})
