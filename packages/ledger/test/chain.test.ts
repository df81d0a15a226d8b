/**
 * A pool that pays five users in the coinbase, on the chain of a development node: what the chain says each was paid, read by another
 * library, is what the ledger says. Then a reorganisation takes some of the blocks away.
 */
import { assert, it } from "@effect/vitest"
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { MiningServer, Templates } from "@sluice/mining-server"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  MiningListener,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  Tcp,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Address, OutScript, RawTx, TEST_NETWORK } from "@scure/btc-signer"
import { hashToDisplay } from "@sluice/bitcoin"
import { u256FromBytes } from "@sluice/channels"
import { Context, Effect, Layer, Logger, Result } from "effect"
import { databases } from "./databases.ts"
import {
  audit,
  followBlocks,
  isBlockPolicy,
  Ledger,
  LedgerPayouts,
  type LedgerPlace,
  type Policy,
  POOL,
  readBalances,
  readAccounts,
  readBlocks,
  sum
} from "../src/index.ts"

const BLOCKS = Number(process.env["SLUICE_LEDGER_BLOCKS"] ?? 5)
/** Milliseconds, enough for a busy machine. */
const TIMEOUT = 60_000 + BLOCKS * 2_000
const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
/** A block takes 2048 hashes. */
const BITS = 0x1f1fffff

const regtest = { ...TEST_NETWORK, bech32: "bcrt" }
/** Addresses of made-up key hashes, by the hashes that a user tries in a turn. */
const users = new Map(
  [400, 200, 100, 50, 10].map((hashes, index) => [
    Address(regtest).encode({ type: "wpkh", hash: new Uint8Array(20).fill(index + 1) }),
    hashes
  ])
)

const node = DevNode.layerInMemory({ bits: BITS, transactionsPerSecond: 0 })
const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(node)
)

const templates = Layer.unwrap(
  Effect.map(TemplateProvider, ({ address }) =>
    TemplateClient.layer({ servers: [{ ...address, security: { _tag: "plain" } }] }).pipe(
      Layer.provide(Setup.client(TemplateDialer)),
      Layer.provide(Security.dialer()),
      Layer.provide(Tcp.dialer)
    )
  )
)

/** The pool: a server of miners whose shares and payouts are the ledger's. */
const pool = (place: LedgerPlace, policy: Policy) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { sink, validateUser } = yield* LedgerPayouts
      const policy = { minHashRate: 1, sharesPerMinute: 6_000 }
      // Miners here go on with a job until they have answers, so many shares are stale on a busy machine.
      const traffic = { maxErrorsPerSecond: 1e6 }
      return MiningServer.layer({ shareSinks: [sink], validateUser, policy, traffic, acknowledgeWithin: 0 })
    })
  ).pipe(
    Layer.provide(LedgerPayouts.work),
    Layer.provide(Templates.layer()),
    Layer.provideMerge(
      LedgerPayouts.layer({
        policy,
        pool: { coinbaseAddress: POOL_ADDRESS },
        minimum: 1_000_000n,
        ...(isBlockPolicy(policy)
          ? {}
          : { reserve: 100_000_000_000n, purchaseInterval: "1 second", halvingInterval: 150 })
      })
    ),
    Layer.provideMerge(Ledger.layer({ ...place, commitInterval: 1, slice: "1 second" })),
    Layer.provide(templates),
    Layer.provide(Setup.server(MiningListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  )

const tipHeight = Effect.flatMap(DevNode, ({ tip }) => Effect.map(tip, ({ height }) => height))

/** Mines for a user until the chain has this height. */
const mine = (user: string, hashes: number, height: number) =>
  Effect.gen(function* () {
    const client = yield* TestClient.connect()
    const miner = yield* client.open(openExtended({ userIdentity: `${user}.rig`, nominalHashRate: hashes * 100 }))
    const future = new Set<number>()
    while ((yield* tipHeight) < height) {
      const shares = miner.search(hashes)
      if (shares.length > 0) yield* client.send(...shares)
      for (let pending = shares.length; pending > 0 || (yield* client.waiting) > 0;) {
        const message = yield* client.next
        if (message._tag === "SubmitShares.Success") pending -= message.newSubmitsAcceptedCount
        else if (message._tag === "SubmitShares.Error") pending--
        else if (message._tag === "SetTarget") miner.target = u256FromBytes(message.maximumTarget)
        else if (message._tag === "NewExtendedMiningJob") {
          if (message.minNtime === undefined) future.add(message.jobId)
          miner.receive(message)
        } else if (message._tag === "SetNewPrevHash" && future.has(message.jobId)) {
          // A provider may send the previous hash of a job again that is active already.
          future.clear()
          miner.receive(message)
        }
      }
      yield* Effect.sleep(5)
    }
  }).pipe(Effect.scoped)

/** What a block's coinbase pays, by address. */
const paidBy = (coinbase: Uint8Array) => {
  const paid = new Map<string, bigint>()
  for (const { amount, script } of RawTx.decode(coinbase).outputs) {
    if (amount === 0n) continue
    const address = Address(regtest).encode(OutScript.decode(script))
    const account = address === POOL_ADDRESS ? POOL : address
    paid.set(account, (paid.get(account) ?? 0n) + amount)
  }
  return paid
}

const sorted = (amounts: Iterable<readonly [string, bigint]>) =>
  [...amounts].filter(([, amount]) => amount !== 0n).toSorted(([a], [b]) => (a < b ? -1 : 1))

/** The pool's blocks as the chain has them, and as the ledger has them. */
const compare = Effect.gen(function* () {
  const { sql } = yield* Ledger
  const { state } = yield* DevNode
  const blocks = yield* readBlocks(sql)
  for (const block of blocks) {
    const onChain = state.chain.at(block.height)
    if (onChain?.block === undefined || hashToDisplay(onChain.block.hash) !== hashToDisplay(block.hash)) continue
    const entries = yield* Effect.map(
      sql<{ name: string; amount: number }>`
        SELECT users.name, -entries.amount AS amount FROM entries JOIN users ON users.id = entries.user_id
        JOIN settlements ON settlements.id = entries.settlement_id
        WHERE settlements.block_id = ${block.id} AND kind = 'paid'`,
      (rows) => rows.map(({ amount, name }) => [name, BigInt(amount)] as const)
    )
    assert.deepStrictEqual(sorted(entries), sorted(paidBy(onChain.block.transactions[0]!.bytes)))
    assert.strictEqual(sum(entries.map(([, amount]) => amount)), 5_000_000_000n)
  }
  return blocks
})

const noProgress = () => Effect.void

const policies: ReadonlyArray<readonly [Policy, number]> = [
  [{ version: 1, scheme: "pplns", window: 2_000, fee: 10_000 }, BLOCKS],
  [{ version: 1, scheme: "tides", fee: 0 }, 4],
  [{ version: 1, scheme: "prop", fee: 10_000 }, 4],
  [{ version: 1, scheme: "pplns-time", minutes: 1, fee: 0 }, 4],
  [{ version: 1, scheme: "solo", fee: 25_000 }, 4],
  // The slices that are bought take some seconds each.
  ...(BLOCKS < 50 ? [] : ([[{ version: 1, scheme: "fpps", fee: 10_000 }, 20]] as const))
]

for (const { fresh, name } of databases)
  for (const [policy, count] of policies) {
    it.live(
      `with ${name} pays five users on the chain by ${policy.scheme} as the ledger says, and takes orphans back`,
      () =>
        Effect.gen(function* () {
          const place = yield* fresh
          const context = yield* Layer.build(pool(place, policy))
          const { address, stats } = Context.get(context, MiningServer)
          while ((yield* stats).height === 0) yield* Effect.sleep(5)
          const server = Result.getOrThrow(parseServerAddress(`stratum2+tcp+plain://127.0.0.1:${address.port}`))
          yield* Effect.all(
            [...users].map(([user, hashes]) => mine(user, hashes, count)),
            { concurrency: "unbounded" }
          ).pipe(
            Effect.provide(
              Plain.dialer.pipe(Layer.provide(Tcp.dialer), Layer.merge(Layer.succeed(PoolAddress, server)))
            )
          )

          yield* Effect.gen(function* () {
            const { sql } = yield* Ledger
            const blocks = yield* compare
            assert.isAtLeast(blocks.length, count)
            const balances = yield* readBalances(sql)
            assert.strictEqual(sum(balances.values()), 0n)
            const whole = yield* audit(sql, noProgress)
            assert.deepStrictEqual(whole.faults, [])
            const accounts = yield* readAccounts(sql)
            assert.sameMembers(
              accounts
                .filter(({ earned, name, shares }) => name !== POOL && earned > 0n && shares > 0)
                .map(({ name }) => name),
              accounts.filter(({ earned, name }) => name !== POOL && earned > 0n).map(({ name }) => name)
            )
            assert.strictEqual(sum(accounts.map(({ earned }) => earned)), sum(blocks.map(({ reward }) => reward)))

            // Another branch, from three blocks below the tip, becomes ten blocks longer.
            yield* reorganise(3, 10)
            const changes = yield* followBlocks
            assert.isAtLeast(changes.filter(({ state }) => state === "orphaned").length, 3)
            yield* compare
            const after = yield* audit(sql, noProgress)
            assert.deepStrictEqual(after.faults, [])
            assert.strictEqual(sum((yield* readBalances(sql)).values()), 0n)
            assert.deepStrictEqual(yield* followBlocks, [])
          }).pipe(Effect.provideContext(context))
        }).pipe(
          Effect.scoped,
          Effect.provide(Layer.provideMerge(Layer.empty, provider)),
          Effect.provide(Logger.layer([]))
        ),
      TIMEOUT
    )
  }

/** Mines a branch from `depth` blocks below the tip that is `more` blocks longer than the present one, and gives it to the node. */
const reorganise = (depth: number, more: number) =>
  Effect.gen(function* () {
    const { state, submitBlock } = yield* DevNode
    const height = yield* tipHeight
    const known = Array.from({ length: height - depth }, (_, index) => state.chain.at(index + 1)!.block!.bytes)
    yield* Effect.gen(function* () {
      const other = yield* DevNode
      for (const block of known) assert.isNull(yield* other.submitBlock(block))
      for (let made = 0; made < depth + more; made++) {
        const block = solveTemplate(yield* other.getBlockTemplate(), { extranonce: BigInt(made + 1) })!
        assert.isNull(yield* other.submitBlock(block))
        yield* submitBlock(block)
      }
    }).pipe(Effect.provide(node, { local: true }))
  })
