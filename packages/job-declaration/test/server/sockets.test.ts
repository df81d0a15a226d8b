/** The declarator over TCP with Noise, and its node over JSON-RPC and ZMQ: every error code, then a block. */
import { assert, it } from "@effect/vitest"
import { DevNode, JsonRpcServer, solveTemplate, ZmqPublisher } from "@sluice/dev-node"
import { NodeNotificationsZmq, NodeRpc, NodeRpcHttp } from "@sluice/node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { ErrorCode, JobDeclaration } from "@sluice/protocol"
import { DeclarationDialer, DeclarationListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Layer, Redacted } from "effect"
import { DeclarationServer } from "../../src/index.ts"
import { declare, solve, wtxidsOf } from "./jobs.ts"
import { randomTransaction } from "./transactions.ts"
import { connect, OPTIONS, quiet, until } from "./world.ts"

const password = Redacted.make("sesame")

it.live("refuses with each error code over sockets, and submits a block to a node behind sockets", () =>
  Effect.gen(function* () {
    const devNode = yield* Layer.build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0 }))
    const node = Context.get(devNode, DevNode)
    const outside = yield* Layer.build(
      Layer.merge(JsonRpcServer.layer({ port: 0, user: "u", password }), ZmqPublisher.layer("tcp://127.0.0.1:*")).pipe(
        Layer.provide(Layer.succeedContext(devNode))
      )
    )
    const rpc = NodeRpcHttp.layer({
      url: Context.get(outside, JsonRpcServer).url,
      credentials: { _tag: "Password", user: "u", password }
    })
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const world = Layer.mergeAll(
      DeclarationServer.layer({ ...OPTIONS, maxFaultsPerSecond: 100 }).pipe(
        Layer.provide(Setup.server(DeclarationListener)),
        Layer.provide(Noise.responder()),
        Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })]),
        Layer.provide(NodeNotificationsZmq.layer(Context.get(outside, ZmqPublisher).endpoint))
      ),
      Setup.client(DeclarationDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
    ).pipe(Layer.provideMerge(rpc))

    yield* Effect.gen(function* () {
      const { address, stats } = yield* DeclarationServer
      const { getBlockTemplate } = yield* NodeRpc
      const server = { ...address, security: { _tag: "noise", authorityKey: publicKey } } as const
      yield* until(Effect.map(stats, ({ height }) => height === 1))
      yield* node.submitBlock(solveTemplate(yield* getBlockTemplate())!)
      yield* node.addMadeUpTransactions(10)
      const template = yield* getBlockTemplate()
      // Over ZMQ: the server hears of the block and of the transactions.
      yield* until(
        Effect.map(stats, ({ height, mempool }) => height === template.height && mempool.transactions === 10)
      )
      const client = yield* connect(JobDeclaration.DECLARE_TX_DATA, server)
      const seen = new Set<string>()
      const refused = (job: JobDeclaration.DeclareMiningJob) =>
        Effect.gen(function* () {
          yield* client.send(job)
          seen.add((yield* client.refusal).errorCode)
        })
      const job = (options = {}) => Effect.map(client.token, (token) => declare(template, token, options))
      yield* refused(declare(template, new Uint8Array(86)))
      yield* refused(yield* job({ commitment: new Uint8Array(32) }))
      const { coinbaseTxPrefix, ...rest } = yield* job()
      yield* refused({ ...rest, coinbaseTxPrefix: coinbaseTxPrefix.with(43, 101) })
      yield* refused(yield* job({ height: template.height - 1 }))
      yield* refused(yield* job({ version: 1 }))
      const wtxids = [...wtxidsOf(template), randomTransaction(1).wtxid]
      yield* client.send(yield* job({ wtxids }))
      yield* client.expect("ProvideMissingTransactions")
      const other = JobDeclaration.ProvideMissingTransactionsSuccess.make({
        requestId: 1,
        transactionList: [randomTransaction(2).bytes]
      })
      yield* client.send(other)
      seen.add((yield* client.refusal).errorCode)
      for (let requestId = 1; requestId <= 8; requestId++) {
        yield* client.send(yield* job({ requestId, wtxids }))
        yield* client.expect("ProvideMissingTransactions")
      }
      yield* refused(yield* job({ requestId: 9, wtxids }))
      assert.sameMembers([...seen], Object.values(ErrorCode.declareMiningJob))

      const good = yield* connect(JobDeclaration.DECLARE_TX_DATA, server)
      const declared = declare(template, yield* good.token)
      yield* good.send(declared)
      yield* good.expect("DeclareMiningJob.Success")
      yield* good.send(solve(template, declared))
      yield* until(Effect.map(node.tip, ({ height }) => height === template.height))
      yield* until(Effect.map(stats, ({ height, mempool }) => height > template.height && mempool.transactions === 0))
    }).pipe(Effect.provide(world))
  }).pipe(Effect.scoped, Effect.provide(quiet([])))
)
