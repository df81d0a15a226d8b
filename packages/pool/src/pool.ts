/**
 * A mining pool: a server of miners, with work of templates and a payout that options describe. To make a pool that pays other
 * outputs or records shares elsewhere, compose the same three layers and replace one of them.
 */
import {
  MiningServer,
  type MiningServerCalls,
  type MiningServerOptions,
  type OptionError,
  type PayoutOptions,
  Payouts,
  Templates
} from "@sluice/mining-server"
import type { TemplateSource } from "@sluice/template-provider"
import type { MiningListener } from "@sluice/transport"
import { Context, Effect, Layer } from "effect"
import { customWorkOf, type CustomWorkOptions } from "./custom-work.ts"

export interface PoolOptions extends Omit<MiningServerOptions, "customWork">, Templates.Options, PayoutOptions {
  /** Takes the jobs of clients that select their work (5.3.18). By default they get the pool's jobs. */
  readonly customJobs?: CustomWorkOptions
}

export class Pool extends Context.Service<Pool, MiningServerCalls>()("sluice/pool/Pool") {
  /** Serves until the layer's Scope closes. Miners may connect before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, OptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, MiningServer).pipe(
      Layer.provide(Layer.unwrap(Effect.map(serverOptionsOf(options), (options) => MiningServer.layer(options)))),
      Layer.provide(Templates.layer(options)),
      Layer.provide(Payouts.layer(options))
    )
}

const serverOptionsOf = ({
  customJobs,
  ...options
}: PoolOptions): Effect.Effect<MiningServerOptions, OptionError, Payouts> =>
  customJobs === undefined
    ? Effect.succeed(options)
    : Effect.gen(function* () {
        const customWork = yield* Effect.fromResult(customWorkOf(yield* Payouts, customJobs))
        return { ...options, customWork }
      })
