/** `sluice miner`: a software miner in worker threads. */
import { DeviceDialer, HashThreads, Miner, type MinerEvent, type MinerOptions } from "@sluice/miner"
import { Translator } from "@sluice/translator"
import { MiningDialer, Security, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Stream, Struct } from "effect"
import { trustOf } from "../config/trust.ts"
import { eventLine } from "../output/events.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { print } from "../output/streams.ts"
import { MinerConfig } from "./config.ts"

export const miner = program({
  ...MinerConfig,
  description: summaries.miner,
  run: (config) => {
    const options: MinerOptions = {
      servers: [config.connect],
      hashRateInterval: "10 seconds",
      ...Struct.pick(config, ["user", "worker", "channel", "shares"])
    }
    return Effect.flatMap(trustOf("miner", config), (trust) =>
      mine(config.json).pipe(
        Effect.provide(
          Miner.layer(options).pipe(
            Layer.provide(Translator.eitherDialer(Struct.pick(config, ["password"]))),
            Layer.provide(Setup.client(MiningDialer)),
            Layer.provide(Security.dialer()),
            Layer.provide(DeviceDialer.layer),
            Layer.provide(Tcp.dialerWith({ trust })),
            Layer.provide(HashThreads.layer(Struct.pick(config, ["threads"])))
          )
        )
      )
    )
  }
})

/** Logs or prints events until the wanted number of shares is accepted. */
const mine = (json: boolean) =>
  Effect.gen(function* () {
    const { events, finished, stats } = yield* Miner
    yield* events.pipe(
      Stream.runForEach((event) => (json ? print(eventLine("miner", event)) : log(event, stats))),
      Effect.forkScoped
    )
    const { accepted } = yield* finished
    yield* Effect.logInfo(`Done: ${accepted} shares were accepted`)
  }).pipe(Effect.scoped)

const log = (event: MinerEvent, stats: Miner["Service"]["stats"]): Effect.Effect<void> => {
  switch (event._tag) {
    case "ChannelOpened": {
      const at = `at difficulty ${event.difficulty.toPrecision(3)}`
      return Effect.logInfo(`Mining on ${event.kind} channel ${event.channelId} ${at}`)
    }
    case "ShareRefused":
      return Effect.logWarning(`The server refused share ${event.sequenceNumber}: ${event.errorCode}`)
    case "BlockFound":
      return Effect.logInfo(`Found a block: ${event.hash}`)
    case "HashRate":
      return Effect.flatMap(stats, ({ accepted, hashesPerSecond, state }) =>
        state === "mining"
          ? Effect.logInfo(`${(hashesPerSecond / 1e6).toFixed(2)} MH/s, ${accepted} shares accepted`)
          : Effect.void
      )
    default:
      return Effect.logDebug(event._tag, event)
  }
}
