/**
 * A swarm of miners behind a proxy of two pools, over real sockets with Noise, while the preferred pool is stopped and started again.
 *
 * `SLUICE_FAIL_OVERS` sets how often. `npm run soak` does it ten times, with 200 miners.
 */
import { assert, describe, it } from "@effect/vitest"
import { shareSink } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Swarm, SwarmDialer } from "@sluice/swarm"
import { freePorts } from "@sluice/testing/ports"
import { fedPool, newBlock } from "@sluice/testing/pool-worlds"
import { MiningDialer, MiningListener, Noise, type ServerAddress, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { Proxy, Upstreams } from "../src/index.ts"

const FAIL_OVERS = Number(process.env["SLUICE_FAIL_OVERS"] ?? 2)
const MINERS = FAIL_OVERS > 2 ? 200 : 8

/** A server's key, its frames at a port, and its address. */
const identity = (port: number) =>
  Effect.map(AuthorityKey.generate, ({ publicKey, secretKey }) => ({
    frames: Noise.responder().pipe(
      Layer.provide(CertificateAuthority.layer({ secretKey })),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port }))
    ),
    address: { host: "127.0.0.1", port, security: { _tag: "noise", authorityKey: publicKey } } as ServerAddress
  }))

describe("miners behind a proxy of two pools", () => {
  it.live(
    `keep their connections and get an answer for each share while the preferred pool goes away ${FAIL_OVERS} times`,
    () =>
      Effect.gen(function* () {
        const ports = yield* Effect.promise(() => freePorts(3))
        const [first, second, ours] = [
          yield* identity(ports[0]!),
          yield* identity(ports[1]!),
          yield* identity(ports[2]!)
        ]
        /** Hashes of shares, by the pool that credited them. */
        const credited: ReadonlyArray<Array<string>> = [[], []]
        const startPool = (index: 0 | 1) =>
          Effect.gen(function* () {
            const scope = yield* Scope.fork(yield* Effect.scope)
            const sink = shareSink(({ hash }) => credited[index]!.push(displayOf(hash)))
            const { frames } = index === 0 ? first : second
            const context = yield* Layer.buildWithScope(
              fedPool({ shareSinks: [sink] }).pipe(Layer.provide(frames)),
              scope
            )
            yield* Effect.provideContext(newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) }), context)
            return Scope.close(scope, Exit.void)
          })
        let stopFirst = yield* startPool(0)
        yield* startPool(1)
        const tcp = Noise.initiator().pipe(Layer.provide(Tcp.dialer))
        const proxy = yield* Layer.build(
          Proxy.layer({
            upstreams: [{ server: first.address }, { server: second.address }],
            policy: { minHashRate: 1, sharesPerMinute: 60 },
            returnAfter: "1 second",
            reconnecting: { firstDelay: "100 millis", maxDelay: "500 millis" }
          }).pipe(
            Layer.provide([
              Setup.server(MiningListener).pipe(Layer.provide(ours.frames)),
              Setup.client(MiningDialer).pipe(Layer.provide(tcp))
            ])
          )
        )
        assert.isDefined(Context.get(proxy, Proxy))
        const { stats } = Context.get(proxy, Upstreams)
        const untilUsed = (index: number) => poll(Effect.map(stats, (all) => all[index]?.state === "active"))
        yield* untilUsed(0)
        const answered: Array<string> = []
        const swarm = Context.get(
          yield* Layer.build(
            Swarm.layer({
              server: ours.address,
              connections: MINERS,
              sharesPerMinute: 60,
              nominalHashRate: 8,
              onAcknowledged: ({ hash }) => answered.push(hash)
            }).pipe(Layer.provide(Setup.client(SwarmDialer)), Layer.provide(tcp))
          ),
          Swarm
        )
        /** Waits until this pool has credited more shares: its work is mined. */
        const untilCredited = (index: 0 | 1) =>
          Effect.suspend(() => {
            const before = credited[index]!.length
            return poll(Effect.sync(() => credited[index]!.length > before))
          })
        yield* untilCredited(0)
        for (let round = 0; round < FAIL_OVERS; round++) {
          yield* stopFirst
          yield* untilUsed(1)
          yield* untilCredited(1)
          stopFirst = yield* startPool(0)
          yield* untilUsed(0)
          yield* untilCredited(0)
        }
        yield* swarm.finish
        const { channels, connections, shares, violations } = yield* swarm.report
        assert.deepStrictEqual([connections.opened, connections.lost, connections.failed], [MINERS, {}, {}])
        assert.deepStrictEqual([channels.opened, channels.closed, violations], [MINERS, {}, {}])
        assert.deepInclude(shares, { refused: {}, unanswered: 0, pending: 0 })
        assert.strictEqual(shares.accepted, shares.submitted)
        assert.strictEqual(new Set(answered).size, shares.accepted)
        const all = credited.flat()
        assert.strictEqual(new Set(all).size, all.length, "a share was credited twice")
        const known = new Set(answered)
        assert.deepStrictEqual(
          all.filter((hash) => !known.has(hash)),
          []
        )
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
    300_000
  )
})

const poll = (isSo: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.repeat(Effect.delay(isSo, "20 millis"), { until: (so) => so }).pipe(Effect.asVoid)

const displayOf = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")
