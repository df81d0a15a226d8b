/**
 * One connection with one channel on it, as the miner sees it: events come, shares go. This is where another client of
 * the Mining Protocol can take the place of `ClientConnection`, such as the one that runs on devices.
 */
import { ClientConnection, type ClientEvent, ProtocolViolation } from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { Connection, ConnectionError } from "@sluice/transport"
import { Clock, Effect, Schema, Stream } from "effect"
import type { DeviceError } from "./device/device-error.ts"
import type { FoundShare } from "./hashing/search.ts"

export interface Session {
  /** Receives until the connection ends; the handler gets the events of each batch of messages. */
  readonly run: <E, R>(
    handler: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, ConnectionError | SessionFailure | E, R>
  /** Sends the shares in one write and gives the sequence number of each, `undefined` where it came too late. */
  readonly submit: (
    shares: ReadonlyArray<FoundShare>
  ) => Effect.Effect<ReadonlyArray<number | undefined>, ConnectionError>
  /** How many shares have no answer yet. */
  readonly pending: () => number
  /** Tells the server that the channel closes. */
  readonly close: Effect.Effect<void, ConnectionError>
}

/** The server does not give the work that was asked for. */
export class SessionError extends Schema.TaggedError<SessionError>("sluice/miner/SessionError")("SessionError", {
  reason: Schema.Literals(["extended-channels-only", "open-refused", "no-work", "channel-closed"]),
  message: Schema.String
}) {}

/** Why a session ends that the connection did not end. */
export type SessionFailure = ProtocolViolation | DeviceError | SessionError

export interface SessionOptions {
  readonly user: string
  /** Put on each share where the server takes such names. */
  readonly worker: string | undefined
  readonly channel: "standard" | "extended"
  readonly nominalHashRate: number
  readonly maxTarget: Uint8Array
  readonly minExtranonceSize: number
  readonly requiresStandardJobs: boolean
  readonly requiresVersionRolling: boolean
}

/** Asks for the channel; the answer is the first event. */
export const openSession = Effect.fnUntraced(function* (
  connection: Connection<Mining.ToClient, Mining.ToServer>,
  options: SessionOptions
): Effect.fn.Return<Session, ConnectionError | SessionError> {
  const { flags } = connection.setup
  if (options.channel === "standard" && (flags & Mining.REQUIRES_EXTENDED_CHANNELS) !== 0) {
    const message = "the server takes extended channels only (REQUIRES_EXTENDED_CHANNELS); mine with channel extended"
    return yield* new SessionError({ reason: "extended-channels-only", message })
  }
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const client = new ClientConnection({
    requiresStandardJobs: options.requiresStandardJobs,
    requiresVersionRolling: options.requiresVersionRolling,
    fixedVersion: (flags & Mining.REQUIRES_FIXED_VERSION) !== 0
  })
  const { maxTarget, minExtranonceSize, nominalHashRate, worker } = options
  if (worker !== undefined && !connection.setup.extensions.includes(WorkerIdentity.extension.id)) {
    yield* Effect.logInfo("The server takes no names of workers (extension 0x0002): shares go without")
  }
  const request = { userIdentity: options.user, nominalHashRate, maxTarget }
  yield* connection.send([
    options.channel === "standard"
      ? client.openStandardChannel(request)
      : client.openExtendedChannel({ ...request, minExtranonceSize })
  ])

  return {
    run: (handler) =>
      connection.receive.pipe(
        Stream.runForEachArray((messages) => {
          const events = client.receive(messages, now())
          const last = events.at(-1)
          return last?._tag === "ProtocolViolation" ? Effect.andThen(handler(events), last) : handler(events)
        }),
        Effect.andThen(Effect.never)
      ),
    submit: (shares) =>
      Effect.suspend(() => {
        const messages = shares.map((share) => named(client.submit(share.channelId, share, now()), worker))
        const sent = messages.filter((message) => message !== undefined)
        const numbers = messages.map((message) => message?.sequenceNumber)
        return sent.length === 0 ? Effect.succeed(numbers) : Effect.as(connection.send(sent), numbers)
      }),
    pending: () => [...client.channels.values()].reduce((sum, { pending }) => sum + pending.size, 0),
    close: Effect.suspend(() => {
      const channelIds = [...client.channels.keys()]
      if (channelIds.length === 0) return Effect.void
      return connection.send(channelIds.map((channelId) => client.closeChannel(channelId, "the miner stops")))
    })
  }
})

/** The share with its worker's name; what was not negotiated is left out when it is sent. */
const named = (message: ReturnType<ClientConnection["submit"]>, worker: string | undefined) =>
  worker !== undefined && message?._tag === "SubmitSharesExtended"
    ? WorkerIdentity.UserIdentity.put(message, { userIdentity: worker })
    : message
