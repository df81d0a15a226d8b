/** A node as it is in practice, behind JSON-RPC and ZMQ: it loses announcements, changes its cookie, is slow and fails. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode, JsonRpcServer, solveTemplate, ZmqPublisher } from "@sluice/dev-node"
import {
  type BlockTemplate,
  NodeBusy,
  NodeNotifications,
  NodeNotificationsZmq,
  NodeRpc,
  NodeRpcError,
  NodeRpcHttp
} from "@sluice/node"
import { hex } from "@scure/base"
import { Memory, Plain, Setup, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Redacted, Schedule, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { TemplateProvider, type TemplateProviderOptions } from "../src/index.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"

const password = Redacted.make("sesame")
const build = <A, E, R>(layer: Layer.Layer<A, E, R>) => Layer.build(layer)

const startNode = (options: Parameters<typeof DevNode.layer>[0] = {}) =>
  Effect.map(build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0, ...options })), (context) => ({
    node: Context.get(context, DevNode),
    layer: Layer.succeedContext(context)
  }))

const provide = (
  rpc: Layer.Layer<NodeRpc>,
  notifications: Layer.Layer<NodeNotifications, unknown>,
  options?: TemplateProviderOptions
) =>
  build(
    Layer.mergeAll(
      TemplateProvider.layer(options).pipe(
        Layer.provide(rpc),
        Layer.provide(Layer.orDie(notifications)),
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide(Plain.listener)
      ),
      Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer))
    ).pipe(Layer.provide(Memory.network()))
  )

const mine = (node: DevNode["Service"]) =>
  Effect.flatMap(node.getBlockTemplate(), (template) => node.submitBlock(solveTemplate(template)!))

/** Takes tips until the client works on this block. */
const reach = Effect.fnUntraced(function* (client: Effect.Success<ReturnType<typeof connect>>, hash: string) {
  for (;;) {
    const { prevHash, template } = yield* client.expectTip
    if (hex.encode(prevHash.prevHash.toReversed()) === hash) return { prevHash, template }
  }
})

describe("over JSON-RPC and ZMQ", () => {
  it.live(
    "blocks that come while ZMQ is away are found, and after it is back announced blocks are followed again",
    () =>
      Effect.gen(function* () {
        const { layer, node } = yield* startNode()
        const rpcServer = yield* build(JsonRpcServer.layer({ port: 0, user: "u", password }).pipe(Layer.provide(layer)))
        const { url } = Context.get(rpcServer, JsonRpcServer)
        const publish = Effect.fnUntraced(function* (endpoint: string) {
          const scope = yield* Scope.make()
          // A port that was just closed may be taken for a moment longer.
          const context = yield* build(ZmqPublisher.layer(endpoint).pipe(Layer.provide(layer), Layer.fresh)).pipe(
            Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100 }),
            Scope.provide(scope)
          )
          return { endpoint: Context.get(context, ZmqPublisher).endpoint, stop: Scope.close(scope, Exit.void) }
        })
        const first = yield* publish("tcp://127.0.0.1:*")
        const context = yield* provide(
          NodeRpcHttp.layer({ url, credentials: { _tag: "Password", user: "u", password } }),
          NodeNotificationsZmq.layer(first.endpoint)
        )
        const client = yield* connect().pipe(Effect.provide(context))
        yield* client.constrain()
        yield* client.expectTip
        const next = Effect.gen(function* () {
          yield* mine(node)
          yield* reach(client, (yield* node.tip).hash)
        })
        yield* next
        yield* next
        yield* first.stop
        for (let i = 0; i < 3; i++) yield* mine(node)
        yield* reach(client, (yield* node.tip).hash)
        const second = yield* publish(first.endpoint)
        yield* next
        yield* next
        yield* second.stop
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("a cookie that changes while the node is away is read again", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-cookie-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const path = join(directory, ".cookie")
      const { layer, node } = yield* startNode()
      const serve = Effect.fnUntraced(function* (port: number) {
        const scope = yield* Scope.make()
        const context = yield* build(JsonRpcServer.layer({ port, cookieFile: path }).pipe(Layer.provide(layer))).pipe(
          Scope.provide(scope)
        )
        return { server: Context.get(context, JsonRpcServer), stop: Scope.close(scope, Exit.void) }
      })
      const first = yield* serve(0)
      const context = yield* provide(
        NodeRpcHttp.layer({ url: first.server.url, credentials: { _tag: "Cookie", path } }),
        NodeNotifications.layerNone
      )
      const client = yield* connect().pipe(Effect.provide(context))
      yield* client.constrain()
      yield* client.expectTip
      yield* first.stop
      yield* mine(node)
      const second = yield* serve(first.server.port)
      yield* reach(client, (yield* node.tip).hash)
      yield* second.stop
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("five thousand transactions, some spending from others, are mined into a block that the node accepts", () =>
    Effect.gen(function* () {
      const { layer, node } = yield* startNode({ maxMempoolTransactions: 5_000 })
      yield* node.addMadeUpTransactions(5_000)
      const outside = yield* build(
        Layer.merge(
          JsonRpcServer.layer({ port: 0, user: "u", password }),
          ZmqPublisher.layer("tcp://127.0.0.1:*")
        ).pipe(Layer.provide(layer))
      )
      const context = yield* provide(
        NodeRpcHttp.layer({
          url: Context.get(outside, JsonRpcServer).url,
          credentials: { _tag: "Password", user: "u", password }
        }),
        NodeNotificationsZmq.layer(Context.get(outside, ZmqPublisher).endpoint)
      )
      const client = yield* connect().pipe(Effect.provide(context))
      const roomy = yield* connect().pipe(Effect.provide(context))
      yield* client.constrain(100, 4)
      // Room for an enormous coinbase: most transactions, parents and all, have to be left out.
      yield* roomy.constrain(900_000, 60_000)
      const { prevHash, template } = yield* client.expectTip
      const other = yield* roomy.expectTip
      assert.isAbove(other.template.merklePath.length, 0)
      assert.isTrue(other.template.coinbaseTxValueRemaining < template.coinbaseTxValueRemaining)
      yield* roomy.send([solve(other.template, other.prevHash)])
      const { template: next } = yield* reach(
        client,
        yield* Effect.map(
          node.tip.pipe(Effect.delay(20), Effect.repeat({ until: ({ height }) => height === 1 })),
          ({ hash }) => hash
        )
      )
      assert.isTrue(next.futureTemplate)
      assert.isTrue(prevHash.templateId < next.templateId)
      const block = node.state.chain.tip.block!
      assert.isAbove(block.transactions.length, 1)
      assert.isAtMost(block.weight, 4_000_000 - 4 * 900_000)
      assert.deepStrictEqual((yield* Context.get(context, TemplateProvider).stats).verdicts, { accepted: 1 })
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("slow calls and failures now and then only cause delays", () =>
    Effect.gen(function* () {
      const { layer, node } = yield* startNode()
      const outside = yield* build(ZmqPublisher.layer("tcp://127.0.0.1:*").pipe(Layer.provide(layer)))
      let calls = 0
      const shaky = Layer.effect(
        NodeRpc,
        Effect.map(NodeRpc, (rpc): NodeRpc["Service"] => {
          const hamper = <A>(method: string, effect: Effect.Effect<A, NodeRpcError>) =>
            Effect.suspend(() => {
              calls++
              if (calls % 3 !== 0) return Effect.delay(effect, calls % 5 === 0 ? 60 : 0)
              const reason = new NodeBusy({ detail: "Work queue depth exceeded" })
              return Effect.fail(new NodeRpcError({ node: "shaky", method, reason }))
            })
          return {
            ...rpc,
            getBlockTemplate: (request): Effect.Effect<BlockTemplate, NodeRpcError> =>
              request?.longPollId === undefined
                ? hamper("getblocktemplate", rpc.getBlockTemplate(request))
                : rpc.getBlockTemplate(request),
            getBlockHeader: (hash) => hamper("getblockheader", rpc.getBlockHeader(hash)),
            submitBlock: (block) => hamper("submitblock", rpc.submitBlock(block))
          }
        })
      ).pipe(Layer.provide(DevNode.nodeRpc), Layer.provide(layer))
      const { endpoint } = Context.get(outside, ZmqPublisher)
      const context = yield* provide(shaky, NodeNotificationsZmq.layer(endpoint))
      const client = yield* connect().pipe(Effect.provide(context))
      yield* client.constrain()
      for (let block = 0; block < 8; block++) {
        const { prevHash, template } = yield* reach(client, (yield* node.tip).hash)
        yield* client.send([solve(template, prevHash)])
        yield* node.tip.pipe(Effect.delay(5), Effect.repeat({ until: ({ height }) => height > block }))
      }
      assert.isAbove(calls, 16)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})
