/** Clients that send too much, or what nobody asked for: each gets an error code or loses its connection, others are served. */
import { assert, describe, it } from "@effect/vitest"
import { NodeRefused, NodeRpcError, NodeUnreachable } from "@sluice/node"
import { JobDeclaration } from "@sluice/protocol"
import { Deferred, Effect, Fiber } from "effect"
import { DeclarationServer } from "../../src/index.ts"
import { makeProposals } from "../../src/server/node/proposals.ts"
import { bytesOf, declare, solve, wtxidsOf } from "./jobs.ts"
import { randomTransaction } from "./transactions.ts"
import { connect, templateOfNode, templateWith, until, world } from "./world.ts"

type Client = Effect.Success<ReturnType<typeof connect>>

/** Waits for the end of a connection and gives the messages before it. */
const ended = ({ next }: Client) =>
  Effect.gen(function* () {
    const messages: Array<JobDeclaration.ToClient> = []
    while (true) {
      const result = yield* Effect.result(next)
      if (result._tag === "Failure") return messages
      messages.push(result.success)
    }
  })

/** Declares a valid job and expects it to be accepted. */
const isServed = (client: Client, template: Parameters<typeof declare>[0]) =>
  Effect.gen(function* () {
    yield* client.send(declare(template, yield* client.token))
    yield* client.expect("DeclareMiningJob.Success")
  })

describe("a hostile client", () => {
  it.live("that lists more transactions than a block has, or sends megabytes unasked, loses its connection", () =>
    Effect.gen(function* () {
      const honest = yield* connect()
      const template = yield* templateWith(4)
      const many = yield* connect()
      const list = Array.from({ length: 65_535 }, () => new Uint8Array(32))
      const job = declare(template, yield* many.token)
      yield* Effect.ignore(many.send({ ...job, wtxidList: list }))
      assert.deepStrictEqual(yield* ended(many), [])
      const large = yield* connect()
      const transactionList = [new Uint8Array(4_000_000)]
      yield* Effect.ignore(
        large.send(JobDeclaration.ProvideMissingTransactionsSuccess.make({ requestId: 1, transactionList }))
      )
      assert.deepStrictEqual(yield* ended(large), [])
      yield* isServed(honest, template)
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live(
    "that answers with four megabytes gets missing-txs, or loses its connection if the block has no room for them",
    () =>
      Effect.gen(function* () {
        const honest = yield* connect()
        const template = yield* templateWith(4)
        const wtxids = [...wtxidsOf(template), randomTransaction(1).wtxid]
        const answer = Effect.fnUntraced(function* (client: Client, bytes: number) {
          yield* client.send(declare(template, yield* client.token, { requestId: 2, wtxids }))
          yield* client.expect("ProvideMissingTransactions")
          const transactionList = [new Uint8Array(bytes)]
          yield* Effect.ignore(
            client.send(JobDeclaration.ProvideMissingTransactionsSuccess.make({ requestId: 2, transactionList }))
          )
        })
        const fitting = yield* connect()
        yield* answer(fitting, 3_990_000)
        assert.include(yield* fitting.refusal, { errorCode: "missing-txs" })
        const large = yield* connect()
        yield* answer(large, 4_000_000)
        assert.deepStrictEqual(yield* ended(large), [])
        yield* isServed(honest, template)
        const server = yield* DeclarationServer
        yield* until(Effect.map(server.stats, ({ declarations }) => declarations === 0))
      }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("that guesses tokens is read from slowly, and loses its connection", () =>
    Effect.gen(function* () {
      const honest = yield* connect()
      const template = yield* templateWith(4)
      const guesser = yield* connect()
      const guess = (index: number) => declare(template, new Uint8Array(86).fill(index), { requestId: index })
      yield* Effect.ignore(guesser.send(...Array.from({ length: 100 }, (_, index) => guess(index))))
      const replies = yield* ended(guesser)
      assert.isAtMost(replies.length, 40)
      for (const reply of replies) assert.deepInclude(reply, { errorCode: "invalid-mining-job-token" })
      yield* isServed(honest, template)
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("that asks for tokens without end loses its connection, and its tokens are no others' burden", () =>
    Effect.gen(function* () {
      const honest = yield* connect()
      const template = yield* templateWith(4)
      const greedy = yield* connect()
      const ask = (requestId: number) => JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "x", requestId })
      yield* Effect.ignore(greedy.send(...Array.from({ length: 100 }, (_, index) => ask(index))))
      assert.isAtMost((yield* ended(greedy)).length, 8)
      const server = yield* DeclarationServer
      yield* until(Effect.map(server.stats, ({ tokens }) => tokens === 0))
      yield* isServed(honest, template)
    }).pipe(Effect.scoped, Effect.provide(world({ maxTokens: 64, maxTokensPerSecond: 100 })))
  )

  it.live(
    "that never sends the transactions that it is asked for holds few declarations, and nothing after its end",
    () =>
      Effect.gen(function* () {
        const honest = yield* connect()
        const template = yield* templateWith(4)
        const server = yield* DeclarationServer
        yield* Effect.scoped(
          Effect.gen(function* () {
            const silent = yield* connect()
            const unknown = [randomTransaction(1), randomTransaction(2)].map(({ wtxid }) => wtxid)
            const wtxids = [...wtxidsOf(template), ...unknown]
            for (let requestId = 1; requestId <= 8; requestId++) {
              yield* silent.send(declare(template, yield* silent.token, { requestId, wtxids }))
              yield* silent.expect("ProvideMissingTransactions")
            }
            yield* silent.send(declare(template, yield* silent.token, { requestId: 9, wtxids }))
            assert.include(yield* silent.refusal, { errorCode: "internal-error" })
            yield* silent.send(declare(template, yield* silent.token, { requestId: 8, wtxids }))
            assert.include(yield* silent.refusal, { errorCode: "invalid-job" })
            assert.strictEqual((yield* server.stats).declarations, 8)
            yield* isServed(honest, template)
          })
        )
        yield* until(Effect.map(server.stats, ({ declarations, tokens }) => declarations === 0 && tokens === 1))
      }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("whose declarations take more bytes than it may have loses its own older jobs first", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(20)
      const server = yield* DeclarationServer
      const jobs: Array<JobDeclaration.DeclareMiningJob> = []
      for (let requestId = 1; requestId <= 6; requestId++) {
        const job = declare(template, yield* client.token, { requestId })
        jobs.push(job)
        yield* client.send(job)
        yield* client.expect("DeclareMiningJob.Success")
      }
      assert.isBelow((yield* server.stats).jobs, 6)
      assert.isAtLeast((yield* server.stats).jobs, 1)
      yield* client.send(solve(template, jobs.at(-1)!))
      yield* until(Effect.map(server.stats, ({ blocksFound }) => blocksFound === 1))
      // The list alone takes more than the connection may have.
      const wtxids = Array.from({ length: 2_000 }, (_, index) => randomTransaction(index).wtxid)
      yield* client.send(declare(template, yield* client.token, { wtxids }))
      assert.include(yield* client.refusal, { errorCode: "internal-error" })
    }).pipe(Effect.scoped, Effect.provide(world({ maxBytes: 8 * 16_000 })))
  )

  it.effect("that fills the node with declarations waits for itself: those of another address are judged in turn", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const judge = yield* Deferred.make<null>()
      const rpc = {
        proposeBlock: (block: Uint8Array | string) =>
          Effect.suspend(() => {
            asked.push(block.length)
            return asked.length <= 2 ? Deferred.await(judge) : Effect.succeed(null)
          })
      }
      const proposals = makeProposals(rpc, { log: () => Effect.void }, () => {})
      const of = (key: string, size: number) =>
        Effect.forkChild(
          proposals.judge(key, () => new Uint8Array(size)),
          { startImmediately: true }
        )
      const all = []
      for (let i = 1; i <= 8; i++) all.push(yield* of("a flood", i))
      all.push(yield* of("another", 100), yield* of("a third", 101))
      yield* Deferred.succeed(judge, null)
      for (const fiber of all) assert.deepStrictEqual(yield* Fiber.join(fiber), { verdict: null, why: "" })
      assert.deepStrictEqual(asked, [1, 2, 3, 100, 101, 4, 5, 6, 7, 8])
    }).pipe(Effect.scoped)
  )
})

describe("a node", () => {
  const failure = (reason: NodeRpcError["reason"]) => new NodeRpcError({ node: "n", method: "m", reason })

  it.live("that does not answer for a while is asked again; one that stays away is an internal-error", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(2)
      yield* isServed(client, template)
      assert.strictEqual(tries, 3)
      tries = -100
      yield* client.send(declare(template, yield* client.token))
      assert.deepStrictEqual(yield* client.refusal, {
        errorCode: "internal-error",
        details: "the node gave no verdict within 1.5 s"
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        world({ verdictTimeout: "1500 millis" }, [], (rpc) => ({
          proposeBlock: (block) =>
            Effect.suspend(() =>
              ++tries < 3 ? Effect.fail(failure(new NodeUnreachable({ cause: "away" }))) : rpc.proposeBlock(block)
            )
        }))
      )
    )
  )
  let tries = 0

  it.live("that never gives a verdict does not keep the server from stopping", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(2)
      for (let requestId = 1; requestId <= 5; requestId++) {
        yield* client.send(declare(template, yield* client.token, { requestId }))
      }
      const server = yield* DeclarationServer
      yield* until(Effect.map(server.stats, ({ declarations }) => declarations === 5))
    }).pipe(Effect.scoped, Effect.provide(world({}, [], () => ({ proposeBlock: () => Effect.never }))))
  )

  it.live("without proposals leaves the server its own rules, with the fees of the node's template", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(6)
      yield* isServed(client, template)
      yield* until(Effect.sync(() => log.some((line) => line.includes("only our own rules"))))
      yield* client.send(declare(template, yield* client.token, { commitment: new Uint8Array(32) }))
      assert.include(yield* client.refusal, { errorCode: "invalid-coinbase-tx" })
      const more = Effect.gen(function* () {
        yield* client.send(declare(template, yield* client.token, { extra: 1n }))
        return yield* client.next
      })
      // Until the node's template has come, the fees of these transactions are not known, and the sum is not checked.
      while ((yield* more)._tag !== "DeclareMiningJob.Error") yield* Effect.sleep(20)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        world({}, log, () => ({
          proposeBlock: () => Effect.fail(failure(new NodeRefused({ code: -8, detail: "Invalid mode" })))
        }))
      )
    )
  )
  const log: Array<string> = []

  it.live("whose answer to a call for many transactions is too long is asked for fewer at once", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      yield* isServed(client, yield* templateWith(120))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        world({}, [], (rpc) => ({
          getRawTransactions: (txids) =>
            txids.length > 60
              ? Effect.fail(failure(new NodeUnreachable({ cause: "the answer is too long" })))
              : rpc.getRawTransactions(txids)
        }))
      )
    )
  )

  it.live("that has no transaction of a job is sent all of them by the client", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const rpcTemplate = yield* templateOfNode(12)
      yield* client.send(declare(rpcTemplate, yield* client.token, { requestId: 77 }))
      const { unknownTxPositionList } = yield* client.expect("ProvideMissingTransactions")
      assert.deepStrictEqual([...unknownTxPositionList], [...rpcTemplate.transactions.keys()])
      const transactionList = [...bytesOf(rpcTemplate)]
      yield* client.send(JobDeclaration.ProvideMissingTransactionsSuccess.make({ requestId: 77, transactionList }))
      yield* client.expect("DeclareMiningJob.Success")
      // The next job has them already.
      yield* client.send(declare(rpcTemplate, yield* client.token, { requestId: 78 }))
      yield* client.expect("DeclareMiningJob.Success")
    }).pipe(Effect.scoped, Effect.provide(world({ maxMempoolTransactions: 0 })))
  )
})
