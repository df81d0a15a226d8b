import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { MiningListener, Plain, Setup, Tcp, TemplateListener } from "../src/index.ts"

const anyPort = () => Tcp.listener({ host: "127.0.0.1", port: 0 })

describe("Plain.listener", () => {
  it.live("gives each of two servers of one program its own address", () =>
    Effect.gen(function* () {
      const mining = yield* MiningListener
      const templates = yield* TemplateListener
      assert.notStrictEqual(mining.address.port, templates.address.port)
    }).pipe(
      Effect.provide(
        Layer.merge(
          Setup.server(MiningListener).pipe(Layer.provide(Plain.listener), Layer.provide(anyPort())),
          Setup.server(TemplateListener).pipe(Layer.provide(Plain.listener), Layer.provide(anyPort()))
        )
      ),
      Effect.provide(Logger.layer([]))
    )
  )
})
