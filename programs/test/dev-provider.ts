/** A template provider in the test's process, on a free port and without encryption, over the chain of a development node. */
import { DevNode, type DevNodeOptions } from "@sluice/dev-node"
import { TemplateProvider } from "@sluice/template-provider"
import { Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, ManagedRuntime } from "effect"
import { onTestFinished } from "vitest"

export const layerDevProvider = (chain: DevNodeOptions) =>
  TemplateProvider.layer().pipe(
    Layer.provide(Setup.server(TemplateListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(DevNode.layerInMemory(chain)),
    Layer.provideMerge(Logger.layer([]))
  )

/** Runs one until the test ends. Gives its URL. */
export const startDevProvider = async (chain: DevNodeOptions): Promise<string> => {
  const runtime = ManagedRuntime.make(layerDevProvider(chain))
  onTestFinished(() => runtime.dispose())
  const { port } = await runtime.runPromise(Effect.map(TemplateProvider, ({ address }) => address))
  return `stratum2+tcp+plain://127.0.0.1:${port}`
}
