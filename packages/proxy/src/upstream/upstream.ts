/**
 * The source of work of a proxy: one extended channel at each upstream, of which one is in use, or a channel for each miner. The
 * decisions are in machine.ts, or in per-miner/machine.ts, and shell.ts runs them.
 */
import type { SourceChannel } from "@sluice/channels"
import { JobIds, type OptionError, type Work, WorkSource } from "@sluice/mining-server"
import { formatServerAddress, MiningDialer } from "@sluice/transport"
import { Clock, Context, Duration, Effect, FiberSet, Layer } from "effect"
import { minerIdentity } from "../identity.ts"
import { PerMinerMachine } from "../per-miner/machine.ts"
import type { MinerChannel } from "../per-miner/miner-channel.ts"
import { PerMinerWork } from "../per-miner/work.ts"
import { UpstreamMachine } from "./machine.ts"
import { defaultUpstreamOptions, payoutCheckOf, sharedIdentityOf, spaceOf, type UpstreamOptions } from "./options.ts"
import { runUpstreams, type Shell } from "./shell.ts"
import { Upstreams } from "./upstreams.ts"

/** Connects to the upstreams for as long as the layer lives. Building it does not wait for them. */
export const layer = (options: UpstreamOptions): Layer.Layer<WorkSource | Upstreams, OptionError, MiningDialer> =>
  Layer.effectContext(make(options))

const make = Effect.fnUntraced(function* (given: UpstreamOptions) {
  const options = { ...defaultUpstreamOptions, ...given }
  const defaultDialer = yield* MiningDialer
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const jobIds = yield* yield* JobIds.JobIds
  const names = options.upstreams.map(({ server }) => formatServerAddress(server))
  const dialers = options.upstreams.map(({ dialer = defaultDialer }) => dialer)
  const start = yield* FiberSet.makeRuntime<never, void>()
  const rules = {
    firstJobId: jobIds.next() % 2 ** 32,
    returnAfterMs: Duration.toMillis(options.returnAfter),
    silenceMs: Duration.toMillis(options.silence),
    idleMs: Duration.toMillis(options.idle),
    checkPayout: yield* payoutCheckOf(options)
  }

  const aggregated = Effect.gen(function* () {
    const upstreams = yield* Effect.forEach(
      options.upstreams,
      ({ server, userIdentity = options.userIdentity }, index) =>
        Effect.map(sharedIdentityOf(userIdentity), (identity) => ({
          server,
          name: names[index]!,
          userIdentity: identity
        }))
    )
    const space = yield* spaceOf(options.extranonceSize)
    return new UpstreamMachine({ ...rules, upstreams, space, repeatAfterMs: Duration.toMillis(options.repeatAfter) })
  })

  const perMiner = (): PerMinerMachine => {
    const openChannel: NonNullable<Work["openChannel"]> = (request) =>
      Effect.callback<SourceChannel, string>((resume) => {
        let miner: MinerChannel | undefined
        const done = (result: SourceChannel | string) =>
          resume(typeof result === "string" ? Effect.fail(result) : Effect.succeed(result))
        start(shell.run(() => (miner = machine.open(request, now(), done))))
        return Effect.sync(() => miner?.close("client-disconnected"))
      })
    const machine = new PerMinerMachine({
      ...rules,
      upstreams: options.upstreams.map(({ server, userIdentity: template = given.userIdentity }, index) => ({
        server,
        name: names[index]!,
        identityOf: (identity) => (template === undefined ? identity : minerIdentity(template, identity))
      })),
      work: new PerMinerWork(openChannel),
      wake: () => start(shell.run(() => machine.flush()))
    })
    return machine
  }

  const machine = given.mode === "per-miner" ? perMiner() : yield* aggregated
  const shell: Shell = yield* runUpstreams({
    machine,
    names,
    dialers,
    reconnecting: options.reconnecting,
    setups: [],
    name: "upstream",
    ...(machine instanceof UpstreamMachine ? { observe: (load, now) => machine.observe(load, now) } : {})
  })
  return Context.make(WorkSource, shell.source).pipe(Context.add(Upstreams, Upstreams.of({ stats: shell.stats })))
})
