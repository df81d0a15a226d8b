/**
 * The interface of one connection with one channel: it gives events and takes shares. Two implementations: `ChannelClient`
 * of @sluice/channels, here, and the device module (device-session.ts).
 */
import { ChannelClient, type ClientEvent, type ClientOutbox, Outbox, ProtocolViolation } from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { Connection, ConnectionError } from "@sluice/transport"
import { Clock, Effect, Schema, Stream } from "effect"
import type { DeviceError } from "./device/device-error.ts"
import type { FoundShare } from "./hashing/search.ts"

export interface Session {
  /** Receives until the connection ends. Calls the handler with the events of each batch of messages. */
  readonly run: <E, R>(
    handler: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, ConnectionError | SessionFailure | E, R>
  /** Sends the shares in one write. Gives the sequence number of each; `undefined` for shares that came too late. */
  readonly submit: (
    shares: ReadonlyArray<FoundShare>
  ) => Effect.Effect<ReadonlyArray<number | undefined>, ConnectionError>
  /** Number of shares without an answer. */
  readonly pending: () => number
  /** Sends CloseChannel. */
  readonly close: Effect.Effect<void, ConnectionError>
}

/** The server does not give the miner work. */
export class SessionError extends Schema.TaggedError<SessionError>("sluice/miner/SessionError")("SessionError", {
  reason: Schema.Literals(["extended-channels-only", "open-refused", "no-work", "channel-closed"]),
  message: Schema.String
}) {}

/** Why the miner ends a session although its connection is open. */
export type SessionFailure = ProtocolViolation | DeviceError | SessionError

export interface SessionOptions {
  readonly user: string
  /** The worker's name to send with each share, if the server supports that. */
  readonly worker: string | undefined
  readonly channel: "standard" | "extended"
  readonly nominalHashRate: number
  readonly maxTarget: Uint8Array
  readonly minExtranonceSize: number
  readonly requiresStandardJobs: boolean
  readonly requiresVersionRolling: boolean
}

/** Requests the channel. The answer is the first event. */
export const openSession = Effect.fnUntraced(function* (
  connection: Connection<Mining.ToClient, Mining.ToServer>,
  options: SessionOptions
): Effect.fn.Return<Session, ConnectionError | SessionError> {
  const { flags } = connection.setup
  if (options.channel === "standard" && (flags & Mining.REQUIRES_EXTENDED_CHANNELS) !== 0) {
    const message = "the server accepts extended channels only (REQUIRES_EXTENDED_CHANNELS); mine with channel extended"
    return yield* new SessionError({ reason: "extended-channels-only", message })
  }
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const client = new ChannelClient({
    requiresStandardJobs: options.requiresStandardJobs,
    requiresVersionRolling: options.requiresVersionRolling,
    fixedVersion: (flags & Mining.REQUIRES_FIXED_VERSION) !== 0
  })
  const { maxTarget, minExtranonceSize, nominalHashRate, worker } = options
  if (worker !== undefined && !connection.setup.extensions.includes(WorkerIdentity.extension.id)) {
    yield* Effect.logInfo("The server does not support workers' names (extension 0x0002); shares are sent without")
  }
  const request = { userIdentity: options.user, nominalHashRate, maxTarget }
  const out: ClientOutbox = new Outbox()
  if (options.channel === "standard") client.openStandardChannel(request, out)
  else client.openExtendedChannel({ ...request, minExtranonceSize }, out)
  yield* connection.send(out.takeMessages())

  return {
    run: (handler) =>
      connection.receive.pipe(
        Stream.runForEachArray((messages) => {
          client.receive(messages, now(), out)
          const events = out.takeEvents()
          const last = events.at(-1)
          return last?._tag === "ProtocolViolation" ? Effect.andThen(handler(events), last) : handler(events)
        }),
        Effect.andThen(Effect.never)
      ),
    submit: (shares) =>
      Effect.suspend(() => {
        const numbers = shares.map((share) => client.submit(share.channelId, share, now(), out))
        const sent = out.takeMessages().map((message) => named(message, worker))
        return sent.length === 0 ? Effect.succeed(numbers) : Effect.as(connection.send(sent), numbers)
      }),
    pending: () => [...client.channels.values()].reduce((sum, { pending }) => sum + pending.size, 0),
    close: Effect.suspend(() => {
      const channelIds = [...client.channels.keys()]
      if (channelIds.length === 0) return Effect.void
      for (const channelId of channelIds) client.closeChannel(channelId, "the miner stops", out)
      return connection.send(out.takeMessages())
    })
  }
})

/** The share with its worker's name. Encoding leaves the name out if the extension was not negotiated. */
const named = (message: Mining.ToServer, worker: string | undefined) =>
  worker !== undefined && message._tag === "SubmitSharesExtended"
    ? WorkerIdentity.UserIdentity.put(message, { userIdentity: worker })
    : message
