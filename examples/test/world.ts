/** What the examples run between: a template provider over a development node, and dialers for miners; and the example's process. */
import { DevNode } from "@sluice/dev-node"
import { TemplateProvider } from "@sluice/template-provider"
import { Program } from "@sluice/testing/program"
import {
  formatServerAddress,
  MiningDialer,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  Tcp,
  TemplateListener
} from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { fileURLToPath } from "node:url"

/** An address of which nobody has the key. */
export const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** A node whose blocks take about 131,000 hashes, with no transactions, and a template provider on a free port. */
export const templateProvider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(DevNode.layerInMemory({ bits: 0x1e7fffff, transactionsPerSecond: 0 }))
)

/** The template provider as the examples take it. */
export const templateProviderUrl = Effect.map(TemplateProvider, ({ address }) =>
  formatServerAddress({ ...address, security: { _tag: "plain" } })
)

/** Silences the log of this process; the example has its own. */
export const quiet = Logger.layer([])

/** For miners of either kind of address. */
export const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))

/** Runs `node examples/FOLDER/main.ts ARGS` until the Scope closes. */
export const startExample = (folder: string, args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Program([process.execPath, main(folder), ...args])),
      (program) => Effect.promise(() => program.stop("SIGKILL"))
    ),
    (program) => {
      /** Waits for a match in what it prints, also of before. */
      const find = (pattern: RegExp, from = 0) => Effect.promise(() => program.find(pattern, from))
      return {
        find,
        /** The address behind these words. */
        server: (words: string) =>
          Effect.flatMap(find(new RegExp(`^${words} (\\S+)$`, "m")), ([, url]) =>
            Effect.fromResult(parseServerAddress(url!))
          ),
        output: () => program.output
      }
    }
  )

const main = (folder: string): string => fileURLToPath(new URL(`../${folder}/main.ts`, import.meta.url))
