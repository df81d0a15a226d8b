/** Chooses by the address: Noise for `stratum2+tcp://HOST:PORT/KEY`, plain for `stratum2+tcp+plain://HOST:PORT`. */
import { Context, Effect, Layer } from "effect"
import type { Dialer } from "../bytes/duplex.ts"
import { FrameDialer } from "./frame-duplex.ts"
import * as Noise from "../noise/noise.ts"
import * as Plain from "./plain.ts"

/** Dials both kinds of address. */
export const dialer = (options: Noise.InitiatorOptions = {}): Layer.Layer<FrameDialer, never, Dialer> =>
  Layer.effect(
    FrameDialer,
    Effect.gen(function* () {
      const noise = Context.get(yield* Layer.build(Noise.initiator(options)), FrameDialer)
      const plain = Context.get(yield* Layer.build(Layer.fresh(Plain.dialer)), FrameDialer)
      return FrameDialer.of({
        dial: (server) => (server.security._tag === "noise" ? noise : plain).dial(server)
      })
    })
  )
