import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { DevNode, solveTemplate } from "@sluice/dev-node"
import {
  type NamedNode,
  NodeRefused,
  NodeRpc,
  type NodeRpcCalls,
  NodeRpcError,
  NodeRpcGroup,
  NodeUnreachable
} from "../src/index.ts"

const quiet = Logger.layer([])

/** A development node that a test can take away, and that counts what it is asked. */
const member = Effect.fnUntraced(function* (name: string) {
  const context = yield* Layer.build(
    DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0 }).pipe(Layer.fresh)
  )
  const rpc = yield* NodeRpc.pipe(Effect.provide(context))
  const node = yield* DevNode.pipe(Effect.provide(context))
  const state = { failure: undefined as NodeRpcError["reason"] | undefined, calls: 0 }
  const guarded = <A>(effect: Effect.Effect<A, NodeRpcError>) =>
    Effect.suspend(() => {
      state.calls++
      if (state.failure === undefined) return effect
      return Effect.fail(new NodeRpcError({ node: name, method: "any", reason: state.failure }))
    })
  const calls: NodeRpcCalls = {
    ...rpc,
    getBlockTemplate: (request) => guarded(rpc.getBlockTemplate(request)),
    submitBlock: (block) => guarded(rpc.submitBlock(block)),
    getBlockHeader: (hash) => guarded(rpc.getBlockHeader(hash)),
    getBlockchainInfo: guarded(rpc.getBlockchainInfo)
  }
  const named: NamedNode = { name, rpc: calls }
  return { named, node, state }
})

const two = Effect.gen(function* () {
  const first = yield* member("first")
  const second = yield* member("second")
  const group = yield* NodeRpcGroup.make([first.named, second.named])
  return { first, second, group }
})

const away = new NodeUnreachable({ cause: "ECONNREFUSED" })

describe("several nodes as one", () => {
  it.effect(
    "calls go to the first node, to the next while the first does not answer, and then to the first again",
    () =>
      Effect.gen(function* () {
        const { first, group, second } = yield* two
        yield* group.getBlockTemplate()
        assert.strictEqual(second.state.calls, 0)
        first.state.failure = away
        yield* group.getBlockTemplate()
        yield* group.getBlockTemplate()
        assert.strictEqual(second.state.calls, 2)
        assert.strictEqual(first.state.calls, 2, "the one that is away is not asked first again")
        first.state.failure = undefined
        yield* TestClock.adjust("31 seconds")
        const { calls } = second.state
        yield* group.getBlockTemplate()
        assert.strictEqual(second.state.calls, calls)
      }).pipe(Effect.provide(quiet))
  )

  it.effect("a spare node that does not answer is logged once, and once more when it answers again", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const { second } = yield* two
      second.state.failure = away
      yield* TestClock.adjust("5 minutes")
      second.state.failure = undefined
      yield* TestClock.adjust("5 minutes")
      assert.lengthOf(log, 2)
      assert.match(log[0]!, /The node at second does not say its height.*cannot be reached \(ECONNREFUSED\)/)
      assert.match(log[1]!, /The node at second answers again/)
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])))
  })

  it.effect("a node that stays behind the others gets no calls", () =>
    Effect.gen(function* () {
      const { group, second } = yield* two
      yield* second.node.submitBlock(solveTemplate(yield* second.node.getBlockTemplate())!)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual((yield* group.getBlockTemplate()).height, 1, "a block takes a moment")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* group.getBlockTemplate()).height, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("a node on another chain is logged, and gets no calls", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const first = yield* member("first")
      const second = yield* member("second")
      const { rpc } = second.named
      const abroad = {
        ...rpc,
        getBlockchainInfo: Effect.map(rpc.getBlockchainInfo, (info) => ({ ...info, chain: "main" }))
      }
      const group = yield* NodeRpcGroup.make([first.named, { name: "second", rpc: abroad }])
      yield* TestClock.adjust("5 minutes")
      first.state.failure = away
      assert.strictEqual((yield* Effect.flip(group.getBlockTemplate())).reason._tag, "NodeUnreachable")
      assert.deepStrictEqual(log, ['The node at second is on chain "main", not on "regtest": it is not used'])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])))
  })

  it.effect("a header comes from whichever node has it", () =>
    Effect.gen(function* () {
      const { group, second } = yield* two
      yield* second.node.submitBlock(solveTemplate(yield* second.node.getBlockTemplate())!)
      const { hash } = yield* second.node.tip
      assert.strictEqual((yield* group.getBlockHeader(hash)).height, 1)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("a block goes to all nodes, and is accepted if one accepts it", () =>
    Effect.gen(function* () {
      const { first, group, second } = yield* two
      const block = solveTemplate(yield* group.getBlockTemplate())!
      yield* first.node.submitBlock(block)
      assert.isNull(yield* group.submitBlock(block))
      assert.strictEqual((yield* second.node.tip).height, 1)
      assert.strictEqual(yield* group.submitBlock(block), "duplicate")
      first.state.failure = away
      assert.strictEqual(yield* group.submitBlock(block), "duplicate")
      second.state.failure = away
      assert.strictEqual((yield* Effect.flip(group.submitBlock(block))).reason._tag, "NodeUnreachable")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("an error about the call itself is returned without asking another node", () =>
    Effect.gen(function* () {
      const { first, group, second } = yield* two
      first.state.failure = new NodeRefused({ code: -8, detail: "bad parameter" })
      yield* Effect.flip(group.getBlockTemplate())
      assert.strictEqual(second.state.calls, 0)
      first.state.failure = new NodeRefused({ code: -10, detail: "initial sync" })
      yield* group.getBlockTemplate()
      assert.strictEqual(second.state.calls, 1)
    }).pipe(Effect.provide(quiet))
  )
})
