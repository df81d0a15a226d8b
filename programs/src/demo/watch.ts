/** Watches the roles of the demo, starts its miners, and ends when enough blocks are accepted. */
import { DevNode, JsonRpcServer } from "@sluice/dev-node"
import { Miner } from "@sluice/miner"
import { Pool } from "@sluice/pool"
import { TemplateProvider } from "@sluice/template-provider"
import { formatEndpoint } from "@sluice/transport"
import { Clock, Context, Effect, Exit, Layer, Queue, Stream } from "effect"
import { openInBrowser } from "./browser.ts"
import type { DemoEvent, MinerName } from "./event.ts"
import { outputRoom } from "../output/streams.ts"
import type { Presentation } from "./presentation.ts"
import { count, seconds, type Snapshot } from "./table.ts"
import { Tally } from "./tally.ts"

export interface WatchOptions<E, R> {
  readonly miners: Readonly<Record<MinerName, Layer.Layer<Miner, E, R>>>
  /** How many blocks to wait for; `undefined` runs until the demo is stopped. */
  readonly blocks: number | undefined
  readonly presentation: Presentation
  /** The address of the operators' page. */
  readonly page: () => string
  /** Whether to open it in a browser. */
  readonly browser: boolean
}

export const watch = Effect.fnUntraced(function* <E, R>({
  blocks,
  browser,
  miners,
  page,
  presentation
}: WatchOptions<E, R>) {
  const node = yield* DevNode
  const rpc = yield* JsonRpcServer
  const provider = yield* TemplateProvider
  const pool = yield* Pool
  const clock = yield* Clock.Clock
  const now = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
  const startedAt = now()
  const tally = new Tally()

  const end = (how: string): void =>
    presentation.onEnd(`${how}: the node accepted ${count(tally.blocks, "block")} in ${seconds(now() - startedAt)}.`)
  yield* Effect.addFinalizer((exit) => (Exit.hasInterrupts(exit) ? Effect.sync(() => end("Stopped")) : Effect.void))

  /** All events in order, each with its time, from before the miners start. */
  const events = yield* Queue.bounded<{ readonly happened: DemoEvent; readonly at: number }>(EVENTS_AHEAD)
  const follow = <A>(source: Stream.Stream<A>, from: (event: A) => DemoEvent) =>
    source.pipe(
      Stream.runForEach((event) => Queue.offer(events, { happened: from(event), at: now() })),
      Effect.forkScoped({ startImmediately: true })
    )
  const mine = Effect.fnUntraced(function* (name: MinerName) {
    const miner = Context.get(yield* Layer.build(miners[name]), Miner)
    yield* follow(miner.events, (event) => ({ role: "miner", miner: name, event }))
    return miner
  })
  yield* follow(node.events, (event) => ({ role: "node", event }))
  yield* follow(provider.events, (event) => ({ role: "template-provider", event }))
  yield* follow(pool.events, (event) => ({ role: "pool", event }))
  presentation.onStart({
    node: rpc.url,
    templateProvider: formatEndpoint(provider.address),
    pool: formatEndpoint(pool.address),
    page: page()
  })
  if (browser) openInBrowser(page())
  const [standard, extended] = yield* Effect.all([mine("standard"), mine("extended")], { concurrency: 2 })

  const snapshot: Effect.Effect<Snapshot> = Effect.gen(function* () {
    return {
      elapsedMs: now() - startedAt,
      height: (yield* node.tip).height,
      mempoolSize: node.state.mempool.size,
      provider: yield* provider.stats,
      pool: yield* pool.stats,
      miners: { standard: yield* standard.stats, extended: yield* extended.stats },
      tally
    }
  })
  yield* Effect.map(snapshot, presentation.onTick).pipe(
    Effect.delay(REDRAW_INTERVAL),
    Effect.forever,
    Effect.forkScoped
  )

  while (tally.blocks < (blocks ?? Infinity)) {
    const { at, happened } = yield* Queue.take(events)
    const block = tally.onEvent(happened, at)
    presentation.onEvent(happened, at)
    yield* outputRoom
    if (block !== undefined) presentation.onBlock(yield* snapshot)
  }
  end("Done")
}, Effect.scoped)

const REDRAW_INTERVAL = "250 millis"
/** Events that wait for a slow reader of the output. Later ones wait in the role's own buffer, which drops the oldest. */
const EVENTS_AHEAD = 1024
