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
import { Context, Layer } from "effect"

export interface PoolOptions extends MiningServerOptions, Templates.Options, PayoutOptions {}

export class Pool extends Context.Service<Pool, MiningServerCalls>()("sluice/pool/Pool") {
  /** Serves until the layer's Scope closes. Miners may connect before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, OptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, MiningServer).pipe(
      Layer.provide(MiningServer.layer(options)),
      Layer.provide(Templates.layer(options)),
      Layer.provide(Payouts.layer(options))
    )
}
