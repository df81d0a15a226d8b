/** Messages of extensions that the proxy does not know, between a pool and miners. */
import { assert, it } from "@effect/vitest"
import { type ForeignMessage, type Mining } from "@sluice/protocol"
import { settle } from "@sluice/testing/channel-client"
import { openExtended } from "@sluice/testing/pool-client"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import {
  type Connection,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Effect, Layer, Logger, type Scope, Stream } from "effect"
import { Proxy, RelayDialer, RelayListener } from "../src/index.ts"
import { wait } from "./world.ts"

const at = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })
const [PROXY, POOL, OTHER] = [at(99), at(1), at(2)]

type ToServer = Mining.ToServer | ForeignMessage
type ToClient = Mining.ToClient | ForeignMessage
/** A pool's connection as the test sees it. */
type Up = Connection<ToServer, ToClient>

const foreign = (channelId: number, content: number): ForeignMessage => ({
  _tag: "ForeignMessage",
  extension: 0x1234,
  type: 7,
  channelId,
  content: bytes(content, 5)
})

/** The pool's channel ids are 70, 71 and so on. */
class Pool {
  readonly got: Array<ToServer> = []
  connection: Up | undefined
  #next = 70

  serve(connection: Up): Effect.Effect<void, unknown> {
    this.connection = connection
    return Stream.runForEach(connection.receive, (message) => {
      this.got.push(message)
      return message._tag === "OpenExtendedMiningChannel" ? connection.send(this.#open(message)) : Effect.void
    })
  }

  #open({ requestId }: Mining.OpenExtendedMiningChannel): ReadonlyArray<ToClient> {
    const channelId = this.#next++
    const extranonce = { extranonceSize: 8, extranoncePrefix: bytes(channelId, 4) }
    const job = { jobId: 1, version: 0x20000000, versionRollingAllowed: true, merklePath: [], minNtime: undefined }
    const block = { prevHash: bytes(1), minNtime: 1_800_000_000, nbits: 0x207fffff }
    return [
      {
        _tag: "OpenExtendedMiningChannel.Success",
        requestId,
        channelId,
        target: ANY_TARGET,
        groupChannelId: 1,
        ...extranonce
      },
      { _tag: "NewExtendedMiningJob", channelId, ...job, ...coinbaseHalves(12) },
      { _tag: "SetNewPrevHash", channelId, jobId: 1, ...block }
    ]
  }
}

const start = Effect.gen(function* () {
  const network = Memory.make()
  const listener = (address: ServerAddress) =>
    Setup.server(RelayListener).pipe(
      Layer.provide(Plain.listener),
      Layer.provide(Layer.orDie(network.listener(address))),
      Layer.provide(Logger.layer([]))
    )
  const dialer = Setup.client(RelayDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(network.dialer))
  const startPool = Effect.fnUntraced(function* (address: ServerAddress) {
    const pool = new Pool()
    const { run } = Context.get(yield* Layer.build(listener(address)), MiningListener)
    yield* Effect.forkScoped(run((connection) => pool.serve(connection as unknown as Up)))
    return pool
  })
  const pools = [yield* startPool(POOL), yield* startPool(OTHER)] as const
  yield* Layer.build(
    Proxy.layer({ mode: "per-miner", upstreams: [{ server: POOL }, { server: OTHER }] }).pipe(
      Layer.provide([listener(PROXY), dialer]),
      Layer.provide(Logger.layer([]))
    )
  )
  yield* wait(2)
  const { dial } = Context.get(yield* Layer.build(dialer), MiningDialer)
  /** A miner with a channel, and everything that it got since. */
  const join = Effect.fnUntraced(function* (): Effect.fn.Return<Miner, unknown, Scope.Scope> {
    const connection = (yield* dial(PROXY)) as unknown as Connection<ToClient, ToServer>
    const got: Array<ToClient> = []
    yield* connection.receive.pipe(
      Stream.runForEach((message) => Effect.sync(() => got.push(message))),
      Effect.ignore,
      Effect.forkScoped
    )
    yield* connection.send([openExtended()])
    yield* settle
    yield* settle
    const [opened] = got.splice(0)
    assert(opened?._tag === "OpenExtendedMiningChannel.Success")
    return { connection, got, channelId: opened.channelId }
  })
  return { pools, join }
})

interface Miner {
  readonly connection: Connection<ToClient, ToServer>
  readonly got: Array<ToClient>
  readonly channelId: number
}

it.effect(
  "a proxy with a channel for each miner passes messages of unknown extensions on, with the id of the channel there",
  () =>
    Effect.gen(function* () {
      const { join, pools } = yield* start
      const [pool] = pools
      const [one, other] = [yield* join(), yield* join()]
      assert.strictEqual(one.channelId, other.channelId, "each miner has a connection of its own")
      pool.got.length = 0
      yield* other.connection.send([foreign(other.channelId, 1)])
      yield* one.connection.send([foreign(one.channelId, 2), foreign(999, 3)])
      yield* settle
      assert.deepStrictEqual(pool.got, [foreign(71, 1), foreign(70, 2)])
      yield* pool.connection!.send([foreign(70, 4), foreign(71, 5), foreign(999, 6)])
      yield* settle
      assert.deepStrictEqual([one.got, other.got], [[foreign(one.channelId, 4)], [foreign(other.channelId, 5)]])
    })
)

it.effect("a channel whose messages were passed on is told when they go to another pool", () =>
  Effect.gen(function* () {
    const { join, pools } = yield* start
    const [speaking, silent] = [yield* join(), yield* join()]
    yield* speaking.connection.send([foreign(speaking.channelId, 1)])
    yield* settle
    yield* pools[0].connection!.send([{ _tag: "SetTarget", channelId: 70, maximumTarget: bytes(0) }])
    yield* wait(2)
    const tags = ({ got }: Miner) => got.map(({ _tag }) => _tag)
    assert.include(tags(speaking), "ChannelEndpointChanged")
    assert.notInclude(tags(silent), "ChannelEndpointChanged")
    yield* speaking.connection.send([foreign(speaking.channelId, 2)])
    yield* settle
    const [passed] = pools[1].got.filter(({ _tag }) => _tag === "ForeignMessage")
    assert.deepInclude(passed, { content: bytes(2, 5) })
  })
)
