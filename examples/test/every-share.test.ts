/** Runs the example as its reader does: in its own process, between a template provider and a miner. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { HashThreads, Miner } from "@sluice/miner"
import { TemplateProvider } from "@sluice/template-provider"
import {
  formatServerAddress,
  MiningDialer,
  Noise,
  parseServerAddress,
  Plain,
  Setup,
  Tcp,
  TemplateListener
} from "@sluice/transport"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../every-share/main.ts", import.meta.url))
const address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

const templateProvider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(DevNode.layerInMemory({ bits: 0x1e7fffff }))
)

const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))

/** Starts the example. `line` gives its next line of output. */
const start = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] })
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const next = Effect.map(
        Effect.promise(() => lines.next()),
        ({ value }) => String(value)
      )
      // Skips log lines, of which a found block causes several.
      const line = Effect.repeat(next, { until: (text) => /^(miners|reader) /.test(text) })
      return { child, line }
    }),
    ({ child }) => Effect.sync(() => child.kill())
  )

describe("every-share", () => {
  it.live("prints a line for each share of a miner", () =>
    Effect.gen(function* () {
      const provider = yield* TemplateProvider
      const url = formatServerAddress({ ...provider.address, security: { _tag: "plain" } })
      const { line } = yield* start([url, address, "0"])
      const connect = (yield* line).replace("miners connect to ", "")
      const server = yield* Effect.fromResult(parseServerAddress(connect))
      yield* Miner.start({ servers: [server], user: "reader", channel: "extended", nominalHashRate: 1_000 })
      for (let share = 0; share < 3; share++) {
        assert.match(yield* line, /^reader at height \d+: difficulty [\d.e+-]+, needed [\d.e+-]+$/)
      }
    }).pipe(Effect.provide(Layer.mergeAll(templateProvider, dialer, HashThreads.layer({ threads: 1 }))))
  )
})
