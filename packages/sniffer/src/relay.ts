/** A sniffer as a program between two others: it listens for clients, and dials the server for each of them. */
import { Frame } from "@sluice/protocol"
import { type FrameDuplex, FrameListener, type ListenError, type ServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { map } from "effect/Array"
import { frameBytes } from "./frame-bytes.ts"
import { Sniffer } from "./sniffer.ts"

export interface RelayOptions {
  readonly server: ServerAddress
  /** The longest payload that passes once the server has answered the client, in bytes; what a frame can hold, 16 MiB. */
  readonly maxPayload?: number
}

/**
 * Connects whoever comes with the server, for ever. Frames go on as they came, those of one read in one write; who reads
 * slowly makes the other end wait; and where one end closes the other is closed too. A client whose server cannot be
 * reached is sent away.
 */
export const relay = ({
  maxPayload = Frame.maxPayload,
  server
}: RelayOptions): Effect.Effect<never, ListenError, FrameListener | Sniffer> =>
  Effect.gen(function* () {
    const { run } = yield* FrameListener
    const { dial } = yield* Sniffer
    const connect = (client: FrameDuplex) =>
      Effect.gen(function* () {
        const upstream = yield* dial(server, client.remote)
        upstream.limitPayload(maxPayload)
        let isAnswered = false
        const toServer = Effect.flatMap(client.pull, (frames) => upstream.write(map(frames, frameBytes)))
        const toClient = Effect.flatMap(upstream.pull, (frames) => {
          // A client that no server has taken yet has no use for more than SetupConnection.
          if (!isAnswered) client.limitPayload(maxPayload)
          isAnswered = true
          return client.write(map(frames, frameBytes))
        })
        return yield* Effect.raceFirst(Effect.forever(toServer), Effect.forever(toClient))
      })
    // In a Scope of its own, which is closed with what went wrong.
    return yield* run((client) => Effect.scoped(connect(client)))
  })
