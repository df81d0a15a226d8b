/** Both modes of the declarator over a connection and a development node. */
import { assert, describe, it } from "@effect/vitest"
import { coinbaseMerklePath, hashFromDisplay } from "@sluice/bitcoin"
import { DevNode } from "@sluice/dev-node"
import { JobDeclaration } from "@sluice/protocol"
import { Effect, Exit, Fiber, Layer, Metric, Result, Scope, Stream } from "effect"
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

describe("the server", () => {
  it.live("shows its numbers as metrics", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(4)
      yield* client.send(declare(template, yield* client.token, { commitment: new Uint8Array(32) }))
      yield* client.refusal
      yield* client.send(declare(template, yield* client.token))
      yield* client.expect("DeclareMiningJob.Success")
      const shown = new Map(
        (yield* Metric.snapshot)
          .filter(({ id }) => id.startsWith("sluice_declarator_"))
          .map(({ attributes, id, state }) => [
            `${id}${Object.values(attributes ?? {}).join()}`,
            Number("value" in state ? state.value : "count" in state ? state.count : NaN)
          ])
      )
      const number = (name: string) => shown.get(`sluice_declarator_${name}`)
      assert.strictEqual(number("connections"), 1)
      assert.strictEqual(number("jobs_declared_total"), 1)
      assert.strictEqual(number("tokens_allocated_total"), 2)
      assert.strictEqual(number("mempool_transactions"), 4)
      assert.isAtLeast(number("jobs_refused_totalinvalid-coinbase-tx") ?? 0, 1)
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("sends clients to another server when it stops, and says in its events why connections ended", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(world({ reconnectTo: { host: "b.example", port: 3334 } }), scope)
      yield* Effect.gen(function* () {
        const client = yield* connect()
        const server = yield* DeclarationServer
        const opened = yield* server.events.pipe(
          Stream.filter(({ _tag }) => _tag === "ConnectionOpened" || _tag === "ConnectionClosed"),
          Stream.take(2),
          Stream.runCollect,
          Effect.forkChild({ startImmediately: true })
        )
        const other = yield* Scope.make()
        yield* Effect.provideService(connect(0), Scope.Scope, other)
        yield* Scope.close(other, Exit.void)
        const events = yield* Fiber.join(opened)
        assert.deepInclude(events[0], { _tag: "ConnectionOpened", mode: "coinbase-only" })
        assert.deepInclude(events[1], { _tag: "ConnectionClosed", reason: "the peer closed the connection" })
        yield* client.token
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* client.next, { _tag: "Reconnect", newHost: "b.example", newPort: 3334 })
      }).pipe(Effect.provide(context))
    }).pipe(Effect.scoped)
  )
})
