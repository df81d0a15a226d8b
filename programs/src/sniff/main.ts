/** `sluice sniff`: relays, decrypts and prints the messages between clients and a server of one's own. */
import { escaped } from "@sluice/protocol"
import {
  type LineEvent,
  recordLine,
  relay,
  relayLines,
  type RelayLinesOptions,
  Sniffer,
  type SnifferEvent
} from "@sluice/sniffer"
import { formatEndpoint, Listener, Security, Tcp } from "@sluice/transport"
import { Console, Effect, Layer } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { trustOf } from "../config/trust.ts"
import { secured } from "../server/secured.ts"
import { withoutReader } from "../output/streams.ts"
import { SniffConfig } from "./config.ts"
import { eventLine } from "./line.ts"
import { openRecording } from "./record.ts"

export const sniff = program({
  ...SniffConfig,
  description: summaries.sniff,
  run: (config) =>
    Effect.gen(function* () {
      const { connect, json, record, recordLimit } = config
      const write = record === undefined ? undefined : yield* openRecording(record, recordLimit * 1_000_000)
      const trust = yield* trustOf("sniff", config)
      const dialer = Tcp.dialerWith({ trust })
      const observe = (events: ReadonlyArray<SnifferEvent | LineEvent>) => {
        const recorded = json || write !== undefined ? events.map((event) => escaped(recordLine(event))) : []
        const printed = Console.log((json ? recorded : events.map(eventLine)).join("\n"))
        // The end of a connection interrupts this; what is recorded is printed too.
        return write === undefined ? printed : Effect.uninterruptible(Effect.andThen(write(recorded), printed))
      }
      // Clients are connected through the sniffer, so it goes on when the reader of its output leaves.
      yield* withoutReader
      if (connect.security._tag === "v1") {
        return yield* relayV1({ server: connect, observe }).pipe(
          Effect.provide(Layer.merge(Tcp.listener(config.listen), dialer))
        )
      }
      const sniffer = Sniffer.layer({ observe, historyBytes: 0 }).pipe(
        Layer.provide(Security.dialer()),
        Layer.provide(dialer)
      )
      return yield* relay({ server: connect }).pipe(Effect.provide(Layer.merge(sniffer, secured("sniffer", config))))
    }).pipe(Effect.scoped)
})

const relayV1 = Effect.fnUntraced(function* (options: RelayLinesOptions) {
  const { address } = yield* Listener
  yield* Effect.logInfo(`The sniffer listens for Stratum V1: connect to stratum+tcp://${formatEndpoint(address)}`)
  return yield* relayLines(options)
})
