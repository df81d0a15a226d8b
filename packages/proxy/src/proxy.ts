/**
 * A mining proxy: a server of miners whose work is an upstream's. To make a proxy that differs in one of them, compose the same layers
 * and replace it.
 */
import { MiningServer, type MiningServerCalls, type MiningServerOptions, type OptionError } from "@sluice/mining-server"
import type { TemplateSource } from "@sluice/template-provider"
import type { DeclarationDialer, MiningDialer, MiningListener } from "@sluice/transport"
import { Context, Layer } from "effect"
import type { Declarations } from "./declared/declarations.ts"
import * as Declared from "./declared/declared.ts"
import type { DeclaredOptions } from "./declared/options.ts"
import type { UpstreamOptions } from "./upstream/options.ts"
import * as Upstream from "./upstream/upstream.ts"
import type { Upstreams } from "./upstream/upstreams.ts"

export interface ProxyOptions extends MiningServerOptions, UpstreamOptions {}

/** The options of a proxy whose miners choose the transactions of their blocks. */
export interface DeclaringProxyOptions extends MiningServerOptions, DeclaredOptions {}

export class Proxy extends Context.Service<Proxy, MiningServerCalls>()("sluice/proxy/Proxy") {
  /** Serves until the layer's Scope closes. Miners may connect before an upstream does: they wait for a job. */
  static readonly layer = (
    options: ProxyOptions
  ): Layer.Layer<Proxy | Upstreams, OptionError, MiningListener | MiningDialer> =>
    Layer.effect(Proxy, MiningServer).pipe(
      Layer.provide(MiningServer.layer(options)),
      Layer.provideMerge(Upstream.layer(options))
    )

  /** The same with jobs of the proxy's own templates, which it declares to pools. Templates come from a `TemplateSource`. */
  static readonly layerDeclared = (
    options: DeclaringProxyOptions
  ): Layer.Layer<
    Proxy | Upstreams | Declarations,
    OptionError,
    MiningListener | MiningDialer | DeclarationDialer | TemplateSource
  > =>
    Layer.effect(Proxy, MiningServer).pipe(
      Layer.provide(MiningServer.layer(options)),
      Layer.provideMerge(Declared.layer(options))
    )
}
