/** A proxy and its upstream, which is another process behind a connection with Noise. */
import type { MiningServerOptions } from "@sluice/mining-server"
import { Proxy } from "@sluice/proxy"
import { MiningDialer, Noise, parseServerAddress, Setup, Tcp } from "@sluice/transport"
import { Layer, Result } from "effect"
import { startChild } from "./child.ts"

/** Starts the upstream. `announce` makes it announce a new block. */
export const proxyLayer = async (target: "easy" | "hard", { policy }: MiningServerOptions) => {
  const upstream = await startChild<object, { readonly _tag: "Ready"; readonly url: string }>("./upstream.ts", [target])
  const server = Result.getOrThrow(parseServerAddress(upstream.ready.url))
  // A repeated job would be one more write in the time of a new block.
  // The clients of closed loops wait for their acknowledgements.
  const shares = { acknowledgeWithin: 0, ...(policy && { policy }) }
  const options = { upstreams: [{ server }], repeatAfter: "1 hour", idle: "1 hour", ...shares } as const
  const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
  return { layer: Proxy.layer(options).pipe(Layer.provide(dialer)), announce: () => upstream.tell({}) }
}
