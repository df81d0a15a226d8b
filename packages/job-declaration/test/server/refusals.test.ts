/** Each error code of DeclareMiningJob.Error over a connection to a declarator with a node. */
import { assert, describe, it } from "@effect/vitest"
import { legacySigopsCost, parseTransaction } from "@sluice/bitcoin"
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { type BlockTemplate, NodeRpc } from "@sluice/node"
import { JobDeclaration } from "@sluice/protocol"
import { Effect } from "effect"
import { DeclarationServer } from "../../src/index.ts"
import { bytesOf, declare, type JobOptions, PAYOUT, solve, wtxidsOf } from "./jobs.ts"
import { connect, templateWith, until, world } from "./world.ts"

const OTHER = new Uint8Array([0x51])

/** What is wrong, the code for it, and words of the details. */
const WRONG: ReadonlyArray<
  readonly [what: string, errorCode: string, details: string, options: (template: BlockTemplate) => JobOptions]
> = [
  ["a block for an old tip", "stale-chain-tip", "the next block has height", ({ height }) => ({ height: height - 1 })],
  [
    "a coinbase without the pool's output",
    "invalid-coinbase-tx",
    "all outputs of the pool must be there",
    () => ({
      outputs: [{ value: 1n, script: OTHER }]
    })
  ],
  [
    "a coinbase that pays the pool too little",
    "invalid-coinbase-tx",
    "min-payout-percent",
    () => ({
      outputs: [
        { value: 1n, script: PAYOUT },
        { value: 5_000_000_000n, script: OTHER }
      ]
    })
  ],
  ["more value than subsidy and fees", "invalid-coinbase-tx", "bad-cb-amount", () => ({ extra: 1n })],
  [
    "another commitment to the witnesses",
    "invalid-coinbase-tx",
    "commitment to the witnesses",
    () => ({
      commitment: new Uint8Array(32)
    })
  ],
  [
    "a lock time that is not over",
    "invalid-coinbase-tx",
    "lock time",
    ({ height }) => ({
      lockTime: height,
      sequence: 0
    })
  ],
  [
    "a list that names a transaction twice",
    "invalid-job",
    "in the list twice",
    (template) => ({
      wtxids: [...wtxidsOf(template), wtxidsOf(template)[0]!]
    })
  ],
  ["a version that no block has", "invalid-job", "version is 4 or more", () => ({ version: 3 })],
  [
    "more transactions than a block has",
    "invalid-job",
    "at most 16666",
    () => ({
      wtxids: Array.from({ length: 16_667 }, () => new Uint8Array(32))
    })
  ]
]

describe("DeclareMiningJob.Error", () => {
  it.live("names the fault of each job, and the connection goes on", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      yield* (yield* DevNode).submitBlock(solveTemplate(yield* (yield* NodeRpc).getBlockTemplate())!)
      const template = yield* templateWith(5)
      for (const [what, errorCode, details, options] of WRONG) {
        yield* client.send(declare(template, yield* client.token, { requestId: 3, ...options(template) }))
        const refused = yield* client.refusal
        assert.strictEqual(refused.errorCode, errorCode, what)
        assert.include(refused.details, details, what)
      }
      yield* client.send(declare(template, yield* client.token))
      yield* client.expect("DeclareMiningJob.Success")
      const { jobs, jobsRefused } = yield* (yield* DeclarationServer).stats
      assert.strictEqual(jobs, 1)
      assert.strictEqual(jobsRefused["invalid-coinbase-tx"], 5)
    }).pipe(Effect.scoped, Effect.provide(world({ maxFaultsPerSecond: 100, tipTimeout: "100 millis" })))
  )

  it.live("invalid-mining-job-token: guessed, used, of another connection, expired, of an accepted job", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const other = yield* connect()
      const template = yield* templateWith(1)
      const refused = (token: Uint8Array, details: string) =>
        Effect.gen(function* () {
          yield* client.send(declare(template, token))
          assert.deepInclude(yield* client.refusal, { errorCode: "invalid-mining-job-token", details })
        })
      const token = yield* client.token
      const guessed = token.slice()
      guessed[20]! ^= 1
      yield* refused(guessed, "this server has not allocated the token")
      yield* refused(new Uint8Array(0), "this server has not allocated the token")
      yield* refused(yield* other.token, "the token was used before, or was not allocated on this connection")
      yield* client.send(declare(template, token))
      const { newMiningJobToken } = yield* client.expect("DeclareMiningJob.Success")
      yield* refused(token, "the token was used before, or was not allocated on this connection")
      yield* refused(newMiningJobToken, "the token is of an accepted job; expected one of AllocateMiningJobToken")
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("invalid-mining-job-token in coinbase-only mode, and for a token that has expired", () =>
    Effect.gen(function* () {
      const template = yield* templateWith(1)
      const client = yield* connect(0)
      yield* client.send(declare(template, yield* client.token))
      assert.include(yield* client.refusal, { errorCode: "invalid-mining-job-token" })
      const late = yield* connect()
      const token = yield* late.token
      yield* Effect.sleep(1_200)
      yield* late.send(declare(template, token))
      assert.deepInclude(yield* late.refusal, {
        errorCode: "invalid-mining-job-token",
        details: "the token has expired"
      })
    }).pipe(Effect.scoped, Effect.provide(world({ tokenLifetime: "1 second" })))
  )

  it.live("invalid-coinbase-tx-input: no height, a second input, a script with bytes behind the extranonce", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(1)
      const broken = (change: (job: JobDeclaration.DeclareMiningJob) => Partial<JobDeclaration.DeclareMiningJob>) =>
        Effect.gen(function* () {
          const job = declare(template, yield* client.token)
          yield* client.send({ ...job, ...change(job) })
          return yield* client.refusal
        })
      const changed = (bytes: Uint8Array, at: number, value: number) =>
        bytes.map((byte, i) => (i === at ? value : byte))
      const inputs = yield* broken(({ coinbaseTxPrefix }) => ({ coinbaseTxPrefix: changed(coinbaseTxPrefix, 6, 2) }))
      assert.deepStrictEqual(inputs, {
        errorCode: "invalid-coinbase-tx-input",
        details: "a coinbase has one input, which spends the null output"
      })
      const long = yield* broken(({ coinbaseTxPrefix }) => ({ coinbaseTxPrefix: changed(coinbaseTxPrefix, 43, 101) }))
      assert.include(long, { errorCode: "invalid-coinbase-tx-input" })
      const behind = yield* broken(({ coinbaseTxPrefix }) => ({ coinbaseTxPrefix: changed(coinbaseTxPrefix, 43, 99) }))
      assert.include(behind.details, "leaves 96 for the extranonce; expected 0 to 32")
      const cut = yield* broken(({ coinbaseTxPrefix }) => ({ coinbaseTxPrefix: coinbaseTxPrefix.subarray(0, 20) }))
      assert.include(cut, { errorCode: "invalid-coinbase-tx-input" })
      const height = yield* broken(({ coinbaseTxPrefix }) => ({ coinbaseTxPrefix: changed(coinbaseTxPrefix, 44, 0) }))
      assert.include(height.details, "BIP34")
      const trailing = yield* broken(({ coinbaseTxSuffix }) => ({
        coinbaseTxSuffix: new Uint8Array([...coinbaseTxSuffix, 0])
      }))
      assert.include(trailing, { errorCode: "invalid-coinbase-tx" })
      const empty = yield* broken(() => ({ coinbaseTxSuffix: new Uint8Array(0) }))
      assert.include(empty, { errorCode: "invalid-coinbase-tx" })
    }).pipe(Effect.scoped, Effect.provide(world({ maxFaultsPerSecond: 100 })))
  )

  it.live("missing-txs: others than asked, too few, broken, never sent", () =>
    Effect.gen(function* () {
      const template = yield* templateWith(12)
      const { lost, own } = yield* withOwnTransactions(template)
      const client = yield* connect()
      /** Declares a job of transactions that the server does not know, and answers its question. */
      const answered = (answer: (transactions: ReadonlyArray<Uint8Array>) => ReadonlyArray<Uint8Array>) =>
        Effect.gen(function* () {
          yield* client.send(declare(own, yield* client.token, { requestId: 8 }))
          const { requestId, unknownTxPositionList } = yield* client.expect("ProvideMissingTransactions")
          assert.strictEqual(requestId, 8)
          assert.deepStrictEqual([...unknownTxPositionList], [1, 3])
          yield* client.send(
            JobDeclaration.ProvideMissingTransactionsSuccess.make({ requestId, transactionList: [...answer(lost)] })
          )
        })
      const refused = (answer: (transactions: ReadonlyArray<Uint8Array>) => ReadonlyArray<Uint8Array>) =>
        Effect.andThen(answered(answer), client.refusal)
      const swapped = yield* refused(([a, b]) => [b!, a!])
      assert.strictEqual(swapped.errorCode, "missing-txs")
      assert.match(swapped.details, /^position 1: the transaction's wtxid is [0-9a-f]{64}, not the declared one$/)
      assert.include((yield* refused(([a]) => [a!])).details, "expected 2 transactions")
      assert.match((yield* refused(([a, b]) => [a!, b!.subarray(1)])).details, /^position 3: /)
      assert.match((yield* refused(([a, b]) => [a!, new Uint8Array([...b!, 0])])).details, /^position 3: .*more bytes/)

      yield* client.send(declare(own, yield* client.token))
      yield* client.expect("ProvideMissingTransactions")
      assert.deepStrictEqual(yield* client.refusal, {
        errorCode: "missing-txs",
        details: "2 transactions were not sent within 0.3 s"
      })
      const server = yield* DeclarationServer
      const { declarations, jobs, mempool } = yield* server.stats
      assert.deepStrictEqual([declarations, jobs, mempool.transactions], [0, 0, 12])
      yield* answered((both) => both)
      yield* client.expect("DeclareMiningJob.Success")
    }).pipe(Effect.scoped, Effect.provide(world({ maxFaultsPerSecond: 100, transactionsTimeout: "300 millis" })))
  )

  it.live("stale-chain-tip: a block that came in between, and one that the node never sees", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const client = yield* connect()
      const server = yield* DeclarationServer
      const template = yield* templateWith(2)
      // The client is one block ahead of the server's node, which then sees the block.
      const ahead = { ...template, height: template.height + 1, transactions: [], coinbasevalue: 5_000_000_000 }
      yield* client.send(declare(ahead, yield* client.token, { requestId: 1 }))
      assert.include(yield* client.refusal, { errorCode: "stale-chain-tip" })
      yield* client.send(declare(ahead, yield* client.token, { requestId: 2 }))
      yield* until(Effect.map(server.stats, ({ declarations }) => declarations === 1))
      yield* node.submitBlock(solveTemplate(template)!)
      assert.strictEqual((yield* client.expect("DeclareMiningJob.Success")).requestId, 2)
      yield* until(Effect.map(server.stats, ({ height }) => height === template.height + 1))
      yield* client.send(declare(template, yield* client.token, { requestId: 3 }))
      assert.include(yield* client.refusal, { errorCode: "stale-chain-tip" })
    }).pipe(Effect.scoped, Effect.provide(world({ tipTimeout: "2 seconds" })))
  )

  it.live("a tip that changes while the client is asked for transactions is stale-chain-tip", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const client = yield* connect()
      const template = yield* templateWith(12)
      const { own } = yield* withOwnTransactions(template)
      yield* client.send(declare(own, yield* client.token))
      yield* client.expect("ProvideMissingTransactions")
      yield* node.submitBlock(solveTemplate(yield* (yield* NodeRpc).getBlockTemplate())!)
      assert.include(yield* client.refusal, { errorCode: "stale-chain-tip" })
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("a solution that makes no block is ignored", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      const template = yield* templateWith(2)
      const job = declare(template, yield* client.token)
      yield* client.send(solve(template, job))
      yield* client.send(job)
      yield* client.expect("DeclareMiningJob.Success")
      yield* client.send({ ...solve(template, job), ntime: 5, nonce: 5 })
      yield* client.token
      const { blocksFound, messagesIgnored } = yield* (yield* DeclarationServer).stats
      assert.isAtLeast(messagesIgnored, 1)
      assert.isAtMost(blocksFound, 1)
    }).pipe(Effect.scoped, Effect.provide(world()))
  )
})

/** The template with two transactions more at positions 1 and 3, which the node does not have. */
const withOwnTransactions = Effect.fnUntraced(function* (template: BlockTemplate) {
  // They spend other coins of the faucet.
  const ofFaucet = template.transactions.filter(({ depends }) => depends.length === 0)
  const lost = bytesOf({ ...template, transactions: ofFaucet.slice(0, 2) }).map((bytes) => {
    const changed = bytes.slice()
    changed[7]! ^= 0xff
    return changed
  })
  const own = lost.map((bytes) => {
    const transaction = parseTransaction(bytes)
    return {
      ...template.transactions[0]!,
      data: Buffer.from(bytes).toString("hex"),
      txid: Buffer.from(transaction.txid.toReversed()).toString("hex"),
      hash: Buffer.from(transaction.wtxid.toReversed()).toString("hex"),
      sigops: legacySigopsCost(transaction)
    }
  })
  const [a, b, ...others] = template.transactions
  return { lost, own: { ...template, transactions: [a!, own[0]!, b!, own[1]!, ...others] } }
})
