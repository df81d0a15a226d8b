/** `sluice miner`: a software miner in worker threads. */
import { HashThreads, Miner, type MinerEvent, type MinerOptions } from "@sluice/miner"
import { MiningDialer, Security, Setup, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Stream } from "effect"
import { eventLine } from "../events.ts"
import { program } from "../program.ts"
import { MinerConfig } from "./config.ts"

export const miner = program({
  ...MinerConfig,
  description: "Mine in worker threads, for development and tests.",
  run: ({ channel, connect, json, shares, threads, user }) => {
    const options: MinerOptions = { servers: [connect], user, channel, ...(shares === undefined ? {} : { shares }) }
    return mine(json).pipe(
      Effect.provide(
        Miner.layer(options).pipe(
          Layer.provide(Setup.client(MiningDialer, Miner.setup(options))),
          Layer.provide(Security.dialer()),
          Layer.provide(Tcp.dialer),
          Layer.provide(HashThreads.layer({ threads }))
        )
      )
    )
  }
})

/** Tells what happens until the wanted number of shares is accepted. */
const mine = (json: boolean) =>
  Effect.gen(function* () {
    const { events, finished } = yield* Miner
    yield* events.pipe(
      Stream.runForEach((event) => (json ? Console.log(eventLine("miner", event)) : log(event))),
      Effect.forkScoped
    )
    const { accepted } = yield* finished
    yield* Effect.logInfo(`Done: ${accepted} shares are accepted`)
  }).pipe(Effect.scoped)

const log = (event: MinerEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "ChannelOpened":
      return Effect.logInfo(`Mining on ${event.kind} channel ${event.channelId} at difficulty ${event.difficulty}`)
    case "ShareAccepted":
      return Effect.logInfo(`${event.accepted} shares accepted`)
    case "ShareRefused":
      return Effect.logWarning(`Share ${event.sequenceNumber} refused: ${event.errorCode}`)
    case "BlockFound":
      return Effect.logInfo(`Found a block: ${event.hash}`)
    case "HashRate":
      return Effect.logInfo(`${(event.hashesPerSecond / 1e6).toFixed(2)} MH/s`)
    default:
      return Effect.logDebug(event._tag, event)
  }
}
