/**
 * Swarms of miners behind a proxy of two pools, over real sockets, while the preferred pool is stopped and started again. Pools and
 * miners speak Stratum V2 with Noise, or Stratum V1.
 *
 * `SLUICE_FAIL_OVERS` sets how often. `npm run soak` does it ten times, with 200 miners and all plans.
 */
import { assert, describe, it } from "@effect/vitest"
import { shareSink } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { Swarm, SwarmDialer } from "@sluice/swarm"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { freePorts } from "@sluice/testing/ports"
import { newBlock, options } from "@sluice/testing/pool-worlds"
import {
  Dialer,
  mergeListeners,
  MiningDialer,
  MiningListener,
  Noise,
  type ServerAddress,
  Setup,
  Tcp
} from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { Proxy, Upstreams } from "../src/index.ts"

const FAIL_OVERS = Number(process.env["SLUICE_FAIL_OVERS"] ?? 1)
const MINERS = FAIL_OVERS > 2 ? 200 : 8
const HOST = "127.0.0.1"

type Protocol = "V2" | "V1"

interface Plan {
  readonly mode: "aggregated" | "per-miner"
  /** The protocol of the preferred pool, and of the other one. */
  readonly pools: readonly [Protocol, Protocol]
  /** The protocols of the miners, who connect at the same time. */
  readonly miners: ReadonlyArray<Protocol>
}

const plans: ReadonlyArray<Plan> = [
  { mode: "aggregated", pools: ["V2", "V1"], miners: ["V2", "V1"] },
  { mode: "per-miner", pools: ["V1", "V2"], miners: ["V2", "V1"] }
]
const morePlans: ReadonlyArray<Plan> = [
  { mode: "aggregated", pools: ["V2", "V2"], miners: ["V2"] },
  { mode: "aggregated", pools: ["V1", "V2"], miners: ["V2", "V1"] },
  { mode: "per-miner", pools: ["V2", "V1"], miners: ["V2", "V1"] }
]

describe("miners behind a proxy of two pools", () => {
  for (const plan of FAIL_OVERS > 1 ? [...plans, ...morePlans] : plans) {
    const { miners, mode, pools } = plan
    it.live(
      `(${miners.join(" and ")} below ${pools.join(" and ")}, ${mode}) keep their connections and get one answer for each share ` +
        `while the preferred pool goes away, times: ${FAIL_OVERS}`,
      () => failOvers(plan).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
      300_000
    )
  }
})

const failOvers = Effect.fnUntraced(function* ({ miners, mode, pools }: Plan) {
  const ports = yield* Effect.promise(() => freePorts(4))
  const first = yield* server(pools[0], ports[0]!, 8)
  const second = yield* server(pools[1], ports[1]!, 8)
  /** The proxy's address for each protocol. */
  const ours = { V2: yield* server("V2", ports[2]!, 2), V1: yield* server("V1", ports[3]!, 2) }
  /** Hashes of shares, by the pool that credited them. */
  const credited: ReadonlyArray<Array<string>> = [[], []]
  const startPool = (index: 0 | 1) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const sink = shareSink(({ hash }) => credited[index]!.push(displayOf(hash)))
      const context = yield* Layer.buildWithScope(
        // Pools that start in the same millisecond differ in their tags, so that no work of theirs is the same.
        Pool.layer(options({ tag: `pool ${index}`, shareSinks: [sink], policy: { sharesPerMinute: 120 } })).pipe(
          Layer.provideMerge(TemplateSourceMemory.layer),
          Layer.provide((index === 0 ? first : second).listener)
        ),
        scope
      )
      yield* Effect.provideContext(newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) }), context)
      return Scope.close(scope, Exit.void)
    })
  let stopFirst = yield* startPool(0)
  yield* startPool(1)
  const proxy = yield* Layer.build(
    Proxy.layer({
      mode,
      upstreams: [{ server: first.address }, { server: second.address }],
      // What a V1 pool gives at most.
      extranonceSize: 8,
      policy: { minHashRate: 1, sharesPerMinute: 60 },
      returnAfter: "1 second",
      reconnecting: { firstDelay: "100 millis", maxDelay: "500 millis" }
    }).pipe(
      Layer.provide([
        mergeListeners(MiningListener, [ours.V2.listener, ours.V1.listener]),
        Translator.eitherDialer({ connectionPerChannel: mode === "per-miner" }).pipe(
          Layer.provide(Setup.client(MiningDialer)),
          Layer.provide(noise),
          Layer.provide(Tcp.dialer)
        )
      ])
    )
  )
  assert.isDefined(Context.get(proxy, Proxy))
  const { stats } = Context.get(proxy, Upstreams)
  const untilUsed = (index: number) => poll(Effect.map(stats, (all) => all[index]?.state === "active"))
  yield* untilUsed(0)
  const answered: Array<string> = []
  const lines = new SubmitLines()
  const swarms = yield* Effect.forEach(miners, (protocol) =>
    Layer.build(
      Swarm.layer({
        server: ours[protocol].address,
        connections: MINERS / miners.length,
        kind: protocol === "V1" ? "extended" : "standard",
        concurrency: 16,
        sharesPerMinute: 60,
        nominalHashRate: 8,
        onAcknowledged: ({ hash }) => answered.push(hash)
      }).pipe(Layer.provide(protocol === "V1" ? v1SwarmDialer(lines) : v2SwarmDialer))
    ).pipe(Effect.map(Context.get(Swarm)))
  )
  /** Waits until this pool has credited more shares, and each swarm has been answered more: its work is mined. */
  const untilMined = Effect.fnUntraced(function* (index: 0 | 1) {
    const counts = Effect.map(
      Effect.forEach(swarms, ({ report }) => report),
      (reports) => [credited[index]!.length, ...reports.map(({ shares }) => shares.accepted)]
    )
    const before = yield* counts
    yield* poll(Effect.map(counts, (now) => now.every((count, place) => count > before[place]!)))
  })
  const areWorking = Effect.map(
    Effect.forEach(swarms, ({ report }) => report),
    (reports) => reports.every(({ channels, plan }) => channels.working === plan.connections)
  )
  yield* poll(areWorking)
  yield* untilMined(0)
  for (let round = 0; round < FAIL_OVERS; round++) {
    yield* stopFirst
    yield* untilUsed(1)
    yield* untilMined(1)
    stopFirst = yield* startPool(0)
    yield* untilUsed(0)
    yield* untilMined(0)
  }
  let accepted = 0
  let withoutVerdict = 0
  for (const [place, swarm] of swarms.entries()) {
    // A busy machine may need more than one wait for the last answers.
    yield* poll(
      Effect.andThen(
        swarm.finish,
        Effect.map(swarm.report, ({ shares }) => shares.pending === 0)
      )
    )
    const { channels, connections, shares, violations } = yield* swarm.report
    const each = MINERS / miners.length
    assert.deepStrictEqual([connections.opened, connections.lost, connections.failed], [each, {}, {}])
    assert.deepStrictEqual([channels.opened, channels.closed, violations], [each, {}, {}])
    assert.deepInclude(shares, { unanswered: 0, pending: 0 })
    // With a channel for each miner, the verdict is the pool's, which may be gone before it has given one.
    const { "no-verdict": noVerdict = 0, "no-answer-from-pool": noAnswer = 0, ...refused } = shares.refused
    const lost = noVerdict + noAnswer
    assert.deepStrictEqual([refused, mode === "aggregated" && lost > 0], [{}, false])
    assert.strictEqual(shares.accepted + lost, shares.submitted)
    if (miners[place] === "V1") lines.assertOneAnswerEach(shares.submitted)
    accepted += shares.accepted
    withoutVerdict += lost
  }
  assert.strictEqual(answered.length, accepted)
  assert.strictEqual(new Set(answered).size, accepted)
  const all = credited.flat()
  assert.strictEqual(new Set(all).size, all.length, "a share was credited twice")
  const known = new Set(answered)
  const unknown = all.filter((hash) => !known.has(hash))
  assert.isAtMost(unknown.length, withoutVerdict, "a pool credited a share that the miner was not answered")
  // A proxy with a channel for all miners decides itself, and then submits the share.
  const uncredited = mode === "aggregated" ? [] : answered.filter((hash) => !all.includes(hash))
  assert.deepStrictEqual(uncredited, [], "a miner was told that a share is accepted, and no pool credited it")
})

/** A server's listener at a port, and its address. A V1 server gives its miners as many bytes of extranonce2. */
const server = Effect.fnUntraced(function* (protocol: Protocol, port: number, extranonce2Size: number) {
  const tcp = Tcp.listener({ host: HOST, port })
  if (protocol === "V1") {
    const address: ServerAddress = { host: HOST, port, security: { _tag: "v1", tls: false } }
    return {
      address,
      listener: Translator.listener({ extranonce2Size, nominalHashRate: 8 }).pipe(Layer.provide(tcp))
    }
  }
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const address: ServerAddress = { host: HOST, port, security: { _tag: "noise", authorityKey: publicKey } }
  return {
    address,
    listener: Setup.server(MiningListener).pipe(
      Layer.provide(Noise.responder()),
      Layer.provide([CertificateAuthority.layer({ secretKey }), tcp])
    )
  }
})

const noise = Noise.initiator().pipe(Layer.provide(Tcp.dialer))

const v2SwarmDialer = Setup.client(SwarmDialer).pipe(Layer.provide(noise))

const v1SwarmDialer = (lines: SubmitLines) =>
  SwarmDialer.ofMining.pipe(Layer.provide(Translator.dialer()), Layer.provide(lines.dialer))

/** The lines of Stratum V1 that miners send and get on their sockets: each submit with the number of its answers. */
class SubmitLines {
  readonly #connections: Array<Map<unknown, number>> = []

  readonly dialer = Layer.effect(
    Dialer,
    Effect.map(Dialer, ({ dial }) => ({
      dial: (to) =>
        Effect.map(dial(to), (duplex) => {
          const answers = new Map<unknown, number>()
          this.#connections.push(answers)
          const sent = new LineReader(({ id, method }) => {
            if (method === "mining.submit") answers.set(id, 0)
          })
          const received = new LineReader(({ id, method }) => {
            const count = answers.get(id)
            if (method === undefined && count !== undefined) answers.set(id, count + 1)
          })
          return {
            ...duplex,
            pull: Effect.tap(duplex.pull, (chunks) => Effect.sync(() => chunks.forEach(received.read))),
            write: (bytes, size) =>
              duplex.write(() => {
                const written = bytes()
                sent.read(written)
                return written
              }, size)
          }
        })
    }))
  ).pipe(Layer.provide(Tcp.dialer))

  assertOneAnswerEach(submits: number): void {
    const counts = this.#connections.flatMap((answers) => [...answers.values()])
    assert.deepStrictEqual([counts.length, counts.filter((count) => count !== 1)], [submits, []])
  }
}

interface Line {
  readonly id?: unknown
  readonly method?: string
}

/** Parses the lines of a stream of bytes. */
class LineReader {
  #rest = ""
  readonly #onLine: (line: Line) => void

  constructor(onLine: (line: Line) => void) {
    this.#onLine = onLine
  }

  readonly read = (bytes: Uint8Array): void => {
    const lines = (this.#rest + Buffer.from(bytes).toString("latin1")).split("\n")
    this.#rest = lines.pop()!
    for (const line of lines) this.#onLine(JSON.parse(line))
  }
}

const poll = (isSo: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.repeat(Effect.delay(isSo, "20 millis"), { until: (so) => so }).pipe(Effect.asVoid)

const displayOf = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")
