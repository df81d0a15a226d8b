/**
 * A mining pool: the server of miners on work of templates, whose coinbase pays what the options say. A pool that pays
 * otherwise, or records shares elsewhere, is the same three layers with another one of yours in the place of one of these.
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
  /** Serves as long as the layer lives. Miners may come before the first template: they wait for a job. */
  static readonly layer = (options: PoolOptions): Layer.Layer<Pool, OptionError, MiningListener | TemplateSource> =>
    Layer.effect(Pool, MiningServer).pipe(
      Layer.provide(MiningServer.layer(options)),
      Layer.provide(Templates.layer(options)),
      Layer.provide(Payouts.layer(options))
    )
}
