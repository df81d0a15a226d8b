/**
 * A mining proxy: a server of miners whose work is an upstream's. To make a proxy that differs in one of them, compose the same layers
 * and replace it.
 */
import { MiningServer, type MiningServerCalls, type MiningServerOptions, type OptionError } from "@sluice/mining-server"
import type { MiningDialer, MiningListener } from "@sluice/transport"
import { Context, Layer } from "effect"
import type { UpstreamOptions } from "./upstream/options.ts"
import * as Upstream from "./upstream/upstream.ts"
import type { Upstreams } from "./upstream/upstreams.ts"

export interface ProxyOptions extends MiningServerOptions, UpstreamOptions {}

export class Proxy extends Context.Service<Proxy, MiningServerCalls>()("sluice/proxy/Proxy") {
  /** Serves until the layer's Scope closes. Miners may connect before an upstream does: they wait for a job. */
  static readonly layer = (
    options: ProxyOptions
  ): Layer.Layer<Proxy | Upstreams, OptionError, MiningListener | MiningDialer> =>
    Layer.effect(Proxy, MiningServer).pipe(
      Layer.provide(MiningServer.layer(options)),
      Layer.provideMerge(Upstream.layer(options))
    )
}
