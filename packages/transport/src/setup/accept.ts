/** The server's part of SetupConnection (specification, section 3.6). */
import { Common, ErrorCode, type Protocol } from "@sluice/protocol"
import { Duration, Effect } from "effect"
import { type MessageLimits, overFrames, writeMessages } from "../connection/message-stream.ts"
import { formatEndpoint } from "../endpoint.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import type { Notices } from "../notices.ts"
import { decodeFirst, failWith } from "./first-message.ts"
import { awaitRequired, idsOf, type makeSpoken, missingExtensions, ServerNegotiation } from "./negotiation.ts"
import {
  RefusedClient,
  type SetupError,
  SetupTimeout,
  UnsupportedFlags,
  UnsupportedProtocol,
  VersionMismatch
} from "./setup-error.ts"
import { type Accepted, type ServerSetup, SetupRefusal } from "./setup-options.ts"

export interface ServerOptions extends MessageLimits {
  /** How long the setup of a connection may take, `accept` and required extensions included. Default 10 seconds. */
  readonly setupTimeout?: Duration.Input
}

/** The parts that all connections of a server's layer share. */
export interface ServerEnvironment<In, Out> {
  readonly protocol: Protocol<In, Out>
  readonly options: ServerOptions
  readonly spoken: ReturnType<typeof makeSpoken<In, Out>>
  readonly notices: Notices
}

/** Receives one SetupConnection and answers with Success or Error. */
export const makeAccept = <In, Out, A, E, R>(
  { notices, options, protocol, spoken }: ServerEnvironment<In, Out>,
  setup: ServerSetup<A, E, R>
) => {
  const { accept, flags = 0, supportedFlags = 0 } = setup
  const timeout = Duration.fromInputUnsafe(options.setupTimeout ?? "10 seconds")

  const judge = (client: Common.SetupConnection): Refusal | undefined => {
    const { minVersion, maxVersion } = client
    if (client.protocol !== protocol.id) {
      const reason = new UnsupportedProtocol({ requested: client.protocol, served: protocol.id })
      return { flags: 0, errorCode: ErrorCode.setup.unsupportedProtocol, reason }
    }
    if (minVersion > Common.PROTOCOL_VERSION || maxVersion < Common.PROTOCOL_VERSION) {
      const reason = new VersionMismatch({ minVersion, maxVersion })
      return { flags: 0, errorCode: ErrorCode.setup.protocolVersionMismatch, reason }
    }
    const unsupported = (client.flags & ~supportedFlags) >>> 0
    if (unsupported !== 0) {
      const reason = new UnsupportedFlags({ flags: unsupported })
      return { flags: unsupported, errorCode: ErrorCode.setup.unsupportedFeatureFlags, reason }
    }
    return undefined
  }

  const refuse = (frames: FrameDuplex, { errorCode, flags, reason }: Refusal) =>
    Effect.andThen(
      writeMessages(frames, Common.setup.toClient, [{ _tag: "SetupConnection.Error", flags, errorCode }]),
      failWith(frames, reason)
    )

  const decide = (frames: FrameDuplex, client: Common.SetupConnection) => {
    if (accept === undefined) return Effect.succeed<Accepted<A>>({})
    return Effect.catchIf(
      accept(client, frames.remote),
      (error) => error instanceof SetupRefusal,
      ({ errorCode, flags }) => refuse(frames, { errorCode, flags, reason: new RefusedClient({ errorCode, flags }) })
    )
  }

  return Effect.fn("Setup.accept")(function* (frames: FrameDuplex) {
    const { remote } = frames
    let missing: SetupTimeout["missing"] = "the client sent no SetupConnection"
    const agree = Effect.gen(function* () {
      const [first, ...early] = yield* frames.pull
      const client = yield* decodeFirst(Common.setup.toServer, first, "SetupConnection (0x0)", remote)
      const refusal = judge(client)
      if (refusal !== undefined) return yield* refuse(frames, refusal)
      missing = "the server did not decide whether to accept the client"
      const accepted = yield* decide(frames, client)
      const usedVersion = Common.PROTOCOL_VERSION
      yield* writeMessages(frames, Common.setup.toClient, [
        { _tag: "SetupConnection.Success", usedVersion, flags: accepted.flags ?? flags }
      ])
      missing = "the client did not request the extensions that the server requires"
      const { extensions = setup.extensions ?? [] } = accepted
      const negotiation = new ServerNegotiation(extensions, setup.requiredExtensions ?? [], remote)
      const behind = negotiation.missing.length === 0 ? early : yield* awaitRequired(frames, negotiation, early)
      return { client, accepted: accepted.with, negotiation, usedVersion, early: behind }
    })
    const { accepted, client, early, negotiation, usedVersion } = yield* Effect.timeoutOrElse(agree, {
      duration: timeout,
      orElse: () => failWith(frames, new SetupTimeout({ seconds: Duration.toSeconds(timeout), missing }))
    })
    const { deviceId, firmware, hardwareVersion, vendor } = client
    const connection = overFrames<In, Out>({
      frames,
      speak: () => {
        // A client may request extensions again, but not without the required ones.
        if (negotiation.missing.length > 0) throw missingExtensions(negotiation, remote)
        const { toServer: incoming, toClient: outgoing } = spoken(negotiation.extensions)
        return { incoming, outgoing, extensions: idsOf(negotiation.extensions) }
      },
      answer: (frame) => negotiation.answer(frame),
      setup: { version: usedVersion, flags: client.flags, device: { vendor, hardwareVersion, firmware, deviceId } },
      early,
      limits: options,
      onSlowDown: Effect.suspend(() => {
        const line = `${formatEndpoint(remote)} sends too many messages of unknown types and is read from more slowly`
        return notices.note("too_many_unknown", line, "Warn")
      })
    })
    // If `accept` returns no `with`, `A` is undefined.
    return { connection, accepted: accepted as A }
  })
}

interface Refusal {
  readonly flags: number
  readonly errorCode: string
  readonly reason: SetupError["reason"]
}
