/** A sniffer between two other programs: listens for clients, and dials the server for each of them. */
import { Frame } from "@sluice/protocol"
import { type FrameDuplex, FrameListener, type ListenError, type ServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { map } from "effect/Array"
import { frameBytes } from "./frame-bytes.ts"
import { Sniffer } from "./sniffer.ts"

export interface RelayOptions {
  readonly server: ServerAddress
  /** The longest payload to forward once the server has answered the client, in bytes. Default 16 MiB, the most of a frame. */
  readonly maxPayload?: number
}

/**
 * Connects every client with the server, for ever. Forwards frames unchanged, those of one read in one write. An end that
 * reads slowly makes the other end wait. When one end closes, the relay closes the other. If the server cannot be reached,
 * the relay closes the client's connection.
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
          // Until the server has answered, the client needs to send no more than SetupConnection.
          if (!isAnswered) client.limitPayload(maxPayload)
          isAnswered = true
          return client.write(map(frames, frameBytes))
        })
        return yield* Effect.raceFirst(Effect.forever(toServer), Effect.forever(toClient))
      })
    // A Scope of its own, which closes with the reason for the end.
    return yield* run((client) => Effect.scoped(connect(client)))
  })
