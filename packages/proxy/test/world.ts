/** Pools and a proxy in memory under a test clock, and clients of the proxy. */
import { Pool } from "@sluice/pool"
import { ChannelClient, settle } from "@sluice/testing/channel-client"
import { fedPool, newBlock, PoolAddress } from "@sluice/testing/pool-worlds"
import { TestClient } from "@sluice/testing/pool-client"
import { TemplateFeed } from "@sluice/template-provider"
import { type Mining, WorkerIdentity } from "@sluice/protocol"
import {
  type Connection,
  FrameDialer,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { PoolConnection, ScriptedPool } from "./scripted-pool.ts"
import { Proxy, type ProxyOptions, Upstreams } from "../src/index.ts"

const PROXY: ServerAddress = { host: "memory", port: 99, security: { _tag: "plain" } }

export const poolAddress = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })

/** What a scripted pool sends before its answer to anything, and behind its answer to the request for a channel. */
export interface Script {
  readonly first?: (pool: ScriptedPool) => ReadonlyArray<Mining.ToClient>
  readonly behind: (pool: ScriptedPool) => ReadonlyArray<Mining.ToClient>
}

type PoolContext = Context.Context<Pool | TemplateFeed>

export interface RunningPool {
  readonly service: Pool["Service"]
  readonly newBlock: (number: number) => Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

/** The network of a world, and the address of its proxy there. */
export interface Place {
  readonly network?: Memory.Network
  readonly at?: ServerAddress
}

/** Makes a world for pools at any ports, and a proxy of those at `ports`. */
export const makeWorld = Effect.fnUntraced(function* (
  ports: readonly [number, ...ReadonlyArray<number>],
  options: Omit<ProxyOptions, "upstreams"> = {},
  log: Array<string> = [],
  { at = PROXY, network = Memory.make() }: Place = {}
) {
  const logger = Logger.make<unknown, void>(({ message }) => {
    log.push(String(Array.isArray(message) ? message[0] : message))
  })
  const [first, ...others] = ports.map((port) => ({ server: poolAddress(port) }))
  const dialer = Plain.dialer.pipe(Layer.provide(network.dialer))
  const proxy = yield* Layer.build(
    Proxy.layer({
      upstreams: [first!, ...others],
      acknowledgeWithin: 0,
      ...options,
      policy: { minHashRate: 1, ...options.policy }
    }).pipe(
      Layer.provide([
        Setup.server(MiningListener).pipe(
          Layer.provide(Plain.listener),
          Layer.provide(Layer.orDie(network.listener(at)))
        ),
        Setup.client(MiningDialer).pipe(Layer.provide(dialer))
      ]),
      Layer.provide(Logger.layer([logger]))
    )
  )
  const clients = yield* Layer.build(Layer.merge(dialer, Layer.succeed(PoolAddress, at)))
  const here = <A, E>(effect: Effect.Effect<A, E, PoolAddress | FrameDialer | Scope.Scope>) =>
    Effect.provideContext(effect, clients)

  const startPool = Effect.fnUntraced(function* (port: number, tag = `pool ${port}`) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const context: PoolContext = yield* Layer.buildWithScope(
      fedPool({ tag }).pipe(
        Layer.provide(Plain.listener),
        Layer.provide(Layer.orDie(network.listener(poolAddress(port)))),
        Layer.provide(Logger.layer([]))
      ),
      scope
    )
    const pool: RunningPool = {
      service: Context.get(context, Pool),
      newBlock: (number) => Effect.andThen(Effect.orDie(Effect.provideContext(newBlock(number), context)), settle),
      kill: Effect.andThen(Scope.close(scope, Exit.void), settle)
    }
    return pool
  })

  /** A pool of a test at a port, over the same network. */
  const startScripted = Effect.fnUntraced(function* (port: number, pool: ScriptedPool, script: Script) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const open = new Map<PoolConnection, Connection<Mining.ToServer, Mining.ToClient>["send"]>()
    const serve = ({ receive, send }: Connection<Mining.ToServer, Mining.ToClient>) => {
      const connection = pool.connect()
      open.set(connection, send)
      return Stream.runForEachArray(receive, (messages) => {
        const early = script.first?.(pool) ?? []
        const answers = connection.answer(messages)
        const behind = messages.some(({ _tag }) => _tag === "OpenExtendedMiningChannel") ? script.behind(pool) : []
        return send([...early, ...answers, ...behind])
      }).pipe(Effect.ensuring(Effect.sync(() => open.delete(connection))))
    }
    const listen = (scope: Scope.Scope) =>
      Effect.gen(function* () {
        const listener = yield* Layer.buildWithScope(
          Setup.server(MiningListener).pipe(
            Layer.provide(Plain.listener),
            Layer.provide(Layer.orDie(network.listener(poolAddress(port)))),
            Layer.provide(Logger.layer([]))
          ),
          scope
        )
        yield* Context.get(listener, MiningListener)
          .run(serve, { extensions: [WorkerIdentity.extension] })
          .pipe(Effect.forkIn(scope))
      })
    yield* listen(scope)
    return {
      connections: () => [...open.keys()],
      /** Sends to all its connections. */
      say: (...messages: ReadonlyArray<Mining.ToClient>) =>
        Effect.andThen(
          Effect.forEach(open, ([connection, send]) => send(connection.say(...messages))),
          settle
        ),
      kill: Effect.andThen(Scope.close(scope, Exit.void), settle),
      restart: Effect.flatMap(Effect.scope, listen)
    }
  })

  return {
    log,
    network,
    startPool,
    startScripted,
    service: Context.get(proxy, Proxy),
    upstreams: Context.get(proxy, Upstreams).stats,
    connect: (...setup: Parameters<typeof ChannelClient.connect>) => here(ChannelClient.connect(...setup)),
    connectRaw: (...setup: Parameters<typeof TestClient.connect>) => here(TestClient.connect(...setup))
  }
})

/** Lets time pass in steps of a second. */
export const wait = (seconds: number): Effect.Effect<void> =>
  Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 }).pipe(Effect.asVoid)
