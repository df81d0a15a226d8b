/** Both modes of the declarator over a connection and a development node. */
import { assert, describe, it } from "@effect/vitest"
import { coinbaseMerklePath, hashFromDisplay } from "@sluice/bitcoin"
import { DevNode } from "@sluice/dev-node"
import { JobDeclaration } from "@sluice/protocol"
import { Effect, Fiber, Result, Stream } from "effect"
import { DeclarationServer, digestOfJob, Tokens, tokenUser } from "../../src/index.ts"
import { declare, PAYOUT, solve } from "./jobs.ts"
import { coinbaseOnlyWorld, connect, KEY, templateWith, until, world } from "./world.ts"

const tokens = new Tokens(KEY)

describe("full-template mode", () => {
  it.live("accepts a job of transactions that the node has, and its block reaches the chain", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const server = yield* DeclarationServer
      const template = yield* templateWith(20)
      const { coinbaseTxOutputs, miningJobToken, requestId } = yield* client.allocate("alice.rig1", 42)
      assert.strictEqual(requestId, 42)
      assert.deepStrictEqual([...coinbaseTxOutputs], [1, ...new Uint8Array(8), 22, ...PAYOUT])
      const allocated = Result.getOrThrow(tokens.read(miningJobToken, Date.now() / 1000))
      assert.deepInclude(allocated, { mode: "full-template", user: tokenUser("alice"), declared: undefined })

      const job = declare(template, miningJobToken, { requestId: 5 })
      yield* client.send(job)
      const success = yield* client.expect("DeclareMiningJob.Success")
      assert.strictEqual(success.requestId, 5)
      const declared = Result.getOrThrow(tokens.read(success.newMiningJobToken, Date.now() / 1000))
      assert.deepStrictEqual(declared.serial, allocated.serial)
      const { coinbaseTxPrefix, coinbaseTxSuffix } = job
      assert.deepStrictEqual(
        declared.declared,
        digestOfJob({
          version: template.version,
          prevHash: hashFromDisplay(template.previousblockhash),
          coinbaseTxVersion: 2,
          coinbasePrefix: coinbaseTxPrefix.subarray(6 + 38),
          coinbaseTxInputNSequence: 0xffffffff,
          coinbaseTxOutputs: coinbaseTxSuffix.subarray(4, -38),
          coinbaseTxLocktime: 0,
          merklePath: coinbaseMerklePath(template.transactions.map(({ txid }) => hashFromDisplay(txid)))
        })
      )

      const node = yield* DevNode
      yield* client.send(solve(template, job))
      yield* until(Effect.map(node.tip, ({ height }) => height === template.height))
      const { blocksFound, jobsDeclared } = yield* server.stats
      assert.deepStrictEqual([blocksFound, jobsDeclared], [1, 1])
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("submits a block once, whoever tells of it", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const server = yield* DeclarationServer
      const template = yield* templateWith(3)
      const submitted = yield* server.events.pipe(
        Stream.filter(({ _tag }) => _tag === "BlockSubmitted" || _tag === "BlockFound"),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      const miningJobToken = yield* client.token
      const job = declare(template, miningJobToken)
      yield* client.send(job)
      yield* client.expect("DeclareMiningJob.Success")
      const { extranonce, nonce, ntime, version } = solve(template, job)
      const { serial } = Result.getOrThrow(tokens.read(miningJobToken, 0))
      const found = { serial, extranonce, nonce, ntime, version }
      assert.isTrue(yield* server.submitFound(found))
      assert.isTrue(yield* server.submitFound(found))
      assert.isFalse(yield* server.submitFound({ ...found, nonce: nonce ^ 1, extranonce: new Uint8Array(3) }))
      yield* client.send(solve(template, job))
      yield* client.token
      const events = yield* Fiber.join(submitted)
      assert.deepStrictEqual(
        events.map((event) => [event._tag, "verdict" in event ? event.verdict : "by" in event ? event.by : ""]),
        [
          ["BlockFound", "pool"],
          ["BlockSubmitted", "accepted"]
        ]
      )
      assert.strictEqual((yield* server.stats).blocksFound, 1)
    }).pipe(Effect.scoped, Effect.provide(world()))
  )
})

describe("coinbase-only mode", () => {
  it.live("allocates tokens without a node, and refuses clients that would declare", () =>
    Effect.gen(function* () {
      const client = yield* connect(0)
      const { miningJobToken } = yield* client.allocate("bob")
      const token = Result.getOrThrow(tokens.read(miningJobToken, Date.now() / 1000))
      assert.deepInclude(token, { mode: "coinbase-only", user: tokenUser("bob") })
      const refused = yield* Effect.flip(connect(JobDeclaration.DECLARE_TX_DATA))
      assert.include(refused.message, "unsupported-feature-flags")
    }).pipe(Effect.scoped, Effect.provide(coinbaseOnlyWorld()))
  )

  it.live("is refused where the operator requires full-template mode", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(connect(0))
      assert.include(refused.message, "missing-declare-tx-data-flag")
      yield* connect()
    }).pipe(Effect.scoped, Effect.provide(world({ requireFullTemplate: true })))
  )
})
