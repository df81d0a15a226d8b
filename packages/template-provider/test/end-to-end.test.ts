/** The real thing in one process: a node behind JSON-RPC and ZMQ, a provider and a client over TCP with Noise. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode, JsonRpcServer, solveTemplate, ZmqPublisher } from "@sluice/dev-node"
import { NodeNotificationsZmq, NodeRpc, NodeRpcHttp } from "@sluice/node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import type { TemplateDistribution } from "@sluice/protocol"
import { Memory, Noise, Plain, Setup, Tcp, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Redacted, Scope, Stream } from "effect"
import { TemplateClient, TemplateProvider, TemplateSource } from "../src/index.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"

const password = Redacted.make("sesame")

const node = DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0 })

const build = <A, E, R>(layer: Layer.Layer<A, E, R>) => Layer.build(layer)

/** Works on whatever comes until the source has given so many tips; each tip is solved once. */
const mine = Effect.fnUntraced(function* (source: TemplateSource["Service"], blocks: number) {
  const templates = new Map<bigint, TemplateDistribution.NewTemplate>()
  const tips: Array<TemplateDistribution.SetNewPrevHash> = []
  yield* source.messages.pipe(
    Stream.tap((message) => {
      if (message._tag === "NewTemplate") {
        templates.set(message.templateId, message)
        return Effect.void
      }
      tips.push(message)
      return tips.length > blocks ? Effect.void : source.submit(solve(templates.get(message.templateId)!, message))
    }),
    Stream.takeUntil(() => tips.length > blocks),
    Stream.runDrain
  )
  return tips
})

describe("from the node to the pool and back over TCP, Noise, HTTP and ZMQ", () => {
  it.live("blocks are mined, and each part may restart", () =>
    Effect.gen(function* () {
      const devNode = yield* build(node)
      const tipHeight = Effect.map(Context.get(devNode, DevNode).tip, ({ height }) => height)
      const outside = yield* build(
        Layer.merge(
          JsonRpcServer.layer({ port: 0, user: "u", password }),
          ZmqPublisher.layer("tcp://127.0.0.1:*")
        ).pipe(Layer.provide(Layer.succeedContext(devNode)))
      )
      const { url } = Context.get(outside, JsonRpcServer)
      const { endpoint } = Context.get(outside, ZmqPublisher)
      const { publicKey, secretKey } = yield* AuthorityKey.generate

      const provider = (port: number) =>
        TemplateProvider.layer().pipe(
          Layer.provide(NodeRpcHttp.layer({ url, credentials: { _tag: "Password", user: "u", password } })),
          Layer.provide(NodeNotificationsZmq.layer(endpoint)),
          Layer.provide(Setup.server(TemplateListener)),
          Layer.provide(Noise.responder()),
          Layer.provide(CertificateAuthority.layer({ secretKey })),
          Layer.provide(Tcp.listener({ host: "127.0.0.1", port }))
        )
      const first = yield* Scope.make()
      const { address } = Context.get(yield* Scope.provide(build(provider(0)), first), TemplateProvider)

      const client = TemplateClient.layer({
        servers: [{ ...address, security: { _tag: "noise", authorityKey: publicKey } }],
        reconnecting: { firstDelay: 50, maxDelay: 100 }
      }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
      const source = Context.get(yield* build(client), TemplateSource)
      yield* source.constrain({ coinbaseOutputMaxAdditionalSize: 43, coinbaseOutputMaxAdditionalSigops: 0 })
      yield* Context.get(devNode, DevNode).addMadeUpTransactions(3)
      yield* mine(source, 5)
      assert.strictEqual(yield* tipHeight, 5)

      yield* Scope.close(first, Exit.void)
      yield* source.state.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Disconnected"),
        Stream.runDrain
      )
      const again = yield* build(provider(address.port))
      yield* source.state.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Connected"),
        Stream.runDrain
      )
      // The state from before, and then the new provider's.
      yield* mine(source, 3)
      assert.isAtLeast(yield* tipHeight, 7)
      const stats = yield* Context.get(again, TemplateProvider).stats
      assert.isAtLeast(stats.verdicts.accepted ?? 0, 2)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("a node that restarts with another chain is followed again", () =>
    Effect.gen(function* () {
      const startNode = Effect.fnUntraced(function* (port: number, endpoint: string) {
        const scope = yield* Scope.make()
        const context = yield* Layer.merge(
          JsonRpcServer.layer({ port, user: "u", password }),
          ZmqPublisher.layer(endpoint)
        ).pipe(Layer.provideMerge(node), build, Scope.provide(scope))
        return { context, stop: Scope.close(scope, Exit.void) }
      })
      const first = yield* startNode(0, "tcp://127.0.0.1:*")
      const { port, url } = Context.get(first.context, JsonRpcServer)
      const { endpoint } = Context.get(first.context, ZmqPublisher)
      const memory = yield* build(
        Layer.mergeAll(
          TemplateProvider.layer().pipe(
            Layer.provide(NodeRpcHttp.layer({ url, credentials: { _tag: "Password", user: "u", password } })),
            Layer.provide(NodeNotificationsZmq.layer(endpoint)),
            Layer.provide(Setup.server(TemplateListener)),
            Layer.provide(Plain.listener)
          ),
          Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer))
        ).pipe(Layer.provide(Memory.network()))
      )
      const provider = Context.get(memory, TemplateProvider)
      const client = yield* connect().pipe(Effect.provide(memory))
      yield* client.constrain()
      const before = yield* client.expectTip
      yield* client.send([solve(before.template, before.prevHash)])
      yield* client.expectTip

      yield* first.stop
      yield* provider.stats.pipe(Effect.delay(20), Effect.repeat({ until: ({ isNodeReachable }) => !isNodeReachable }))
      const second = yield* startNode(port, endpoint)
      const after = yield* client.expectTip
      yield* client.send([solve(after.template, after.prevHash)])
      yield* client.expectTip
      assert.strictEqual((yield* Context.get(second.context, DevNode).tip).height, 1)
      assert.deepStrictEqual((yield* provider.stats).verdicts, { accepted: 2 })
      yield* second.stop
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("a block from elsewhere is sent to clients when ZMQ announces it", () =>
    Effect.gen(function* () {
      const devNode = yield* build(node)
      const { getBlockTemplate, submitBlock } = Context.get(devNode, DevNode)
      const { endpoint } = Context.get(
        yield* build(ZmqPublisher.layer("tcp://127.0.0.1:*").pipe(Layer.provide(Layer.succeedContext(devNode)))),
        ZmqPublisher
      )
      const withoutLongPolls = Layer.effect(
        NodeRpc,
        Effect.map(NodeRpc, (rpc): NodeRpc["Service"] => ({
          ...rpc,
          getBlockTemplate: (request) =>
            request?.longPollId === undefined ? rpc.getBlockTemplate(request) : Effect.never
        }))
      ).pipe(Layer.provide(DevNode.nodeRpc), Layer.provide(Layer.succeedContext(devNode)))
      const memory = yield* build(
        Layer.mergeAll(
          TemplateProvider.layer().pipe(
            Layer.provide(withoutLongPolls),
            Layer.provide(NodeNotificationsZmq.layer(endpoint)),
            Layer.provide(Setup.server(TemplateListener)),
            Layer.provide(Plain.listener)
          ),
          Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer))
        ).pipe(Layer.provide(Memory.network()))
      )
      const client = yield* connect().pipe(Effect.provide(memory))
      yield* client.constrain()
      yield* client.expectTip
      const mineElsewhere = Effect.gen(function* () {
        yield* submitBlock(solveTemplate(yield* getBlockTemplate())!)
      })
      const { stats } = Context.get(memory, TemplateProvider)
      // The first ones may come before the subscription is there.
      yield* mineElsewhere.pipe(
        Effect.andThen(Effect.sleep(20)),
        Effect.andThen(stats),
        Effect.repeat({ until: ({ latency }) => latency.count > 0 })
      )
      yield* client.expectTip
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})
